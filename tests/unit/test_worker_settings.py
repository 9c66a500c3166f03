"""The worker's settings, from the environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from shared.errors import ConfigurationError
from tests.database import ROOT
from worker.settings import WorkerSettings, obsolete_settings

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def environment(monkeypatch: Environment) -> Environment:
    """An environment in which only what must be set is set."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_URL", "http://gateway.example")
    return monkeypatch


def test_only_the_address_of_the_gateway_must_be_set() -> None:
    settings = WorkerSettings.from_environment()

    assert settings.gateway_url == "http://gateway.example"
    assert settings.database_dsn == "postgresql://gonets:gonets@127.0.0.1:5432/gonets"
    assert settings.poll_seconds == 5.0
    assert settings.gateway_token is None


def test_an_address_that_is_not_set_is_named(environment: Environment) -> None:
    environment.delenv("GATEWAY_URL")

    with pytest.raises(ConfigurationError, match=r"^GATEWAY_URL: "):
        WorkerSettings.from_environment()


def test_everything_that_is_wrong_is_named_at_once(environment: Environment) -> None:
    environment.delenv("GATEWAY_URL")
    environment.setenv("WORKER_CONCURRENCY", "many")
    environment.setenv("LOG_LEVEL", "LOUD")

    with pytest.raises(ConfigurationError) as raised:
        WorkerSettings.from_environment()

    named = [line.partition(":")[0] for line in str(raised.value).splitlines()]
    assert named == ["GATEWAY_URL", "WORKER_CONCURRENCY", "LOG_LEVEL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "sqlite://"),
        ("GATEWAY_CONNECT_TIMEOUT", "0"),
        ("GATEWAY_TIMEOUT", "-1"),
        ("GATEWAY_TIMEOUT", "nan"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "2.5"),
        ("WORKER_POLL_SECONDS", "0"),
        ("LEASE_SECONDS", "inf"),
        ("WORKER_STOP_SECONDS", "-1"),
        ("MAX_ATTEMPTS", "0"),
        ("RETRY_BASE_SECONDS", "0"),
        ("RETRY_MAX_SECONDS", "0"),
        ("RETRY_AFTER_MAX_SECONDS", "-1"),
        ("LAUNCH_CHUNK", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: str, environment: Environment) -> None:
    environment.setenv(name, value)

    with pytest.raises(ConfigurationError, match=f"^{name}"):
        WorkerSettings.from_environment()


def test_a_setting_of_an_earlier_version_is_named_with_what_to_do(environment: Environment) -> None:
    environment.setenv("GATEWAY_ADAPTER", "")
    assert obsolete_settings() == {}

    environment.setenv("GATEWAY_ADAPTER", "standard")
    assert "Remove the setting" in obsolete_settings()["GATEWAY_ADAPTER"]


@pytest.mark.parametrize(("timeout", "lease", "fits"), [("25", "30", True), ("25.1", "30", False), ("1", "6", True)])
def test_a_lease_outlasts_a_delivery(timeout: str, lease: str, fits: bool, environment: Environment) -> None:
    environment.setenv("GATEWAY_TIMEOUT", timeout)
    environment.setenv("LEASE_SECONDS", lease)

    if fits:
        assert WorkerSettings.from_environment().lease_seconds == float(lease)
    else:
        with pytest.raises(ConfigurationError, match=r"LEASE_SECONDS: must be at least GATEWAY_TIMEOUT \+ 5 \(30\.1\)"):
            WorkerSettings.from_environment()


@pytest.mark.parametrize(("given", "begins"), [("", socket.gethostname()), ("left", "left")])
def test_a_worker_has_a_name_of_its_own_whatever_it_is_given(given: str, begins: str, environment: Environment) -> None:
    environment.setenv("WORKER_NAME", given)
    names = {WorkerSettings.from_environment().name for _ in range(10)}

    assert len(names) == 10
    assert all(name.startswith(f"{begins}-{os.getpid()}-") for name in names)


def test_neither_the_worker_nor_what_it_shares_needs_flask() -> None:
    program = """
import sys
import worker.__main__
import shared.schema
print(sorted(name for name in sys.modules if name.partition(".")[0].startswith("flask") or name.startswith("api")))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env={})

    assert done.stdout == "[]\n"
