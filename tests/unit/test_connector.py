"""Connecting to a name with several addresses, and with TLS: on real sockets, with a resolver of the test's own."""

from __future__ import annotations

import errno
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import make_certificate
from tests.ports import HOST, free_port, unaccepting_port
from tests.raw_server import Peer, RawServer, always, response
from tests.waiting import PATIENCE, eventually
from worker.http import connection
from worker.http.connection import HttpConnection, perform
from worker.http.connector import Connector, ForbiddenAddressError, Timeouts, Wait, connect_now, wait_for

REQUEST = b"GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n"

Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Sets what every name leads to: hosts and ports, in this order."""

    def set_addresses(*addresses: tuple[str, int], family: int = socket.AF_INET) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        found[0] = (family, *found[0][1:])  # type: ignore[assignment]

        def look_up(*_: object, flags: int = 0, **__: object) -> list[Any]:
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror
            return found

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return set_addresses


def connector(url: str = "http://gateway.example", seconds: float = PATIENCE, **given: Any) -> Connector:
    context = given.pop("context", None) or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Connector(url, given.pop("proxy", ""), context, Timeouts(seconds, PATIENCE), **given)


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(always(response())) as server:
        yield server


def peer_of(connected: socket.socket) -> tuple[str, int]:
    with connected:
        address: tuple[str, int] = connected.getpeername()
    return address


def test_a_forbidden_address_of_a_name_is_not_used_and_an_allowed_one_is(resolve: Resolve) -> None:
    with RawServer(always(response())) as forbidden, RawServer(always(response())) as allowed:
        port = allowed.port
        with socket.create_server(("127.0.0.2", port)) as other:
            resolve(("127.0.0.2", port), ("127.0.0.1", port), ("127.0.0.2", forbidden.port))
            connecting = connector(is_forbidden=lambda address: address == "127.0.0.2")
            for _ in range(2):
                assert peer_of(connect_now(connecting)) == ("127.0.0.1", port)
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.accept()


def test_a_name_that_has_only_forbidden_addresses_is_not_connected_to(resolve: Resolve, server: RawServer) -> None:
    resolve(("127.0.0.1", server.port), ("127.0.0.1", server.port))

    with pytest.raises(ForbiddenAddressError):
        connect_now(connector(is_forbidden=lambda _: True))

    assert server.connections == 0


def test_a_name_that_leads_elsewhere_after_a_while_is_judged_again(
    resolve: Resolve, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(("127.0.0.1", server.port))
    connecting = connector(is_forbidden=lambda address: address != "127.0.0.1")
    connect_now(connecting).close()
    resolve(("127.0.0.2", server.port))
    connect_now(connecting).close()  # what was found is kept

    monkeypatch.setattr("worker.http.connector.KEPT_SECONDS", 0.0)

    with pytest.raises(ForbiddenAddressError):
        connect_now(connecting)


def test_a_name_is_resolved_again_after_none_of_its_addresses_has_answered(resolve: Resolve, server: RawServer) -> None:
    resolve(("127.0.0.1", free_port()))
    connecting = connector()
    with pytest.raises(ConnectionRefusedError):
        connect_now(connecting)
    resolve(("127.0.0.1", server.port))

    assert peer_of(connect_now(connecting)) == ("127.0.0.1", server.port)


def test_an_address_that_needs_no_name_server_is_never_resolved(server: RawServer) -> None:
    for url in (server.url, server.url.replace("127.0.0.1", "2130706433")):
        connecting = connector(url)

        assert connecting.is_resolved
        with pytest.raises(ConnectionRefusedError):
            connect_now(connector(f"http://127.0.0.1:{free_port()}"))
        assert connecting.is_resolved
        assert peer_of(connect_now(connecting)) == ("127.0.0.1", server.port)


def test_each_address_of_a_name_has_its_share_of_the_time(resolve: Resolve, server: RawServer) -> None:
    with unaccepting_port() as hole, unaccepting_port() as another:
        resolve((HOST, hole), (HOST, another), ("127.0.0.1", server.port))

        assert peer_of(connect_now(connector(seconds=1.5))) == ("127.0.0.1", server.port)


def test_the_time_for_all_addresses_of_a_name_is_limited(resolve: Resolve) -> None:
    with unaccepting_port() as hole, unaccepting_port() as another:
        resolve((HOST, hole), (HOST, another))
        started = time.monotonic()

        with pytest.raises(TimeoutError, match="timed out"):
            connect_now(connector(seconds=0.4))

        assert time.monotonic() - started < PATIENCE / 2


def test_an_address_that_has_answered_is_tried_first(resolve: Resolve, server: RawServer) -> None:
    port = free_port()
    resolve(("127.0.0.1", port), ("127.0.0.1", server.port))
    connecting = connector()
    connect_now(connecting).close()

    with socket.create_server(("127.0.0.1", port)):
        assert peer_of(connect_now(connecting)) == ("127.0.0.1", server.port)


def test_an_address_of_a_kind_that_this_machine_does_not_have_is_left_out(resolve: Resolve, server: RawServer) -> None:
    resolve(("127.0.0.1", server.port), ("127.0.0.1", server.port), family=socket.AF_APPLETALK)

    assert peer_of(connect_now(connector())) == ("127.0.0.1", server.port)


def test_without_any_address_that_answers_the_error_is_that_of_the_last_one(resolve: Resolve) -> None:
    resolve(("127.0.0.1", free_port()), ("127.0.0.1", free_port()))

    with pytest.raises(ConnectionRefusedError):
        connect_now(connector())


def test_an_address_that_refuses_at_once_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        """As of a system that refuses at once, and whose socket is of no more use then (POSIX, connect)."""

        codes = [errno.EINVAL, errno.ECONNREFUSED]

        def connect_ex(self, _: object) -> int:
            return self.codes.pop()

    connecting = connector(f"http://{HOST}")
    monkeypatch.setattr(socket, "socket", Refused)

    with pytest.raises(ConnectionRefusedError):
        connect_now(connecting)


def test_a_host_that_is_no_name_cannot_be_looked_up() -> None:
    for url, proxy, words in (
        (f"http://{'a' * 64}.example", "", "^the name cannot be looked up$"),
        ("http://gateway.example", f"http://me:secret@{'a' * 64}.example", "^the proxy's name cannot be looked up$"),
    ):
        with pytest.raises(OSError, match=words):
            connect_now(connector(url, proxy=proxy))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of gateway.example and fe80::1."""
    return make_certificate(tmp_path_factory.mktemp("gateway"), "DNS:gateway.example,IP:fe80::1")


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate[0])
    return context


