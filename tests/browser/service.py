"""The whole service for a browser: a real API, worker and simulated gateway on a database of the caller's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from sandbox.simulated_gateway.client import SandboxGateway
from tests import commands
from tests.acceptance.worker_fleet import Fleet
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

API_KEY = "the-key-of-an-admin-in-browser-tests"
SETTINGS = {"PRICE_PER_SEGMENT": "0.04", "PRICE_CURRENCY": "EUR", "API_KEY": API_KEY, "API_WORKERS": "1"}
SETTINGS["SEND_GRACE_SECONDS"] = "2"


@dataclass(frozen=True)
class Service:
    """Where things are."""

    url: str
    database_url: str
    gateway: SandboxGateway
    fleet: Fleet

    def post(self, path: str, *, key: str = API_KEY, **body: Any) -> dict[str, Any]:
        """What the API answers to a body."""
        headers = {"Authorization": f"Bearer {key}"}
        response = requests.post(self.url + path, json=body or None, headers=headers, timeout=PATIENCE)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """What the API answers."""
        response = requests.get(self.url + path, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=PATIENCE)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def key(self, role: str) -> str:
        """A new key of that role."""
        return str(self.post("/v1/key/create/", name=f"{role} in tests", role=role)["key"])

    def link(self, path: str = "/", *, key: str = API_KEY) -> str:
        """An address that signs a browser in, once, as whoever has the key, and leads to the page."""
        return f"{self.post('/v1/sign-in-link/create/', key=key)['path']}&next={quote(path)}"


def opt_out_url(url: str) -> str:
    """The address of the pages for recipients of the API at an address: a host of its own, at the same port."""
    return url.replace("127.0.0.1", "localhost")


@contextmanager
def start_service(folder: Path, database_url: str, **settings: str) -> Iterator[Service]:
    """The service, for as long as the block lasts. Logs go to `folder`; `settings` are the worker's and the API's."""
    with (
        SandboxGateway.start() as gateway,
        start_api(folder, database_url, **settings) as url,
        start_worker(folder, url, database_url, gateway, **settings) as service,
    ):
        yield service


@contextmanager
def start_api(folder: Path, database_url: str, **settings: str) -> Iterator[str]:
    """The API, which answers; yields its address."""
    port = free_port()
    links = {"OPT_OUT_URL": opt_out_url(f"http://127.0.0.1:{port}")}
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, **links, **SETTINGS, **settings}
    command = ["gunicorn", "--config", "python:api.gunicorn", "--bind", f"127.0.0.1:{port}", "api:create_app()"]
    with (folder / "api.log").open("wb") as log, ExitStack() as stack:
        api = commands.start(command, environment, log, signal.SIGTERM)
        stack.callback(api.wait)
        stack.callback(api.terminate)
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(f"{url}/readyz"))
        yield url


@contextmanager
def start_worker(
    folder: Path, url: str, database_url: str, gateway: SandboxGateway, **settings: str
) -> Iterator[Service]:
    """A worker beside an API at that address: then the service is whole."""
    with Fleet(folder, database_url, gateway.url, gateway.token) as fleet:
        fleet.start(**{"OPT_OUT_URL": opt_out_url(url), **settings})
        yield Service(url, database_url, gateway, fleet)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
