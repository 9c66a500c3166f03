"""The first start of an installation: one key, whoever starts first and however many start at once."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

from tests import commands
from tests.conftest import MakeDatabase
from tests.integration.api.running_server import COMMAND
from tests.ports import free_ports
from tests.waiting import PATIENCE, eventually


def test_of_two_apis_that_start_at_once_one_shows_the_one_key(
    migrated: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    url = make_database(migrated)
    ports = free_ports(2)
    with ExitStack() as stack:
        for port in ports:
            environment = {**os.environ, "DATABASE_URL": url, "API_PORT": str(port), "API_WORKERS": "1", "API_KEY": ""}
            log = stack.enter_context((tmp_path / f"{port}.log").open("wb"))
            server = commands.start(COMMAND, environment, log, signal.SIGTERM)
            stack.callback(server.wait)
            stack.callback(server.terminate)
        eventually(lambda: all(status(port, "") == 401 for port in ports))
        shown = re.findall(r"gonets_\w+", "".join((tmp_path / f"{port}.log").read_text() for port in ports))
        assert len(shown) == 1
        assert [status(port, shown[0]) for port in ports] == [200, 200]


def status(port: int, key: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/key/", headers={"Authorization": f"Bearer {key}"} if key else {})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
