"""docker-compose.yml agrees with the code that it starts."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from tests.compose_file import seconds, services
from tests.database import ROOT

OURS = ("migrate", "api", "worker", "gateway")


def graceful_timeout() -> int:
    found = re.search(r"^graceful_timeout = ([0-9]+)$", (ROOT / "api" / "gunicorn.py").read_text(), re.M)
    assert found
    return int(found[1])


def test_each_image_is_built_by_one_service() -> None:
    # Two builds of one tag make two images, and Compose recreates the containers of the first at the next `up`.
    built = Counter(service["image"] for service in services().values() if "build" in service)

    assert set(built.values()) == {1}
    assert built.keys() == {services()[name]["image"] for name in OURS}


def test_what_uses_an_image_that_another_service_builds_waits_for_that_service() -> None:
    # So `docker compose up api` builds it too.
    builders = {service["image"]: name for name, service in services().items() if "build" in service}
    for name in OURS:
        service = services()[name]
        if "build" not in service:
            assert builders[service["image"]] in service["depends_on"]


def test_the_api_is_given_as_long_to_stop_as_its_requests_may_take() -> None:
    assert seconds(services()["api"]["stop_grace_period"]) > graceful_timeout()


@pytest.mark.parametrize("stop_seconds", ["0", "2.5", "60", "600"])
def test_a_worker_is_given_longer_to_stop_than_it_takes(stop_seconds: str) -> None:
    given = services({"WORKER_STOP_SECONDS": stop_seconds})["worker"]["stop_grace_period"]

    assert seconds(given) == float(stop_seconds) + 10


def test_the_number_of_workers_is_a_setting() -> None:
    assert services()["worker"]["scale"] == "1"
    assert services({"WORKERS": "3"})["worker"]["scale"] == "3"


def test_no_url_has_a_password_in_it() -> None:
    settings = {"POSTGRES_PASSWORD": "s3cret"}
    for service in services(settings).values():
        for name, value in service.get("environment", {}).items():
            if isinstance(value, str) and "://" in value:
                assert urlsplit(value).password is None, name
                assert "s3cret" not in value, name


def test_everything_that_connects_to_the_database_has_its_password() -> None:
    found = services({"POSTGRES_PASSWORD": "s3cret"})
    for service in found.values():
        environment = service.get("environment", {})
        if "DATABASE_URL" in environment:
            assert environment["PGPASSWORD"] == "s3cret" == found["db"]["environment"]["POSTGRES_PASSWORD"]


def test_the_first_start_needs_no_settings() -> None:
    found = services()

    assert found["migrate"]["environment"]["PGPASSWORD"] == found["db"]["environment"]["POSTGRES_PASSWORD"]


def test_the_key_of_credentials_is_made_before_the_services_that_read_it_start() -> None:
    found = services()
    assert "make-credentials-key /credentials/key" in " ".join(found["migrate"]["command"])
    assert found["migrate"]["volumes"] == ["credentials:/credentials"]
    for name in ("api", "worker"):
        assert "credentials:/credentials:ro" in found[name]["volumes"]
        assert found[name]["environment"]["CREDENTIALS_KEY_FILE"] == "/credentials/key"
    for file in ("Dockerfile.api", "Dockerfile.worker"):
        assert "install --directory --owner 10001" in (ROOT / file).read_text()
