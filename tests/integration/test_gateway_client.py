"""The worker's gateway client against servers that behave, misbehave and vanish, on real sockets."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Adapter, OutgoingMessage, Submission, SubmitResult
from tests.certificates import make_certificate
from tests.gateway_accounts import gonets_adapter
from tests.ports import free_port, unaccepting_port
from tests.raw_server import OK, Peer, RawServer, Serve, always, closing, response
from tests.submit_results import submitted
from tests.unit.test_message_sender import delivery
from tests.waiting import PATIENCE
from worker.claimed_message import ClaimedMessage
from worker.gateway_token import Token
from worker.lanes import http_sender
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender

SECRET = "s3cret.t0ken"
PHONE = 79990001122
TEXT = "Здравствуйте, «мир»! 🎉"

SHORT = 0.4
"""A deadline for a test that runs into it."""

ENOUGH = 1.5
"""The same where something has to happen until then: a connection, or the first part of an answer."""

LATE = 20.0
"""Well past any deadline here, and well before what the servers here would take."""

SLOWLY = ENOUGH / 5
"""Seconds for each byte of an answer of which nothing is complete when the deadline comes."""

serial = itertools.count()


class SingleSender:
    """Sends single messages by a real sender; any number of threads may use it."""

    def __init__(self, client: GatewayClient, pool_size: int) -> None:
        self._sender = HttpSender(client, pool_size, threading.Event())
        self._results: dict[ClaimedMessage, SubmitResult] = {}
        self._lock = threading.Lock()

    def send(self, message_id: int, phone_number: int, text: str) -> SubmitResult:
        message = replace(delivery(message_id, text=text), client_id=next(serial), phone_number=phone_number)
        with self._lock:
            self._sender.submit([message])
        while True:
            with self._lock:
                self._results.update((done.message, done.submitted) for done in self._sender.collect()[0])
                if message in self._results:
                    return self._results[message]
            time.sleep(0.001)

    def allow_probe(self) -> None:
        """Lets the next message start, whatever the answers before it were."""
        self._sender.allow_probe()

    def close(self) -> None:
        self._sender.stop()


Open = Callable[..., SingleSender]


@pytest.fixture
def open_gateway() -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def make(
            url: str,
            *,
            pool_size: int = 4,
            token: Token | None = None,
            adapter: Adapter | None = None,
            **settings: Any,
        ) -> SingleSender:
            given = {"connect_timeout": 5.0, "timeout": 5.0, "retry_after_cap": 900.0, **settings}
            client = GatewayClient(url, adapter or gonets_adapter(token or Token(SECRET)), **given)
            gateway = SingleSender(client, pool_size)
            stack.callback(gateway.close)
            return gateway

        yield make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    return make_certificate(tmp_path_factory.mktemp("gateway"))


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def send(gateway: SingleSender, message_id: int = 7) -> SubmitResult:
    return gateway.send(message_id, PHONE, TEXT)


# What is sent


def test_the_request_keeps_the_contract(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        answer = open_gateway(server.url).send(2**63 - 1, PHONE, TEXT)

    [request] = server.requests
    assert answer == submitted(Result.ACCEPTED, 200)
    assert request.line == "POST /send/9223372036854775807 HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert json.loads(request.body.decode("utf-8")) == {"id": 2**63 - 1, "phone": PHONE, "text": TEXT}


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/v1/sms//"])
def test_the_address_may_have_a_path_and_a_trailing_slash(base: str, open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        send(open_gateway(server.url + base))

    assert server.requests[0].line == f"POST {base.rstrip('/')}/send/7 HTTP/1.1"


def test_a_repeat_has_the_same_body_byte_for_byte(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        gateway, another = open_gateway(server.url), open_gateway(server.url)
        for sender in (gateway, gateway, another):
            send(sender)

    expected = f'{{"id":7,"phone":{PHONE},"text":"{TEXT}"}}'.encode()
    assert [request.body for request in server.requests] == [expected] * 3


def test_a_text_that_is_no_unicode_is_refused_for_good_and_not_sent(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        answer = open_gateway(server.url).send(7, PHONE, "half a smile: \ud83d")

    assert answer == submitted(Result.REFUSED, reason=ReasonCode.TEXT_NOT_ENCODABLE)
    assert not server.requests


def test_a_refreshed_token_is_used_for_the_next_message(open_gateway: Open, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Token(file=file)
    with RawServer(always(response())) as server:
        gateway = open_gateway(server.url, token=token)
        send(gateway)
        file.write_text("new")
        token.refresh()
        send(gateway)

    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


def test_the_environment_is_ignored(open_gateway: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("NO_PROXY", "")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    with RawServer(always(response())) as server:
        assert send(open_gateway(server.url)).result is Result.ACCEPTED

    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"


def test_an_address_with_a_password_does_not_replace_the_token(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        send(open_gateway(server.url.replace("//", "//me:pw@")))

    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


def changing(change: Callable[[OutgoingMessage, Submission], Submission]) -> Adapter:
    """An adapter whose submissions are changed."""
    adapter = gonets_adapter(SECRET)

    class Changing:
        def prepare(self, message: OutgoingMessage) -> Submission:
            return change(message, cast(Submission, adapter.prepare(message)))

        def __getattr__(self, name: str) -> Any:
            return getattr(adapter, name)

    return cast(Adapter, Changing())


def without_authorization(name: str | None) -> Adapter:
    """An adapter without that header, or with one that is written so."""
    headers = {name: "Token abc"} if name else {"Content-Type": "application/json"}
    return changing(lambda _, submission: submission._replace(headers=headers))


@pytest.mark.parametrize(
    ("credentials", "name", "expected"),
    [
        ("me:p%21w", None, "Basic bWU6cCF3"),
        ("me", None, "Basic bWU6"),
        ("", None, None),
        ("me:p%21w", "Authorization", "Token abc"),
        ("me:p%21w", "authorization", "Token abc"),
    ],
)
def test_the_credentials_of_the_address_are_used_by_an_adapter_that_has_none(
    credentials: str, name: str | None, expected: str | None, open_gateway: Open
) -> None:
    with RawServer(always(response())) as server:
        send(open_gateway(server.url.replace("//", f"//{credentials}@"), adapter=without_authorization(name)))

    assert server.requests[0].headers.get("authorization") == expected
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_the_zone_of_an_address_is_not_sent(open_gateway: Open) -> None:
    with RawServer(always(response())) as proxy:
        send(open_gateway("http://[fe80::1%25eth0]:8080/v1", proxy=proxy.url))

    assert proxy.requests[0].line == "POST http://[fe80::1]:8080/v1/send/7 HTTP/1.1"
    assert proxy.requests[0].headers["host"] == "[fe80::1]:8080"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/\u044f", "/a\x7f"])
def test_a_path_that_is_not_percent_encoded_is_refused_and_ends_one_message_only(path: str, open_gateway: Open) -> None:
    adapter = changing(
        lambda message, submission: submission._replace(path=path) if message.message_id == 1 else submission
    )
    with RawServer(always(response())) as server:
        gateway = open_gateway(server.url, adapter=adapter)
        outcomes = [send(gateway, 1).result, send(gateway, 2).result]

    assert outcomes == [Result.AMBIGUOUS, Result.ACCEPTED]
    assert [request.line for request in server.requests] == ["POST /send/2 HTTP/1.1"]


def test_cookies_are_not_sent_back(open_gateway: Open) -> None:
    with RawServer(always(response("200 OK", OK, "Set-Cookie: session=1; Path=/"))) as server:
        gateway = open_gateway(server.url)
        send(gateway)
        send(gateway)

    assert ["cookie" in request.headers for request in server.requests] == [False, False]


# Connections


def test_one_connection_serves_many_messages(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        gateway = open_gateway(server.url)
        outcomes = {send(gateway, message_id).result for message_id in range(20)}

    assert outcomes == {Result.ACCEPTED}
    assert server.connections == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "401 Unauthorized", "500 Oops"])
def test_a_refusal_keeps_the_connection(status: str, open_gateway: Open) -> None:
    with RawServer(always(response(status, b"{}"))) as server:
        gateway = open_gateway(server.url)
        send(gateway)
        send(gateway)

    assert len(server.requests) == 2
    assert server.connections == 1


def test_a_connection_idle_for_too_long_is_not_used_again(open_gateway: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sender, "IDLE_LIMIT", 0.0)
    # As if the process was stopped meanwhile: nothing has closed it.
    monkeypatch.setattr(HttpSender, "_end_late", lambda *_: 0.01)
    with RawServer(always(response())) as server:
        gateway = open_gateway(server.url)
        send(gateway)
        send(gateway)

    assert server.connections == 2


def test_a_connection_that_the_gateway_closed_meanwhile_costs_no_message(open_gateway: Open) -> None:
    closed = threading.Semaphore(0)
    with RawServer(closing(response(), closed)) as server:
        gateway = open_gateway(server.url)
        outcomes = []
        for message_id in range(3):
            outcomes.append(send(gateway, message_id).result)
            assert closed.acquire(timeout=PATIENCE)

    assert outcomes == [Result.ACCEPTED] * 3
    assert server.connections == 3


def test_a_request_that_gets_no_answer_on_a_used_connection_is_not_repeated(open_gateway: Open) -> None:
    def answer_the_first_only(peer: Peer) -> None:
        while (request := peer.read_request()) and request.line.startswith("POST /send/1 "):
            peer.send(response())

    with RawServer(answer_the_first_only) as server:
        gateway = open_gateway(server.url)
        answers = [send(gateway, 1), send(gateway, 2)]

    assert [answer.result for answer in answers] == [Result.ACCEPTED, Result.AMBIGUOUS]
    assert [request.line.split()[1] for request in server.requests] == ["/send/1", "/send/2"]


def test_a_name_may_have_an_address_that_takes_nothing(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        try:
            hole = socket.create_server(("::1", server.port), family=socket.AF_INET6, backlog=0)
        except OSError:
            pytest.skip("this machine has no IPv6, or the port is taken")
        with hole, contextlib.ExitStack() as stack:
            for _ in range(4):
                filler = stack.enter_context(socket.socket(socket.AF_INET6))
                filler.setblocking(False)
                filler.connect_ex(hole.getsockname())
            answer = send(open_gateway(f"http://localhost:{server.port}", connect_timeout=LATE))

    assert answer.result is Result.ACCEPTED


def test_there_are_never_more_connections_than_the_pool_holds(open_gateway: Open) -> None:
    def serve_slowly(peer: Peer) -> None:
        while peer.read_request():
            time.sleep(0.05)
            peer.send(response())

    with RawServer(serve_slowly) as server, ThreadPoolExecutor(6) as threads:
        gateway = open_gateway(server.url, pool_size=2)
        answers = list(threads.map(lambda message_id: send(gateway, message_id), range(12)))

    assert {answer.result for answer in answers} == {Result.ACCEPTED}
    assert len(server.requests) == 12
    assert server.most_at_once == 2


# Nothing has left: unreachable


def test_a_refused_connection_is_unreachable(open_gateway: Open) -> None:
    # The text occurs in the detail, which is ours all the same: nothing there comes from the message.
    answer = open_gateway(f"http://127.0.0.1:{free_port()}").send(7, PHONE, "on")

    assert answer == submitted(Result.UNREACHABLE, words="Connection refused")


def test_a_name_that_cannot_be_looked_up_is_unreachable(open_gateway: Open) -> None:
    # An address with a network interface that does not exist: it fails in the look-up without asking a name server.
    answer = send(open_gateway("http://[fe80::1%25nowhere]:8080", connect_timeout=SHORT))

    assert answer.result is Result.UNREACHABLE


def test_a_connection_that_does_not_come_about_is_unreachable(open_gateway: Open) -> None:
    started = time.monotonic()
    with unaccepting_port() as port:
        answer = send(open_gateway(f"http://127.0.0.1:{port}", connect_timeout=SHORT, timeout=60.0))

    assert answer == submitted(Result.UNREACHABLE, words="timed out")
    assert time.monotonic() - started < LATE


def test_a_handshake_that_does_not_come_about_is_unreachable(open_gateway: Open) -> None:
    started = time.monotonic()
    with RawServer(Peer.wait_for_client_to_leave) as server:
        answer = send(open_gateway(server.url.replace("http", "https"), connect_timeout=SHORT, timeout=60.0))

    assert answer.result is Result.UNREACHABLE
    assert time.monotonic() - started < LATE


def test_a_trickled_handshake_is_unreachable(open_gateway: Open) -> None:
    def serve(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.trickle(b"\x16\x03\x03\x3f\xff" + bytes(500))

    started = time.monotonic()
    with RawServer(serve) as server:
        answer = send(open_gateway(server.url.replace("http", "https"), connect_timeout=SHORT, timeout=60.0))

    assert answer.result is Result.UNREACHABLE
    assert time.monotonic() - started < LATE


def test_a_server_without_tls_is_unreachable_by_https(open_gateway: Open) -> None:
    with RawServer(lambda peer: peer.send(response("400 Bad Request", b"this is no TLS"))) as server:
        answer = send(open_gateway(server.url.replace("http", "https")))

    assert answer.result is Result.UNREACHABLE


def test_a_certificate_of_an_unknown_authority_is_unreachable(open_gateway: Open, tls: ssl.SSLContext) -> None:
    with RawServer(always(response()), tls) as server:
        answer = send(open_gateway(server.url))

    assert answer.result is Result.UNREACHABLE
    assert "certificate verify failed: self-signed certificate" in str(answer.words)
    assert not server.requests


def test_a_certificate_for_another_name_is_unreachable(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(always(response()), tls) as server:
        answer = send(open_gateway(f"https://localhost:{server.port}", ca_file=str(certificate[0])))

    assert answer.result is Result.UNREACHABLE
    assert not server.requests


def test_a_certificate_of_our_own_authority_is_accepted(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(always(response()), tls) as server:
        gateway = open_gateway(server.url, ca_file=str(certificate[0]))
        outcomes = [send(gateway, message_id).result for message_id in range(3)]

    assert outcomes == [Result.ACCEPTED] * 3
    assert server.connections == 1


def test_a_gateway_that_also_speaks_http_2_is_spoken_to_in_http_1(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with RawServer(always(response()), tls) as server:
        answer = send(open_gateway(server.url, ca_file=str(certificate[0])))

    assert answer.result is Result.ACCEPTED
    assert server.requests[0].line == "POST /send/7 HTTP/1.1"


def test_our_own_authority_replaces_the_well_known_ones(
    open_gateway: Open,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Whoever signed the server's certificate is well known to requests, and no authority of ours.
    monkeypatch.setattr("worker.lanes.gateway_client.DEFAULT_CA_BUNDLE_PATH", str(certificate[0]))
    ours, _ = make_certificate(tmp_path)
    with RawServer(always(response()), tls) as server:
        answer = send(open_gateway(server.url, ca_file=str(ours)))

    assert answer.result is Result.UNREACHABLE
    assert not server.requests


# It may have been delivered: ambiguous


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def close(peer: Peer) -> None:
    peer.read_request()


def answering(*parts: bytes) -> Serve:
    """Sends the parts, then closes."""

    def serve(peer: Peer) -> None:
        peer.read_request()
        for part in parts:
            peer.send(part)

    return serve


@pytest.mark.parametrize(
    ("serve", "status"),
    [
        (reset, None),
        (close, None),
        (answering(b"HTTP/1.1 "), None),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Le"), 200),
        (answering(response()[:-5]), 200),
        (answering(response("200 OK", b"")), 200),
        (answering(b"SSH-2.0-OpenSSH_9.9\r\n"), None),
        (answering(b"\x15\x03\x03\x00\x02\x02\x46"), None),
        (answering(b'{"code": 0, "message": "OK"}'), None),
        (answering(b"HTTP/1.1 2OO OK\r\n\r\n" + OK), None),
        (answering(b"HTTP/2.0 200 OK\r\n\r\n" + OK), None),
        (answering(b"HTTP/1.1 99 OK\r\n\r\n" + OK), None),
        (answering(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 70_000), None),
        (answering(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n" + OK), None),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\nContent-Length: 2\r\n\r\n" + OK), None),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n" + OK), 200),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + OK), 200),
        (answering(response("200 OK", b"\x1f\x8b\x08\x00", "Content-Encoding: gzip")), 200),
        (answering(response("200 OK", gzip.compress(OK), "Content-Encoding: gzip")), 200),
        (answering(response("500 Internal Server Error")), 500),
        (answering(response("503 Service Unavailable")), 503),
        (answering(response("103 Early Hints")), 103),
    ],
)
def test_an_answer_that_does_not_tell_is_ambiguous(serve: Serve, status: int | None, open_gateway: Open) -> None:
    with RawServer(serve) as server:
        answer = send(open_gateway(server.url))

    assert answer.result is Result.AMBIGUOUS
    assert answer.code in (status and str(status), None)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\n\r\n", OK],
        [b"HTTP/1.0 200 OK\r\n\r\n", OK],
        [
            b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"e\r\n" + OK[:14],
            b"\r\ne\r\n",
            OK[14:] + b"\r\n0\r\n\r\n",
        ],
        [b"HTTP/1.1 100 Continue\r\n\r\n", response()],
    ],
)
def test_an_answer_may_be_odd_and_yet_tell(parts: list[bytes], open_gateway: Open) -> None:
    with RawServer(answering(*parts)) as server:
        assert send(open_gateway(server.url)) == submitted(Result.ACCEPTED, 200)


@pytest.mark.parametrize(
    "answer",
    [
        response("200 OK", OK, "Set-Cookie: \xff=\x01; expires=never", "X-Oddity"),
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + OK,
    ],
)
def test_malformed_headers_make_the_result_ambiguous(answer: bytes, open_gateway: Open) -> None:
    # The parser takes such an answer for none.
    with RawServer(answering(answer)) as server:
        assert send(open_gateway(server.url)).result is Result.AMBIGUOUS


@pytest.mark.parametrize("framing", [b"", b"Transfer-Encoding: gzip\r\n"])
@pytest.mark.parametrize(("is_whole", "outcome"), [(True, Result.ACCEPTED), (False, Result.AMBIGUOUS)])
def test_a_body_that_ends_with_the_connection_ends_with_tls(
    framing: bytes,
    is_whole: bool,
    outcome: Result,
    open_gateway: Open,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
) -> None:
    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + OK)
        if is_whole:
            assert isinstance(peer.sock, ssl.SSLSocket)
            peer.sock.unwrap()

    with RawServer(serve, tls) as server:
        answer = send(open_gateway(server.url, ca_file=str(certificate[0])))

    assert answer.result is outcome
    assert answer.code == "200"


def send_nothing(peer: Peer) -> None:
    peer.read_request()
    peer.wait_for_client_to_leave()


def trickle_everything(peer: Peer) -> None:
    peer.read_request()
    peer.trickle(response("200 OK", OK, "X: " + "x" * 1000), SLOWLY)


def trickle_the_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(response()[: -len(OK)])
    peer.trickle(OK + b" " * 1000, SLOWLY)


def trickle_hundreds(peer: Peer) -> None:
    peer.read_request()
    peer.trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, SLOWLY)


def send_endless_chunks(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.trickle(b"1\r\n{\r\n" * 100, SLOWLY)


def read_nothing(peer: Peer) -> None:
    peer.closing.wait(LATE)


@pytest.mark.parametrize(
    ("serve", "status"),
    [
        (send_nothing, None),
        (trickle_everything, None),
        (trickle_the_body, 200),
        (trickle_hundreds, None),
        (send_endless_chunks, 200),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_is_for_the_whole_exchange(
    serve: Serve,
    status: int | None,
    scheme: str,
    open_gateway: Open,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
) -> None:
    with RawServer(serve, tls if scheme == "https" else None) as server:
        gateway = open_gateway(server.url, timeout=ENOUGH, ca_file=str(certificate[0]))
        started = time.monotonic()
        answer = send(gateway)
        took = time.monotonic() - started

    assert answer.result is Result.AMBIGUOUS
    assert answer.code == (status and str(status))
    assert "timed out" in str(answer.words)
    assert ENOUGH / 2 < took < LATE


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_cuts_off_a_gateway_that_does_not_read(
    scheme: str, open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(read_nothing, tls if scheme == "https" else None) as server:
        gateway = open_gateway(server.url, timeout=ENOUGH, ca_file=str(certificate[0]))
        started = time.monotonic()
        answer = gateway.send(7, PHONE, "x" * 30_000_000)  # more than the system buffers
        took = time.monotonic() - started

    assert answer.result is Result.AMBIGUOUS
    assert took < LATE


def test_the_time_to_connect_does_not_bound_what_follows(open_gateway: Open) -> None:
    def read_late(peer: Peer) -> None:
        peer.closing.wait(2 * ENOUGH)
        peer.read_request()
        peer.send(response())

    with RawServer(read_late) as server:
        gateway = open_gateway(server.url, connect_timeout=ENOUGH, timeout=4 * LATE)
        answer = gateway.send(7, PHONE, "x" * 30_000_000)  # more than the system buffers

    assert answer.result is Result.ACCEPTED


def test_a_connection_that_was_cut_off_is_not_used_again(open_gateway: Open) -> None:
    def answer_late(peer: Peer) -> None:
        while peer.read_request():
            time.sleep(2 * ENOUGH)
            peer.send(response())

    with RawServer(answer_late) as server:
        gateway = open_gateway(server.url, timeout=ENOUGH)
        outcomes = [send(gateway, message_id).result for message_id in range(3)]

    assert outcomes == [Result.AMBIGUOUS] * 3
    assert server.connections == 3


def test_a_connection_that_answers_before_it_has_read_the_request_is_not_used_again(open_gateway: Open) -> None:
    def answer_early(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(response())
        peer.closing.wait(LATE)

    with RawServer(answer_early) as server:
        gateway = open_gateway(server.url, timeout=ENOUGH)
        long = gateway.send(1, PHONE, "x" * 30_000_000)  # more than the system buffers
        short = send(gateway)

    assert [long.result, short.result] == [Result.ACCEPTED] * 2
    assert server.connections == 2


def test_an_early_hint_is_not_taken_for_an_answer_nor_the_answer_for_the_next(open_gateway: Open) -> None:
    def hint_then_answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        if peer.read_request():  # the second message, were it to come on the same connection
            peer.send(response())

    with RawServer(hint_then_answer) as server:
        gateway = open_gateway(server.url, timeout=ENOUGH)
        outcomes = [send(gateway).result, send(gateway).result]

    assert outcomes == [Result.AMBIGUOUS, Result.AMBIGUOUS]
    assert server.connections == 2


def pour(status: bytes, framing: bytes, piece: bytes) -> Serve:
    """Answers with some 10 MiB."""

    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n\r\n")
        for _ in range(160):
            peer.send(piece)

    return serve


TOO_LARGE = submitted(Result.AMBIGUOUS, 200, "answer too large", ReasonCode.CONNECTION_FAILED, not_understood=True)
LENGTH = b"Content-Length: 10485760"
CHUNKED = b"Transfer-Encoding: chunked"
PIECE = b" " * 65536


@pytest.mark.parametrize(
    ("framing", "piece"), [(LENGTH, PIECE), (CHUNKED, b"10000\r\n" + PIECE + b"\r\n"), (b"Connection: close", PIECE)]
)
def test_an_answer_too_large_is_ambiguous(framing: bytes, piece: bytes, open_gateway: Open) -> None:
    with RawServer(pour(b"200 OK", framing, piece)) as server:
        gateway = open_gateway(server.url, pool_size=1)
        answers = [send(gateway), send(gateway)]

    assert answers == [TOO_LARGE] * 2
    assert server.connections == 2


def test_an_answer_of_the_largest_size_is_read(open_gateway: Open) -> None:
    with RawServer(always(response("200 OK", OK + b" " * (65536 - len(OK))))) as server:
        assert send(open_gateway(server.url)).result is Result.ACCEPTED


@pytest.mark.parametrize(
    ("status", "outcome"), [(b"400 Bad Request", Result.REFUSED), (b"403 Forbidden", Result.MISCONFIGURED)]
)
def test_a_refusal_is_one_whatever_becomes_of_its_body(status: bytes, outcome: Result, open_gateway: Open) -> None:
    with RawServer(pour(status, LENGTH, PIECE)) as server:
        assert send(open_gateway(server.url)).result is outcome
    with RawServer(answering(b"HTTP/1.1 " + status + b"\r\nContent-Length: 10\r\n\r\n{")) as server:
        assert send(open_gateway(server.url)).result is outcome


# What the gateway says


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
@pytest.mark.parametrize("place", ["{url}/elsewhere", "//", "http://[", "\xff\xfe", ""])
def test_a_redirect_is_not_followed(status: str, place: str, open_gateway: Open) -> None:
    elsewhere = RawServer(always(response()))
    redirect = response(status, b"", "Location: " + place.format(url=elsewhere.url))
    with elsewhere, RawServer(always(redirect)) as server:
        answer = send(open_gateway(server.url))

    assert answer.result is Result.MISCONFIGURED
    assert answer.reason == (ReasonCode.REDIRECTED, {})
    assert elsewhere.connections == 0
    assert len(server.requests) == 1


def test_retry_after_is_capped_and_not_slept_through(open_gateway: Open) -> None:
    started = time.monotonic()
    with RawServer(always(response("503 Service Unavailable", b"", "Retry-After: 3600"))) as server:
        answer = send(open_gateway(server.url, retry_after_cap=60.0))

    assert answer == submitted(Result.THROTTLED, 503, retry_after=60.0)
    assert len(server.requests) == 1
    assert time.monotonic() - started < LATE


def test_a_gateway_that_echoes_the_request_reveals_no_secret(open_gateway: Open) -> None:
    def echo(peer: Peer) -> None:
        while request := peer.read_request():
            said = f"{request.headers['authorization']} may not send {json.loads(request.body)['text']} to {PHONE}"
            peer.send(response("403 Forbidden", json.dumps({"code": 3, "message": said}).encode()))

    with RawServer(echo) as server:
        answer = send(open_gateway(server.url))

    assert answer.words == "code 3: Bearer *** may not send *** to ***"


# A proxy


def test_a_proxy_is_used_when_it_is_given(open_gateway: Open) -> None:
    with RawServer(always(response())) as proxy:
        answer = send(open_gateway("http://gateway.example/v1", proxy=f"http://me:pw@127.0.0.1:{proxy.port}"))

    assert answer.result is Result.ACCEPTED
    assert proxy.requests[0].line == "POST http://gateway.example/v1/send/7 HTTP/1.1"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6cHc="


def test_a_proxy_may_speak_tls_by_our_own_authority(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(always(response()), tls) as proxy:
        trusting = open_gateway("http://gateway.example", proxy=proxy.url, ca_file=str(certificate[0]))
        outcomes = [send(trusting).result, send(open_gateway("http://gateway.example", proxy=proxy.url)).result]

        # This proxy lets the client in and opens no tunnel.
        send(open_gateway("https://gateway.example", proxy=proxy.url, ca_file=str(certificate[0])))

    assert outcomes == [Result.ACCEPTED, Result.UNREACHABLE]
    assert [request.line.split()[0] for request in proxy.requests] == ["POST", "CONNECT"]


def test_a_proxy_that_cannot_be_reached_is_unreachable(open_gateway: Open) -> None:
    for scheme in ("http", "https"):
        answer = send(open_gateway(f"{scheme}://gateway.example", proxy=f"http://127.0.0.1:{free_port()}"))

        assert answer == submitted(Result.UNREACHABLE, words="Connection refused")


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 407 Authenticate\r\n\r\n", b"what?\r\n\r\n", b""]
)
def test_a_proxy_that_opens_no_tunnel_is_unreachable(said: bytes, open_gateway: Open) -> None:
    with RawServer(answering(said)) as proxy:
        answer = send(open_gateway("https://gateway.example", proxy=proxy.url))

    assert answer.result is Result.UNREACHABLE
    assert proxy.requests[0].line.startswith("CONNECT gateway.example:443 ")
    assert "authorization" not in proxy.requests[0].headers


def test_a_proxy_that_ends_tls_in_place_of_opening_a_tunnel_is_unreachable(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(close, tls) as proxy:
        answer = send(open_gateway("https://gateway.example", proxy=proxy.url, ca_file=str(certificate[0])))

    assert answer == submitted(Result.UNREACHABLE, words="no TLS connection")


def test_a_proxy_that_trickles_is_unreachable(open_gateway: Open) -> None:
    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.trickle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000)

    started = time.monotonic()
    with RawServer(serve) as proxy:
        answer = send(open_gateway("https://gateway.example", proxy=proxy.url, timeout=SHORT))

    assert answer.result is Result.UNREACHABLE
    assert time.monotonic() - started < LATE


def test_a_tunnel_leads_to_the_gateway(open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    def tunnel(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with tls.wrap_socket(peer.sock, server_side=True) as inner:
            always(response())(Peer(inner, proxy.requests, peer.closing))

    with RawServer(tunnel) as proxy:
        gateway = open_gateway("https://127.0.0.1:8443", proxy=proxy.url, ca_file=str(certificate[0]))
        outcomes = [send(gateway).result, send(gateway).result]
        gateway.close()

    assert outcomes == [Result.ACCEPTED] * 2
    assert [request.line.split()[0] for request in proxy.requests] == ["CONNECT", "POST", "POST"]


def tunnelling_to(port: int) -> Serve:
    """A proxy that sends on what the gateway has sent within a moment as one record of TLS."""

    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as gateway:
            threading.Thread(target=copy, args=(gateway, peer.sock, 0.02), daemon=True).start()
            copy(peer.sock, gateway, 0.001)

    def copy(source: socket.socket, target: socket.socket, seconds: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                target.sendall(data)
                time.sleep(seconds)

    return serve


@pytest.mark.parametrize("length", [10, 8_000_000])
def test_a_proxy_and_a_gateway_may_both_speak_tls(
    length: int, open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    def serve(peer: Peer) -> None:
        while peer.read_request():
            peer.send(response()[: -len(OK)])
            peer.send(OK)

    with RawServer(serve, tls) as server, RawServer(tunnelling_to(server.port), tls) as proxy:
        gateway = open_gateway(server.url, proxy=proxy.url, ca_file=str(certificate[0]), timeout=PATIENCE)
        outcomes = [gateway.send(number, PHONE, "x" * length).result for number in range(2)]

    assert outcomes == [Result.ACCEPTED] * 2
    assert len(server.requests) == 2
    assert {len(request.body) for request in server.requests} == {length + 38}
    assert server.connections == 1


def test_a_proxy_that_speaks_tls_does_not_lead_to_another_gateway(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with RawServer(always(response()), tls) as server, RawServer(tunnelling_to(server.port), tls) as proxy:
        gateway = open_gateway("https://gateway.example", proxy=proxy.url, ca_file=str(certificate[0]))
        answer = send(gateway)

    assert answer.result is Result.UNREACHABLE
    assert "certificate verify failed: Hostname mismatch" in str(answer.words)
    assert not server.requests


def test_a_gateway_that_trickles_its_handshake_behind_a_proxy_is_unreachable(
    open_gateway: Open, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.sock.recv(65536)
        peer.trickle(b"\x16\x03\x03\x3f\xff" + bytes(500))

    with RawServer(serve, tls) as proxy:
        given = {"proxy": proxy.url, "ca_file": str(certificate[0]), "connect_timeout": SHORT}
        answer = send(open_gateway("https://gateway.example", **given))

    assert answer.result is Result.UNREACHABLE


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway.example",
        "ftp://gateway.example",
        "http://",
        "http://:80",
        "http://x:99999",
        "http://[",
        "http://x?y=1",
    ],
)
def test_an_address_that_cannot_work_is_a_wrong_setting(url: str) -> None:
    def make(url: str, **given: Any) -> GatewayClient:
        adapter = gonets_adapter(SECRET)
        return GatewayClient(url, adapter, connect_timeout=1, timeout=1, retry_after_cap=1, **given)

    with pytest.raises(ConfigurationError, match="GATEWAY_URL"):
        make(url)
    with pytest.raises(ConfigurationError, match=r"^address: "):
        make(url, setting="address")
    if url:
        with pytest.raises(ConfigurationError, match="GATEWAY_PROXY"):
            make("http://gateway.example", proxy=url)


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_authorities_that_cannot_be_read_are_a_wrong_setting(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match="GATEWAY_CA_FILE"):
        GatewayClient(
            "https://gateway.example",
            gonets_adapter(SECRET),
            connect_timeout=1,
            timeout=1,
            retry_after_cap=1,
            ca_file=str(file),
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
def test_no_connection_is_made_to_a_forbidden_address_whatever_it_is_called(host: str, open_gateway: Open) -> None:
    seen: list[str] = []

    def is_forbidden(address: str) -> bool:
        seen.append(address)
        return True

    with RawServer(always(response())) as server:
        gateway = open_gateway(f"http://{host}:{server.port}", is_forbidden=is_forbidden)
        answers = [send(gateway, message_id) for message_id in (1, 2)]

    assert answers == 2 * [submitted(Result.MISCONFIGURED, reason=ReasonCode.ADDRESS_FORBIDDEN)]
    assert set(seen) <= {"127.0.0.1", "::1"}
    assert seen
    assert server.connections == 0


def test_an_allowed_address_is_connected_to(open_gateway: Open) -> None:
    with RawServer(always(response())) as server:
        gateway = open_gateway(server.url, is_forbidden=lambda address: address != "127.0.0.1")

        assert send(gateway).result is Result.ACCEPTED
        assert send(gateway).result is Result.ACCEPTED
