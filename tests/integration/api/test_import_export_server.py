"""Imports and exports over a real server's wire."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from json import loads
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import commands, factories
from tests.integration.api.calls import API_KEY
from tests.integration.api.running_server import served
from tests.waiting import PATIENCE

HEADER = b"phone_number,operator_code,tag,timezone\n"
KEY = {"Authorization": f"Bearer {API_KEY}"}
STALL = 1.0
LIMIT = 2**27
RETURNS_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""Makes glibc return long blocks to the system when they are freed, whatever was freed before (mallopt(3))."""


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[tuple[int, int]]:
    """A gunicorn of one process that serves the API: its port and the number of its master."""
    # Each thread that serves keeps freed memory of its own, which would look like growth.
    # So would what a fork shares with the process that it was forked from.
    with served(
        database_url,
        None,
        commands.start_cold,
        API_WORKERS="1",
        API_THREADS="1",
        API_STALL_TIMEOUT=str(STALL),
        API_MAX_IMPORT_BYTES=str(LIMIT),
        **RETURNS_MEMORY,
    ) as running:
        yield running.port, running.process.pid


def rows(first: int, count: int) -> bytes:
    tag = b"x" * 100
    return b"".join(b"%d,916,%s,UTC\n" % (79_160_000_000 + number, tag) for number in range(first, first + count))


def begin(port: int, body: bytes, *headers: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    key = f"Authorization: {KEY['Authorization']}".encode()
    lines = (
        b"POST /v1/client/import/ HTTP/1.1",
        b"Host: localhost",
        b"Content-Type: text/csv",
        key,
        *headers,
        b"",
        body,
    )
    connection.sendall(b"\r\n".join(lines))
    return connection


def until_nothing_is_staged(connection: Connection) -> None:
    deadline = time.monotonic() + PATIENCE
    while factories.value(connection, "SELECT count(*) FROM pg_class WHERE relname ~ '^client_import'"):
        assert time.monotonic() < deadline, "what was staged stays"
        time.sleep(0.05)


def memory(master: int) -> float:
    """The most that the one worker has had in memory, in MB."""
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def send(wire: HTTPConnection, pieces: Sequence[bytes]) -> dict[str, int]:
    """What an import of these pieces, one chunk each, came to."""
    headers = {**KEY, "Content-Type": "text/csv"}
    wire.request("POST", "/v1/client/import/", iter(pieces), headers, encode_chunked=True)
    answer: dict[str, int] = loads(wire.getresponse().read())
    return answer


def exported(wire: HTTPConnection) -> int:
    """The lines of an export."""
    wire.request("GET", "/v1/client/export/", headers=KEY)
    return wire.getresponse().read().count(b"\r\n")


def test_a_body_in_chunks_is_imported_as_it_comes_in_flat_memory(
    server: tuple[int, int], connection: Connection
) -> None:
    port, master = server
    pieces = (HEADER, rows(0, 10), *(rows(1000 * n, 1000) for n in range(100)))
    assert sum(map(len, pieces)) > 12_000_000
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as wire:
        # Some of each: what is put into the database at once, and read from it, fills what will be used again.
        send(wire, pieces[:32])
        assert exported(wire) == 30_001
        before = memory(master)
        answer = send(wire, pieces)
        assert (answer["added"], answer["unchanged"], answer["rejected"]) == (70_000, 30_000, 10)
        assert memory(master) < before + 12
        assert exported(wire) == 100_001
        assert memory(master) < before + 12


def test_rejected_rows_are_kept_in_flat_memory_however_long_they_are(
    server: tuple[int, int], connection: Connection
) -> None:
    port, master = server
    header = HEADER.replace(b"\n", b",note\n")
    row = b"79161234567,916,vip,Mars,%s\n" % (b"x" * 60_000)
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as wire:
        send(wire, [header, *[row] * 250])  # more than the rows whose values are looked at first
        before = memory(master)
        assert send(wire, [header, *[row] * 2000])["rejected"] == 2000
        # They are 120 MB, and the 1,000 of them that the report names are 60.
        assert memory(master) < before + 40


def test_a_caller_who_goes_away_has_changed_nothing(server: tuple[int, int], connection: Connection) -> None:
    for headers, body in (
        ((b"Content-Length: 4000000",), HEADER + rows(0, 30_000)),
        ((b"Transfer-Encoding: chunked",), b"%x\r\n%s\r\n" % (len(HEADER + rows(0, 10)), HEADER + rows(0, 10))),
    ):
        begin(server[0], body, *headers).close()
    with closing(HTTPConnection("127.0.0.1", server[0], timeout=PATIENCE)) as wire:
        assert exported(wire) == 1
    until_nothing_is_staged(connection)
    assert factories.value(connection, "SELECT count(*) FROM client") == 0


def test_a_caller_who_stops_sending_times_out(server: tuple[int, int], connection: Connection) -> None:
    with begin(server[0], HEADER + rows(0, 10), b"Content-Length: 4000000") as wire:
        answer = HTTPResponse(wire)
        answer.begin()
        said = loads(answer.read())["message"]
        answer.close()
    assert (answer.status, said) == (400, "The body ended early, or did not go on. Nothing has changed.")
    until_nothing_is_staged(connection)
    assert factories.value(connection, "SELECT count(*) FROM client") == 0


def test_a_body_beyond_the_limit_is_refused(server: tuple[int, int]) -> None:
    with begin(server[0], b"", b"Content-Length: %d" % (LIMIT + 1)) as wire:
        assert wire.recv(65_536).startswith(b"HTTP/1.1 413")
