"""The API, served as `make run` serves it."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from benchmarks.gateways import wait_until_it_answers
from benchmarks.processes import Child, Server
from sandbox.addresses import free_port


class Api(Server):
    """A running gunicorn; a context manager."""

    def __init__(self, database_url: str, folder: Path) -> None:
        key = secrets.token_urlsafe(24)
        self.headers = {"Authorization": f"Bearer {key}"}
        """For every request: the key of an administrator."""
        port = free_port(8300)
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "api:create_app()"]
        # No limit of requests: it is the answers that are measured.
        environment = {"DATABASE_URL": database_url, "API_PORT": str(port), "API_KEY": key, "API_RATE": "0"}
        child = Child("the API", command, folder / "api.log", environment)
        super().__init__(child)
        wait_until_it_answers(child, f"{self.url}/healthz")