@pytest.fixture
def without_idle_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_LIMIT", 10 * PATIENCE)


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        ("gateway.example", True),
        ("gateway.example.", True),
        ("GATEWAY.example", True),
        ("[fe80::1]", True),
        ("[fe80::1%25eth0]", True),
        ("[fe80::2]", False),
        ("other.example", False),
        ("gateway.example.other.example", False),
        ("127.0.0.1", False),
    ],
)
def test_the_certificate_has_to_be_the_hosts(
    host: str, is_trusted: bool, resolve: Resolve, tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with RawServer(always(response()), tls) as server:
        resolve(("127.0.0.1", server.port))
        connecting = connector(f"https://{host}", context=trusting)
        if is_trusted:
            connect_now(connecting).close()
        else:
            with pytest.raises(OSError, match=r"^certificate verify failed: "):
                connect_now(connecting)


@pytest.mark.usefixtures("without_idle_limit")
def test_a_ticket_of_tls_that_arrives_later_does_not_cost_the_connection(
    resolve: Resolve, tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    with RawServer(always(response()), tls) as server:
        resolve(("127.0.0.1", server.port))
        connected = HttpConnection(connect_now(connector("https://gateway.example", context=trusting)))
        eventually(lambda: wait_for(Wait(connected.fd, select.POLLIN, 0.0)))

        assert connected.is_usable

        perform(connected, REQUEST, PATIENCE)
        assert (connected.response.status, connected.response.error) == (200, None)
        assert connected.is_usable
        connected.close()


@pytest.mark.usefixtures("without_idle_limit")
@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n\r\n", b"x", b""])
@pytest.mark.parametrize("is_secure", [False, True])
def test_a_connection_that_was_closed_or_on_which_something_has_arrived_is_not_usable(
    data: bytes, is_secure: bool, resolve: Resolve, tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    def serve(peer: Peer) -> None:
        peer.send(data)
        if data:
            peer.wait_for_client_to_leave()

    with RawServer(serve, tls if is_secure else None) as server:
        resolve(("127.0.0.1", server.port))
        url = f"http{'s' if is_secure else ''}://gateway.example"
        connected = HttpConnection(connect_now(connector(url, context=trusting)))

        eventually(lambda: not connected.is_usable)
        connected.close()
