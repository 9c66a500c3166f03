"""Callbacks that no provider made, over the wire: none is taken, none is a bug, and nothing of them is logged."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from shared.credentials import CredentialCipher
from tests.callbacks import (
    KEY,
    NUMBER,
    PUBLIC_URL,
    SECRET,
    TEXT,
    add_twilio,
    form,
    inbound_fields,
    path_to,
    receipt_fields,
)
from tests.factories import execute, rows, value
from tests.integration.api.calls import caller
from tests.integration.api.running_server import Served, everything, served
from tests.long_variations import few_of
from tests.slow_clients import Kind, SlowClients
from tests.waiting import PATIENCE, eventually

STORED = "SELECT (SELECT count(*) FROM receipt_queue) + (SELECT count(*) FROM inbound_part)"
WAITING_FOR_LOCKS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
FORM = "application/x-www-form-urlencoded"
SETTINGS = {"PUBLIC_URL": PUBLIC_URL, "CREDENTIALS_KEY": KEY, "API_ANONYMOUS_RATE": "0", "API_WORKERS": "1"}


class Forged(NamedTuple):
    """A request that must be refused."""

    what: str
    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


def forged_callbacks(path: str, other: str) -> Iterator[Forged]:
    """Requests to a gateway with this path, which takes what is signed; `other` is another gateway's path."""
    gateway, _, token = path.removeprefix("/v1/receipt/").partition("/")
    fields = receipt_fields()

    def signed(what: str, to: str, method: str = "POST", **changes: str) -> Forged:
        """With the signature for the address that it is sent to."""
        headers, body = form(to, fields, **changes)
        return Forged(what, method, to, headers, body)

    for what, to in {
        "no token": f"/v1/receipt/{gateway}",
        "no token, a slash": f"/v1/receipt/{gateway}/",
        "nothing": "/v1/receipt/",
        "another token": f"/v1/receipt/{gateway}/{'0' * len(token)}",
        "a token cut off": path[:-1],
        "a longer token": f"{path}0",
        "a token in other letters": f"/v1/receipt/{gateway}/{token.upper()}",
        "a token percent-encoded": f"/v1/receipt/{gateway}/%{ord(token[0]):02x}{token[1:]}",
        "a gateway percent-encoded": f"/v1/receipt/%{ord(gateway[0]):02x}{gateway[1:]}/{token}",
        "a path percent-encoded": path.replace("receipt", "%72eceipt"),
        "another gateway's token": f"/v1/receipt/{gateway}/{other.rpartition('/')[2]}",
        "another gateway": f"/v1/receipt/twilio-3/{token}",
        "a gateway in other letters": f"/v1/receipt/{gateway.upper()}/{token}",
        "a double slash before the token": f"/v1/receipt/{gateway}//{token}",
        "a double slash before the gateway": f"/v1/receipt//{gateway}/{token}",
        "a double slash at the beginning": f"/{path}",
        "another kind": path.replace("receipt", "receipts"),
        "other letters of the kind": path.replace("receipt", "Receipt"),
        "a path upwards": f"/v1/receipt/{gateway}/x/../{token}",
        "a path upwards, encoded": f"/v1/receipt/{gateway}/x/%2e%2e/{token}",
        "a token in the query": f"/v1/receipt/{gateway}/?token={token}",
        "a token in a matrix parameter": f"/v1/receipt/{gateway};{token}/{token}",
        "a token with NUL": f"/v1/receipt/{gateway}/{token}%00",
        "a token with a line feed": f"/v1/receipt/{gateway}/{token}%0a",
        "a token that is not UTF-8": f"/v1/receipt/{gateway}/%ff{token}",
        "a pattern": f"/v1/receipt/{gateway}/%25",
        "SQL": f"/v1/receipt/{gateway}/'%20OR%201=1--",
    }.items():
        yield signed(what, to)
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"):
        yield signed(f"the method {method}", path, method)
    headers, body = form(path, fields)
    other_body = body.replace(b"SM1", b"SM9")
    yield Forged("no signature", "POST", path, {"Content-Type": FORM}, body)
    yield Forged("an empty signature", "POST", path, headers | {"X-Twilio-Signature": ""}, body)
    yield signed("a signature with another secret", path, secret="wrong")
    yield Forged("a signature of another body", "POST", path, headers, other_body)
    yield Forged("a signature of another query", "POST", f"{path}?message=7", headers, body)
    yield Forged("a signature of another path", "POST", f"{path}/more", headers, body)
    yield signed("a signature of another host", path, base="https://elsewhere.example")
    yield signed("a signature of another scheme", path, base=PUBLIC_URL.replace("https", "http"))
    yield Forged("a signature that is not ASCII", "POST", path, headers | {"X-Twilio-Signature": "\xff" * 28}, body)
    yield Forged("two signatures", "POST", path, headers | {"x-twilio-signature": "x"}, body)
    yield Forged("a signature for receipts", "POST", path.replace("receipt", "inbound"), headers, body)
    yield Forged("the form in the query", "GET", f"{path}?{body.decode()}", headers)
    yield Forged("a body as JSON", "POST", path, headers | {"Content-Type": "application/json"}, b'{"MessageSid":"S"}')
    yield Forged("deep JSON", "POST", f"{path}?bodySHA256=x", headers, b"[" * 100_000)
    yield Forged("a body that is not UTF-8", "POST", path, headers, b"MessageSid=\xff\xfe")
    yield Forged("a body with NUL", "POST", path, headers, body + b"\0")
    yield Forged("a compressed body", "POST", path, headers | {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08")
    yield Forged("thousands of fields", "POST", path, headers, b"a=1&" * 5000)
    yield Forged("thousands of parameters", "POST", f"{path}?{'a=1&' * 5000}", headers, body)
    yield Forged("a parameter that is not UTF-8", "POST", f"{path}?a=%ff", headers, body)
    yield Forged("a body that is too large", "POST", path, headers, b"a" * 262_145)
    yield Forged("a header that is too large", "POST", path, headers | {"X-Long": "a" * 70_000}, body)
    yield Forged("a key of ours that is none", "POST", f"{path}x", headers | {"Authorization": "Bearer x"}, body)
    yield Forged("a cookie", "POST", f"{path}x", headers | {"Cookie": "session=x"}, body)
    yield Forged("another address in a header", "POST", "/v1/receipt/", headers | {"X-Original-Url": path}, body)


def is_refused(status: int) -> bool:
    """Whether a status is a refusal, and no bug."""
    return 400 <= status < 500


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


@pytest.fixture
def api(clean_database: str, log: Path) -> Iterator[Served]:
    with served(clean_database, log, API_METRICS="open", LOG_LEVEL="DEBUG", **SETTINGS) as running:
        yield running


def status_of(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as wire:
        wire.putrequest(method, path, skip_accept_encoding=True)
        for name, text in headers.items():
            wire.putheader(name, text)
        wire.putheader("Content-Length", str(len(body)))
        wire.endheaders(body)
        return wire.getresponse().status


def test_no_forged_callback_is_taken_and_none_is_logged(api: Served, log: Path, connection: Connection) -> None:
    path, other = (path_to(connection, add_twilio(connection, name)) for name in ("twilio-1", "twilio-2"))
    add_twilio(connection, "twilio-3")
    forged = list(forged_callbacks(path, other))
    assert len(forged) > 50
    audited = value(connection, "SELECT count(*) FROM audit_entry")
    statuses = {one.what: status_of(api.port, *one[1:]) for one in forged}
    assert {what: status for what, status in statuses.items() if not is_refused(status)} == {}
    assert value(connection, STORED) == 0
    # The same gateway takes what its provider sends, whole and in chunks, and an inbound message.
    assert status_of(api.port, "POST", path, *form(path, receipt_fields())) == 204
    headers, body = form(path, receipt_fields())
    with closing(HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)) as wire:
        wire.request("POST", path, iter([body[:7], body[7:]]), headers, encode_chunked=True)
        response = wire.getresponse()
        assert (response.status, response.read()) == (204, b"")
        inbound = path.replace("receipt", "inbound")
        headers, body = form(inbound, inbound_fields())
        wire.request("POST", inbound, body, headers)
        assert wire.getresponse().read().endswith(b"<Response/>")
    assert value(connection, STORED) == 3
    metrics = api.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").decode()
    assert 'method="POST",path="/v1/receipt/<path:address>",status="204"} 2.0' in metrics
    written = log.read_text() + metrics
    for secret in (path.rpartition("/")[2], other.rpartition("/")[2], NUMBER, TEXT, SECRET):
        assert secret not in written
    assert value(connection, "SELECT count(*) FROM audit_entry") == audited


def test_forged_callbacks_are_refused_by_flask_too(clean_database: str, connection: Connection) -> None:
    app = create_app(
        ApiSettings(
            database_url=parse_database_url(clean_database),
            public_url=PUBLIC_URL,
            cipher=CredentialCipher([KEY]),
            anonymous_rate=0.0,
        )
    )
    path, other = (path_to(connection, add_twilio(connection, name)) for name in ("twilio-1", "twilio-2"))
    add_twilio(connection, "twilio-3")
    nobody = caller(app, None)
    # A large head is refused by the server, and a TRACE by nobody here.
    statuses = {
        one.what: nobody.open(one.path, method=one.method, headers=one.headers, data=one.body).status_code
        for one in forged_callbacks(path, other)
        if len(str(one.headers)) < 60_000
    }
    assert {what: status for what, status in statuses.items() if not is_refused(status)} == {}
    assert value(connection, STORED) == 0


def test_callers_that_send_slowly_delay_no_callback(clean_database: str, connection: Connection) -> None:
    path = path_to(connection, add_twilio(connection))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n".encode()
    kinds = (
        Kind("a body byte by byte", head + b"Content-Length: 5000\r\n\r\nMessageSid=", b"a"),
        Kind("chunks that stop", head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        Kind("half a token", f"POST {path[:-5]}".encode()),
    )
    with served(clean_database, None, API_STALL_TIMEOUT="4", **SETTINGS) as api, SlowClients(api.port, kinds, 30):
        for _ in range(20):
            assert status_of(api.port, "POST", path, *form(path, receipt_fields())) == 204
        with api.connect() as wire:  # one that stops is told so
            wire.sendall(kinds[1].begins)
            assert everything(wire).startswith(b"HTTP/1.1 408 ")
    assert value(connection, STORED) == 20


@pytest.mark.parametrize("kills", few_of((2, 20), 2))
def test_what_was_answered_before_a_kill_is_in_the_database(
    clean_database: str, log: Path, connection: Connection, kills: int
) -> None:
    path = path_to(connection, add_twilio(connection))
    answered: list[str] = []
    stopped = threading.Event()
    with served(clean_database, log, **SETTINGS | {"API_WORKERS": "2"}) as api, ThreadPoolExecutor(8) as pool:

        def call_until_stopped(caller_number: int) -> None:
            number = 0
            while not stopped.is_set():
                connecting = closing(HTTPConnection("127.0.0.1", api.port, timeout=5))
                with suppress(OSError, HTTPException), connecting as wire:
                    while not stopped.is_set():
                        number += 1
                        sid = f"SM{caller_number}-{number}"
                        headers, body = form(path, receipt_fields(sid))
                        wire.request("POST", path, body, headers)
                        response = wire.getresponse()
                        response.read()
                        if response.status == 204:
                            answered.append(sid)

        calls = [pool.submit(call_until_stopped, number) for number in range(8)]
        try:
            for _ in range(kills):
                before = len(answered)
                eventually(lambda before=before: len(answered) > before + 20)  # type: ignore[misc]
                victims = api.workers()
                os.kill(min(victims), signal.SIGKILL)
                eventually(lambda victims=victims: min(victims) not in api.workers())  # type: ignore[misc]
        finally:
            stopped.set()
        for call in calls:
            call.result(PATIENCE)
    stored = {sid for (sid,) in rows(connection, "SELECT provider_message_id FROM receipt_queue")}
    assert len(answered) > 20 * kills
    assert set(answered) <= stored


def test_a_callback_is_answered_alike_however_it_arrives(clean_database: str, connection: Connection) -> None:
    path = path_to(connection, add_twilio(connection))

    def request(sid: str, *more: str, **changes: str) -> bytes:
        headers, body = form(path, receipt_fields(sid), **changes)
        lines = [f"{name}: {text}" for name, text in headers.items()]
        lines += [f"Content-Length: {len(body)}", "Host: localhost", *more]
        return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + body

    def answer(wire: socket.socket) -> tuple[int, list[tuple[str, str]], bytes]:
        response = HTTPResponse(wire)
        response.begin()
        return response.status, [header for header in response.getheaders() if header[0] != "date"], response.read()

    last = "Connection: close"
    with served(clean_database, None, **SETTINGS) as api:
        # Some are sent ahead, one is refused, and others than callbacks are in between.
        ahead = [request("SM1"), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", request("SM2", secret="wrong")]
        came = api.send(b"".join([*ahead, request("SM3"), request("SM4", last)]))
        assert [int(part.split()[0]) for part in came.split(b"HTTP/1.1 ")[1:]] == [204, 200, 403, 204, 204]
        # In two pieces, the second of which comes when the first has been read.
        for whole in (request("SM5"), request("SM6", secret="wrong")):
            with api.connect() as wire:
                wire.sendall(whole)
                at_once = answer(wire)
                wire.sendall(whole[:-9])
                wire.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    wire.recv(1)
                wire.settimeout(PATIENCE)
                wire.sendall(whole[-9:])
                assert answer(wire) == at_once
        # One caller leaves, and one waits, while a callback is committed and the server is told to stop.
        with api.connect() as leaving, api.connect() as waiting:
            execute(connection, "BEGIN")
            execute(connection, "LOCK TABLE receipt_queue")
            leaving.sendall(request("SM7"))
            waiting.sendall(request("SM8"))
            eventually(lambda: value(connection, WAITING_FOR_LOCKS) > 0)
            leaving.close()
            api.process.terminate()
            execute(connection, "COMMIT")
            assert everything(waiting).startswith(b"HTTP/1.1 204 ")
    stored = {sid for (sid,) in rows(connection, "SELECT provider_message_id FROM receipt_queue")}
    assert stored == {"SM1", "SM3", "SM4", "SM5", "SM7", "SM8"}
