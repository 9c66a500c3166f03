"""What the documentation lists: every call and every setting, and no others."""

from __future__ import annotations

import re

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from sandbox.supervisor import ROOT

SETTINGS = (ROOT / "docs" / "settings.md").read_text()
CALLS = (ROOT / "docs" / "api.md").read_text()
SETTING = re.compile(r"`([A-Z][A-Z_]+)`")


def test_every_call_in_the_documentation_is_an_operation() -> None:
    nowhere = create_app(ApiSettings(database_url=database_url("postgresql://nobody@127.0.0.1:1/none")))
    documented = {
        f"{method.upper()} {path}"
        for path, operations in nowhere.test_client().get("/docs/openapi.json").get_json()["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "delete")
    }
    told = {
        f"{method} {path.rstrip('/')}/" for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/v1/[^`]+)`", CALLS)
    }
    named, told = ({re.sub(r"\{\w+\}", "{id}", operation) for operation in one} for one in (documented, told))
    assert told == named


def test_every_documented_setting_is_read_and_every_setting_read_is_documented() -> None:
    told = {name for row in re.findall(r"^\| .*$", SETTINGS, re.M) for name in SETTING.findall(row.split("|")[2])}
    read: set[str] = set()
    for package in ("api", "worker", "shared", "sandbox"):
        for file in (ROOT / package).rglob("*.py"):
            read.update(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", file.read_text()))
    internal = {"SANDBOX_GATEWAY_HOST"}  # of the simulated gateway's own container
    assert told == read - internal


def test_every_setting_reaches_its_container() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^ +([A-Z][A-Z_]+):", compose, re.M))
    of_the_containers = {"API_HOST", "API_PORT", "WORKER_NAME", "WORKER_HEARTBEAT_FILE"}
    of_the_containers |= {"CREDENTIALS_KEY"}  # CREDENTIALS_KEY_FILE is always set there
    for package in ("api", "worker", "shared"):
        for file in (ROOT / package).rglob("*.py"):
            read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", file.read_text()))
            assert read - of_the_containers <= passed, file
