"""The way to the gateway: one deadline for the whole exchange, and word of whether the request has begun to leave.

requests and urllib3 time each wait on the socket by itself, so a server that sends a byte a second can hold a thread
for hours; and the names of their errors do not tell for certain whether anything was sent. Both are settled here, where
the bytes go out and come in: every wait gets what is left until the deadline, and the moment before the first byte of
the request is marked. The same code serves plain, TLS and proxied connections, and needs no other thread.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import BaseHTTPResponse

BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are read. The success body has 27; what is this much longer is no answer to us."""

IDLE_LIMIT = 1.0
"""Seconds after which an idle connection is not used again.

Servers close idle connections after 2 to 5 seconds (gunicorn 2, Node.js, Apache and uvicorn 5) and workers look for
messages every 5: a request sent just as the server closes gets no answer, which leaves its message in doubt.
"""


def at_any_time() -> bool:
    """For a request that may leave whenever its connection stands."""
    return True


class Exchange(threading.local):
    """The request that this thread is making: when it must be over, and whether it has begun to leave."""

    has_left = False
    may_leave: Callable[[], bool] = staticmethod(at_any_time)
    """Asked right before the request leaves."""
    _connect_timeout = 0.0
    _finish_by = 0.0

    def begin(self, connect_timeout: float, timeout: float, may_leave: Callable[[], bool] = at_any_time) -> None:
        """Starts the clock. Both are in seconds: for a connection to stand, and for everything together."""
        self.has_left = False
        self.may_leave = may_leave
        self._connect_timeout = connect_timeout
        self._finish_by = time.monotonic() + timeout

    def seconds_left(self) -> float:
        """Raises TimeoutError when there are none."""
        return _until(self._finish_by)

    def connect_by(self) -> float:
        """By when a connection begun now must stand (monotonic clock)."""
        return min(time.monotonic() + self._connect_timeout, self._finish_by)


exchange = Exchange()
"""Each thread's own: requests and urllib3, in between, have no place to pass it through."""


class Transport(HTTPAdapter):
    """requests' transport, to one address and by one deadline.

    By requests' own default it repeats nothing: a repeat in here would be one that the ledger does not know of.
    """

    def __init__(self, url: str, pool_size: int, context: ssl.SSLContext, proxy: str | None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size, pool_block=True)
        manager = self.proxy_manager_for(proxy, proxy_ssl_context=context) if proxy else self.poolmanager
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        self._pool: HTTPConnectionPool = manager.connection_from_url(url, pool_kwargs={"ssl_context": context})

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The one pool there is, without looking for it anew for each request."""
        return self._pool

    def cert_verify(self, *_: Any) -> None:
        """Nothing to add: the context verifies. requests would load its own authorities into it for each connection."""

    def close(self) -> None:
        """Closes the connections that are idle; one in use closes when its exchange is over."""
        self._pool.close()
        super().close()


class _DeadlineReader(io.RawIOBase):
    """Reads from the socket, and waits no longer than the exchange lasts."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(exchange.seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer read under the deadline: its status line, its headers and its body."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response
    _answered_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the connection can carry another request. The pool asks before it hands one out."""
        return time.monotonic() - self._answered_at < IDLE_LIMIT and super().is_connected

    def _new_conn(self) -> socket.socket:
        try:
            return _connect(self._dns_host, self.port, exchange.connect_by(), self.socket_options or [])
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        if self.sock is None:
            self.connect()
        exchange.seconds_left()  # nothing may leave once the time is over
        if not exchange.may_leave():
            raise TimeoutError("too late to leave")
        exchange.has_left = True
        super().endheaders(message_body, encode_chunked=encode_chunked)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(exchange.seconds_left())
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._answered_at = time.monotonic()
        return response


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def urlopen(self, *args: Any, **kwargs: Any) -> BaseHTTPResponse:
        """Waits for a free connection no longer than the exchange lasts."""
        return super().urlopen(*args, **{**kwargs, "pool_timeout": exchange.seconds_left()})


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def _connect(host: str, port: int, by: float, options: list[tuple[int, int, int | bytes]]) -> socket.socket:
    """A connection to the first address of `host` that takes one; they share the time until `by` (monotonic clock).

    The look-up of the name cannot be cut short: the system's resolver has its own patience (resolv.conf(5)). What is
    left after it is all there is.
    """
    failure: OSError | None = None
    addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family that this system lacks
            failure = error
            continue
        try:
            for option in options:
                sock.setsockopt(*option)
            # An address that swallows everything must not use up the time of the one after it.
            sock.settimeout(_until(by) / (len(addresses) - tried))
            sock.connect(address)
            sock.settimeout(_until(by))  # for the TLS handshake, which counts as connecting
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError(f"{host} has no address")


def _until(moment: float) -> float:
    left = moment - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
