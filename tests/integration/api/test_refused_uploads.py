"""A large body that is refused before it is read: its caller gets the refusal, and no connection that was reset."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests import required_tools
from tests.integration.api.calls import API_KEY
from tests.integration.api.running_server import served
from tests.waiting import PATIENCE

SIZE = 50_000_000
STALL_TIMEOUT = 3.0
"""Seconds. The slow callers send for longer, and wait for a tenth of it each time."""
BUSY = "127.0.0.1"
"""An address from which there have been too many requests without a key."""
OTHERS = (f"127.0.1.{number}" for number in count(1))

ADMIN = {"Authorization": f"Bearer {API_KEY}"}
CSV, JSON = {"Content-Type": "text/csv"}, {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IMPORT = "/v1/client/import/"


class Refused(NamedTuple):
    """A request that is refused before its body is read."""

    status: int
    path: str
    headers: dict[str, str]
    comes_from: str = ""

    @property
    def address(self) -> str:
        return self.comes_from or next(OTHERS)


class Api(NamedTuple):
    """A running API, and what it refuses."""

    port: int
    refused: list[Refused]


@pytest.fixture(scope="module")
def api(database_url: str) -> Iterator[Api]:
    with served(
        database_url, API_WORKERS="1", API_STALL_TIMEOUT=str(STALL_TIMEOUT), API_ANONYMOUS_RATE="0.0001"
    ) as running:
        here, key = f"http://{BUSY}:{running.port}/v1", {"name": "a test", "role": "viewer"}
        made = requests.post(f"{here}/key/create/", json=key, headers=ADMIN, timeout=PATIENCE)
        viewer = {"Authorization": f"Bearer {made.json()['key']}"}
        requests.get(f"{here}/client/", timeout=PATIENCE)
        yield Api(
            running.port,
            [
                Refused(401, IMPORT, CSV),
                Refused(403, IMPORT, viewer | CSV),
                Refused(404, "/v1/nothing/", ADMIN),
                Refused(404, "/nothing/", {}),
                Refused(405, "/v1/client/export/", ADMIN),
                Refused(413, "/v1/client/create/", ADMIN | JSON),
                Refused(413, "/login/", FORM),
                Refused(415, IMPORT, ADMIN | {"Content-Type": "image/png"}),
                Refused(422, IMPORT, ADMIN | CSV | {"Idempotency-Key": "a"}),
                Refused(429, IMPORT, CSV, comes_from=BUSY),
            ],
        )


def status(port: int, request: Refused, body: bytes | Iterable[bytes], **headers: str) -> int:
    """For a caller that reads nothing before it has sent everything, and has no use for a connection that is reset."""
    address = (request.address, 0)
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=address)) as wire:
        chunked = not isinstance(body, bytes)
        wire.request("POST", request.path, body, request.headers | headers, encode_chunked=chunked)
        response = wire.getresponse()
        response.read()
        return response.status


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_refusal_is_read_by_a_caller_that_has_sent_everything(api: Api, connection: str) -> None:
    body = b"x" * SIZE
    for request in api.refused:
        assert status(api.port, request, body, Connection=connection) == request.status, request


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_refusal_is_read_by_a_caller_that_sends_for_longer_than_one_may_stall(api: Api, connection: str) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000
            time.sleep(STALL_TIMEOUT / 10)

    def ask(request: Refused) -> int:
        return status(api.port, request, slowly(), Connection=connection)

    with ThreadPoolExecutor(len(api.refused)) as pool:
        assert list(pool.map(ask, api.refused)) == [request.status for request in api.refused]


def test_curl_shows_the_refusal(api: Api, tmp_path: Path) -> None:
    curl = required_tools.need(required_tools.CURL)
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * SIZE)
    for request in api.refused:
        for way in (["--header", "Expect:"], ["--header", "Expect: 100-continue"], ["--http1.0"]):
            headers = [part for one in request.headers.items() for part in ("--header", ": ".join(one))]
            called = [curl, "--silent", "--show-error", "--interface", request.address, *headers, *way]
            shown = subprocess.run(
                [*called, "--data-binary", f"@{upload}", f"http://127.0.0.1:{api.port}{request.path}"],
                capture_output=True,
                check=True,
            )
            assert json.loads(shown.stdout)["code"] == request.status, (request, way)
