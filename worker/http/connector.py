"""Connects to a gateway, perhaps through a proxy and with TLS. Only resolving the name blocks.

A connection is made by a generator, which yields what it waits for: the loop of the sender waits for many at once
(worker/lanes/http_sender.py), `connect_now` for one.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit

from shared.gateways.authentication import basic
from worker.http.nested_tls import NestedTls

Result = TypeVar("Result")

HEAD_LIMIT = 64 * 1024
"""Bytes of a proxy's answer to CONNECT."""

KEPT_SECONDS = 60.0
"""Seconds for which the addresses of a name are kept (as libcurl does: CURLOPT_DNS_CACHE_TIMEOUT)."""

PORTS = {"http": 80, "https": 443}


class ForbiddenAddressError(OSError):
    """The gateway's name has only addresses that no connection may be made to."""


class Wait(NamedTuple):
    """What somebody waits for on a connection."""

    fd: int
    events: int
    """Of poll(2)."""
    until: float
    """Monotonic time. A connection that is being made gets a TimeoutError then."""


Connecting = Generator[Wait, None, socket.socket]
"""Makes a connection; returns it. Raises OSError: nothing has been sent to the gateway."""


class Timeouts(NamedTuple):
    """Seconds: for the connection, TLS included, and for the request, from its first byte to the last one of the
    response. The connection does not get more than the request.
    """

    connect: float
    total: float


