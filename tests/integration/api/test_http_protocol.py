"""How requests are read and answers written, over a real server's wire."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from json import dumps, loads
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import execute, value
from tests.integration.api.calls import API_KEY, CLIENT, wait_until_blocked
from tests.integration.api.running_server import START_PATIENCE, Served, everything, served
from tests.waiting import PATIENCE, eventually

KEY = f"Authorization: Bearer {API_KEY}\r\n".encode()
HOST = b"Host: localhost\r\n"
LIMIT, IMPORT_LIMIT = 2048, 2**18


@pytest.fixture(scope="module")
def api(database_url: str) -> Iterator[Served]:
    with served(database_url, API_MAX_BODY_BYTES=str(LIMIT), API_MAX_IMPORT_BYTES=str(IMPORT_LIMIT)) as running:
        yield running


def head(line: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", HOST.strip(), *headers, b"", b""])


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def post(api: Served, path: str, body: bytes, kind: str, *, chunked: bool) -> int:
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": kind}
    pieces: Any = iter([body[:1000], body[1000:]]) if chunked else body
    with closing(HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)) as wire:
        wire.request("POST", path, pieces, headers, encode_chunked=chunked)
        return wire.getresponse().status


@pytest.mark.usefixtures("clean_database")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413)])
def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(
    api: Served, size: int, status: int, chunked: bool
) -> None:
    body = dumps(CLIENT).encode().ljust(size)
    assert post(api, "/v1/client/create/", body, "application/json", chunked=chunked) == status


@pytest.mark.usefixtures("clean_database")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(IMPORT_LIMIT, 200), (IMPORT_LIMIT + 1, 413)])
def test_an_import_of_the_limit_is_taken_and_one_byte_more_is_not(
    api: Served, size: int, status: int, chunked: bool, connection: Connection
) -> None:
    body = b"phone_number,operator_code,tag,timezone\n79161234567,916,vip,UTC\n"
    body += b"\n" * (size - len(body))
    assert post(api, "/v1/client/import/", body, "text/csv", chunked=chunked) == status
    assert value(connection, "SELECT count(*) FROM client") == (status == 200)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 403), (LIMIT + 1, 413)])
def test_a_form_of_the_limit_is_taken_and_one_byte_more_is_not(
    api: Served, size: int, status: int, chunked: bool
) -> None:
    # The token that the form lacks is looked for in the body: a form that was cut off would be one without it.
    body = b"key=".ljust(size, b"a")
    assert post(api, "/logout/", body, "application/x-www-form-urlencoded", chunked=chunked) == status


def test_nothing_that_a_caller_sends_says_where_it_comes_from_or_where_we_are(api: Served) -> None:
    for header in (
        b"SCRIPT_NAME: /metrics",
        b"Script-Name: /metrics",
        b"PATH_INFO: /metrics",
        b"X-Forwarded-Proto: https",
        b"X_Forwarded_Proto: https",
        b"X-Forwarded-Protocol: ssl",
        b"X-Forwarded-Ssl: on",
        b"X-Forwarded-Prefix: /metrics",
        b"X-Forwarded-Host: elsewhere.example",
        b"Forwarded: proto=https;host=elsewhere.example",
    ):
        answer = api.send(head(b"GET /healthz", b"Connection: close", header))
        assert status_of(answer) == 200, header
        assert b"strict-transport-security" not in answer.lower(), header
        # Whoever hides /metrics by its path must be able to rely on it.
        hidden = api.send(head(b"GET /metrics/metrics", b"Connection: close", header))
        assert status_of(hidden) == 404, header
        page = api.send(head(b"GET /", b"Connection: close", header))
        assert b"\r\nlocation: /login/?next=" in page, header


def test_a_proxy_that_is_trusted_says_so_in_the_header_of_that_name_only_and_phone_numbers_are_not_logged(
    database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "api.log"
    with served(database_url, log, TRUSTED_PROXIES="1", API_WORKERS="1") as api:
        for header, believed in ((b"X-Forwarded-Proto: https", True), (b"X_Forwarded_Proto: https", False)):
            answer = api.send(head(b"GET /healthz", b"Connection: close", header))
            assert (b"strict-transport-security" in answer) is believed
        api.send(head(b"GET /v1/message/?phone_number=79161234567", KEY.strip(), b"Connection: close"))
        api.send(b"GET /v1/message/?phone_number=79161234567 HTTP/9.9\r\nnonsense\r\n\r\n")
    assert "79161234567" not in log.read_text()


@pytest.mark.parametrize(
    "request_head",
    [
        head(b"GET /healthz", b"Host: elsewhere.example"),
        head(b"POST /login/", b"Content-Length: 5", b"Content-Length: 6"),
        head(b"POST /login/", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        head(b"POST /login/", b"Content-Length: -1"),
        head(b"POST /login/", b"Transfer-Encoding: gzip, chunked, identity"),
        head(b"GET /healthz", b"Authorization : a blank before the colon"),
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"\x16\x03\x01\x02\x00 TLS where there is none",
    ],
)
def test_a_request_that_two_servers_could_understand_differently_is_refused(api: Served, request_head: bytes) -> None:
    assert status_of(answer := api.send(request_head)) == 400
    assert loads(answer.partition(b"\r\n\r\n")[2]).keys() == {"code", "status", "message"}


@pytest.mark.parametrize("at_once", [False, True])
def test_a_head_has_a_size(api: Served, at_once: bool) -> None:
    with api.connect() as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        if at_once:
            wire.sendall(b"a" * 70_000 + b"\r\n\r\n")
        else:
            for _ in range(400):  # what comes in one piece with the beginning is not counted
                wire.sendall(b"a" * 1000)
                time.sleep(0.002)
        assert status_of(answer := everything(wire)) == 431
        assert loads(answer.partition(b"\r\n\r\n")[2])["code"] == 431


def test_requests_that_are_sent_ahead_are_answered_in_their_order(api: Served) -> None:
    paths = [b"/healthz", b"/v1/client/", b"/nothing", b"/readyz"]
    requests = [head(b"GET " + path, KEY.strip()) for path in paths] + [head(b"GET /healthz", b"Connection: close")]
    answer = api.send(b"".join(requests))
    assert [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404, 200, 200]


@pytest.mark.usefixtures("clean_database")
def test_a_caller_who_asks_first_is_told_to_go_on(api: Served) -> None:
    body = dumps(CLIENT).encode()
    kind = b"Content-Type: application/json"
    with api.connect() as wire:
        wire.sendall(
            head(
                b"POST /v1/client/create/",
                KEY.strip(),
                kind,
                b"Expect: 100-continue",
                b"Content-Length: %d" % len(body),
            )
        )
        assert wire.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        wire.sendall(body)
        assert wire.recv(100).startswith(b"HTTP/1.1 201 ")


def test_a_caller_who_asks_first_is_refused_before_a_large_body_is_sent(api: Served) -> None:
    for key, length, status in ((b"X-None: 1", IMPORT_LIMIT, 401), (KEY.strip(), IMPORT_LIMIT + 1, 413)):
        expect = (b"Content-Type: text/csv", b"Expect: 100-continue", b"Content-Length: %d" % length)
        answer = api.send(head(b"POST /v1/client/import/", key, *expect))
        assert status_of(answer) == status
        assert b"\r\nconnection: close\r\n" in answer


def test_a_refusal_is_received_by_a_caller_who_goes_on_sending(api: Served) -> None:
    for key, status in ((b"X-None: 1", 401), (KEY.strip(), 413)):
        with api.connect() as wire:
            wire.sendall(head(b"POST /v1/client/import/", key, b"Content-Type: text/csv", b"Content-Length: 40000000"))
            for _ in range(400):
                wire.sendall(b"x" * 100_000)
            # What was sent has been thrown away, and the connection serves the next request.
            wire.sendall(head(b"GET /healthz", b"Connection: close"))
            answers = everything(wire).split(b"HTTP/1.1 ")
        assert [int(answer.split()[0]) for answer in answers[1:]] == [status, 200]


@pytest.mark.usefixtures("clean_database")
def test_uploads_beyond_the_slots_are_refused_and_short_requests_pass(
    database_url: str, connection: Connection
) -> None:
    upload = head(b"POST /v1/client/import/", KEY.strip(), b"Content-Type: text/csv", b"Content-Length: 10000000")
    rows = b"phone_number,operator_code,tag,timezone\n" + b"79160000000,916,x,UTC\n" * 10_000
    with ExitStack() as stack:
        api = stack.enter_context(served(database_url, API_WORKERS="1", API_THREADS="1"))

        def is_refused() -> bool:
            """Whether one more upload is; if it is not, it takes a slot and keeps it."""
            wire = stack.enter_context(closing(api.connect()))
            wire.settimeout(2.0)
            with suppress(OSError):  # it is read
                wire.sendall(upload + rows)
                answer = wire.recv(65_536)
                return answer.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: " in answer
            return False

        assert not is_refused()
        eventually(is_refused)
        assert status_of(api.send(head(b"GET /v1/client/", KEY.strip(), b"Connection: close"))) == 200


@pytest.mark.usefixtures("clean_database")
def test_an_answer_that_is_not_read_times_out(database_url: str, connection: Connection) -> None:
    execute(
        connection,
        "INSERT INTO client (phone_number, operator_code, tag, timezone)"
        " SELECT 79000000000 + n, '900', repeat('v', 60), 'UTC' FROM generate_series(1, 60000) AS n",
    )
    with served(database_url, API_WORKERS="1", API_STALL_TIMEOUT="1") as api, socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(PATIENCE)
        wire.connect(("127.0.0.1", api.port))
        wire.sendall(head(b"GET /v1/client/export/", KEY.strip()))
        mine = f"{wire.getsockname()[1]:04X}"
        eventually(
            lambda: (
                not any(f"0100007F:{mine} 01" in line for line in Path("/proc/self/net/tcp").read_text().splitlines())
            )
        )
        with pytest.raises(ConnectionResetError):
            everything(wire)


def test_no_answer_names_the_server(api: Served) -> None:
    assert b"\r\nserver:" not in api.send(head(b"GET /healthz", b"Connection: close")).lower()


def test_it_listens_on_ipv6(database_url: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(database_url, API_HOST="::1", API_WORKERS="1") as api:
        assert status_of(api.send(head(b"GET /metrics", b"Connection: close"))) == 200


def test_a_process_that_dies_is_replaced(api: Served) -> None:
    before = api.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(now := api.workers()) == 2 and victim not in now)
    for _ in range(20):
        assert status_of(api.send(head(b"GET /healthz", b"Connection: close"))) == 200


def test_a_request_under_way_is_answered_when_it_is_asked_to_stop(database_url: str, connection: Connection) -> None:
    with served(database_url, API_WORKERS="1") as api, api.connect() as idle, api.connect() as wire:
        idle.sendall(head(b"GET /healthz"))
        came = b""
        while not came.endswith(b"}\n"):
            came += idle.recv(65_536)
        body = dumps(CLIENT | {"phone_number": 79990001122, "operator_code": "999"}).encode()
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE client IN ACCESS EXCLUSIVE MODE")
            kind = b"Content-Type: application/json"
            wire.sendall(head(b"POST /v1/client/create/", KEY.strip(), kind, b"Content-Length: %d" % len(body)) + body)
            with closing(psycopg2.connect(database_url)) as watcher:
                watcher.autocommit = True
                wait_until_blocked(watcher, 1)
            api.process.terminate()
            # An idle connection is closed at once, and is no reason to wait.
            assert everything(idle) == b""
            cursor.execute("COMMIT")
        answer = everything(wire)
        assert status_of(answer) == 201
        assert loads(answer.partition(b"\r\n\r\n")[2])["phone_number"] == 79990001122
        assert api.process.wait(START_PATIENCE) == 0