class Server(NamedTuple):
    """Where to connect to."""

    host: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """As CONNECT names it (RFC 9110, section 9.3.6)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Connector:
    """Makes the connections of one gateway. Any thread may use it."""

    def __init__(
        self,
        url: str,
        proxy: str,
        context: ssl.SSLContext,
        timeouts: Timeouts,
        is_forbidden: Callable[[str], bool] | None = None,
    ) -> None:
        """`url` and `proxy` are addresses with a scheme; an empty `proxy` is none. `context` is for TLS with both.
        `is_forbidden` returns whether connections to an address of the network are forbidden.
        """
        self.timeouts = timeouts
        self._server = _server(urlsplit(url))
        self._proxy = _server(urlsplit(proxy)) if proxy else None
        self._first = self._proxy or self._server
        """What it connects to."""
        self._authorization = basic_authorization(proxy)
        self._context = context
        self._is_forbidden = is_forbidden
        self._addresses: list[Any] = []
        """What getaddrinfo(3) has found for the name, the last good address first."""
        self._found_at = -math.inf
        self._is_numeric = self._find_addresses(socket.AI_NUMERICHOST)

    @property
    def is_resolved(self) -> bool:
        """Whether the addresses of the name are known."""
        return self._is_numeric or time.monotonic() - self._found_at < KEPT_SECONDS

    def resolve(self) -> None:
        """Resolves the name; blocks, perhaps for long. Raises OSError."""
        if not self._find_addresses():
            name = "the proxy's name" if self._proxy else "the name"
            raise OSError(f"{name} cannot be looked up")
        self._found_at = time.monotonic()

    def connect(self) -> Connecting:
        """Makes a connection, once the name is resolved.

        Raises OSError; ForbiddenAddressError if all addresses of the name are forbidden.
        """
        deadline = time.monotonic() + min(self.timeouts)
        connected = yield from self._connect(deadline)
        try:
            if self._first.tls:
                connected = yield from self._with_tls(connected, self._first.host, deadline)
            if self._proxy and self._server.tls:
                yield from self._open_tunnel(connected, deadline)
                connected = yield from self._with_tls(connected, self._server.host, deadline)
        except ssl.SSLCertVerificationError as error:
            connected.close()
            raise OSError(f"certificate verify failed: {error.verify_message}") from None
        except ssl.SSLError:  # its text names the library
            connected.close()
            raise OSError("no TLS connection") from None
        except BaseException:
            connected.close()
            raise
        return connected

    def _find_addresses(self, flags: int = 0) -> bool:
        host, port, _ = self._first
        try:
            self._addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        except (OSError, UnicodeError):
            return False
        return True

    def _connect(self, deadline: float) -> Connecting:
        addresses = [each for each in self._addresses if not self._is_forbidden or not self._is_forbidden(each[4][0])]
        error: OSError = ForbiddenAddressError()
        for number, found in enumerate(addresses):
            # Each of the remaining addresses gets the same share of the time.
            now = time.monotonic()
            until = now + (deadline - now) / (len(addresses) - number)
            try:
                connected = yield from _connect_to(found, until)
            except OSError as caught:
                error = caught
                continue
            if number:
                self._addresses = [found, *(each for each in self._addresses if each is not found)]
            return connected
        self._found_at = -math.inf  # the name may have others by now
        raise error

    def _with_tls(self, connected: socket.socket, host: str, deadline: float) -> Connecting:
        # Neither the zone of an address nor the final dot of a name is part of the name in a certificate.
        name = host.partition("%")[0].removesuffix(".")
        secure: ssl.SSLSocket | NestedTls
        if isinstance(connected, ssl.SSLSocket):
            secure = NestedTls(connected, self._context, name)
        else:
            # That a connection has ended without TLS is an error, and not the end of what was sent.
            secure = self._context.wrap_socket(
                connected, server_hostname=name, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        try:
            yield from _until_done(secure, secure.do_handshake, deadline)
        except BaseException:
            secure.close()
            raise
        return cast(socket.socket, secure)

    def _open_tunnel(self, connected: socket.socket, deadline: float) -> Generator[Wait, None, None]:
        """Asks the proxy for a tunnel (RFC 9110, section 9.3.6)."""
        authority = self._server.authority
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", "User-Agent: gonets"]
        if self._authorization:
            lines.append(f"Proxy-Authorization: {self._authorization}")
        request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        while request:
            sent = yield from _until_done(connected, partial(connected.send, request), deadline)
            request = request[sent:]
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = yield from _until_done(connected, partial(connected.recv, HEAD_LIMIT), deadline)
            if not received or len(answer) > HEAD_LIMIT:
                raise OSError("the proxy has opened no tunnel")
            answer += received
        version, _, rest = answer.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest.startswith(b"2"):
            raise OSError("the proxy has opened no tunnel")


def _connect_to(found: Any, until: float) -> Connecting:
    """Connects to an address that getaddrinfo(3) has found. Raises OSError."""
    family, kind, protocol, _, address = found
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_first = True
        while code := connecting.connect_ex(address):
            _raise_unless_in_progress(code)
            if code == errno.EISCONN:
                break
            if not is_first:  # within one machine the second call finds it made: that saves a round of the loop
                yield Wait(connecting.fileno(), select.POLLOUT, until)
            is_first = False
    except BaseException:
        connecting.close()
        raise
    return connecting


def _raise_unless_in_progress(code: int) -> None:
    if code not in (errno.EINPROGRESS, errno.EALREADY, errno.EISCONN):
        raise OSError(code, os.strerror(code))


def _until_done(
    connected: socket.socket | NestedTls, call: Callable[[], Result], deadline: float
) -> Generator[Wait, None, Result]:
    """The result of a call on a socket that does not block."""
    while True:
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError):
            yield Wait(connected.fileno(), select.POLLIN, deadline)
        except ssl.SSLWantWriteError:
            yield Wait(connected.fileno(), select.POLLOUT, deadline)


def wait_for(wait: Wait) -> int:
    """Blocks until something has happened, and returns what (poll(2)); 0 if it was too late."""
    poll = select.poll()
    poll.register(wait.fd, wait.events)
    events = poll.poll(max(0.0, wait.until - time.monotonic()) * 1000)
    return events[0][1] if events else 0


def connect_now(connector: Connector) -> socket.socket:
    """A new connection; blocks, perhaps for long if the name must be resolved. Raises OSError."""
    if not connector.is_resolved:
        connector.resolve()
    connecting = connector.connect()
    try:
        wait = next(connecting)
        while True:
            wait = next(connecting) if wait_for(wait) else connecting.throw(TimeoutError("timed out"))
    except StopIteration as made:
        return cast(socket.socket, made.value)


def basic_authorization(url: str) -> str:
    """The header for the user and the password in an address (RFC 7617); empty if there are none."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return ""
    return basic(unquote(parts.username or ""), unquote(parts.password or ""))


def _server(parts: SplitResult) -> Server:
    return Server(unquote(parts.hostname or ""), parts.port or PORTS[parts.scheme], parts.scheme == "https")
