"""One request over libcurl, at about a tenth of the cost of the transport of requests.

One thread keeps any number of transfers under way at once (worker/lanes/curl_sender.py).

Features of libcurl that would break the ledger's guarantees are disabled. Above all, libcurl repeats a request whose
reused connection closes before the first byte of a response: a transfer allows one request only. And libcurl may reuse
a connection that has been closed (it checks once a second): the transfer checks each time.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pycurl
from requests.structures import CaseInsensitiveDict

BODY_LIMIT = 64 * 1024
"""Bytes of a response that are read. The success body has 27; one that is much longer is an error."""

IDLE_LIMIT = 1.0
"""Seconds after which an idle connection is not reused.

Servers close idle connections after 2 to 5 seconds (gunicorn 2, Node.js, Apache and uvicorn 5) and workers look for
messages every 5: a request sent just as the server closes gets no response, which leaves its message in doubt.
"""

HEADER_LINES = 100
"""Header lines of one response that are read: as many as http.client takes. libcurl bounds their size (300 KiB)."""

# Messages for libcurl's error codes: its own messages may quote the response (libcurl-errors(3)).
_WORDS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "not an HTTP answer",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's name cannot be looked up",
    pycurl.E_COULDNT_RESOLVE_HOST: "the name cannot be looked up",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "not an HTTP answer",
    pycurl.E_PARTIAL_FILE: "the answer was cut short",
    pycurl.E_OPERATION_TIMEDOUT: "timed out",
    pycurl.E_SSL_CONNECT_ERROR: "no TLS connection",
    pycurl.E_ABORTED_BY_CALLBACK: "the connection was closed without an answer",
    pycurl.E_GOT_NOTHING: "the connection was closed without an answer",
    pycurl.E_SEND_ERROR: "the connection was lost",
    pycurl.E_RECV_ERROR: "the connection was lost",
    pycurl.E_FILESIZE_EXCEEDED: "answer too large",
}

MAX_IDLE_SECONDS = 2
CLOSED_AFTER_SECONDS = MAX_IDLE_SECONDS + 1.0
"""Whole seconds after which libcurl closes an idle connection, and seconds after which it has certainly done so."""

Connections = dict[int, "Connection"]
"""Connections by their local ports."""


class Timeouts(NamedTuple):
    """Seconds: for the connection, TLS included, and for everything together, up to the last byte of the response."""

    connect: float
    total: float


class HttpRequest(NamedTuple):
    """What a transfer sends."""

    method: str
    url: str
    headers: Mapping[str, str]
    """The same object for many requests: libcurl is given it only when it changes."""
    body: bytes


class _LentSocket(socket.socket):
    """A socket of which libcurl gets a duplicate: this one is closed as soon as it has it."""

    def __del__(self) -> None:
        self.close()


class Connection:
    """The state of a connection in libcurl's pool."""

    __slots__ = ("_poll", "last_used")

    def __init__(self, fd: int) -> None:
        """`fd` is negative if it is already closed."""
        self.last_used = 0.0
        """By the monotonic clock."""
        self._poll = select.poll()
        if fd >= 0:
            self._poll.register(fd, select.POLLIN)

    @property
    def is_usable(self) -> bool:
        """Whether it may be reused: not if there is something to read, which is its end or data that is no response."""
        idle = time.monotonic() - self.last_used
        if idle >= IDLE_LIMIT:
            return idle > CLOSED_AFTER_SECONDS  # an earlier connection with the same port
        return not self._poll.poll(0)


class CurlTransfer:
    """One request and its response, on a libcurl handle."""

    __slots__ = (
        "_chunks",
        "_connections",
        "_fields",
        "_fresh",
        "_is_forbidden",
        "_lines",
        "_may_leave",
        "_method",
        "_port",
        "_requests",
        "_stale",
        "body",
        "error",
        "handle",
        "refused_address",
        "status",
    )

    def __init__(
        self,
        ca_file: str,
        proxy: str,
        timeouts: Timeouts,
        connections: Connections,
        is_forbidden: Callable[[str], bool] | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        """`is_forbidden` returns whether connections to an address of the network are forbidden; of a response at most
        `body_limit` bytes are read.
        """
        self._connections = connections
        self._is_forbidden = is_forbidden
        self._chunks: list[bytes] = []
        self._lines: list[bytes] = []
        self._may_leave: Callable[[], bool] | None = None
        self._method = ""
        self._requests = 0
        self._port = 0
        self._stale = False
        self._fresh = False
        self._fields: Mapping[str, str] | None = None
        self.refused_address = False
        """Whether no connection was made because the address of the network is forbidden."""
        self.status: int | None = None
        """The status of a response whose headers are complete."""
        self.body = b""
        self.error: OSError | None = None
        """Why there is no response, or only part of one."""
        self.handle = handle = pycurl.Curl()
        for option, value in _options(ca_file, proxy, timeouts, body_limit).items():
            handle.setopt(option, value)
        for option in (pycurl.CAPATH, pycurl.PROXY_CAPATH):
            handle.unsetopt(option)  # the system's authorities would be trusted in addition
        handle.setopt(pycurl.PREREQFUNCTION, self._before_send)
        handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._chunks.append)
        if is_forbidden is not None:
            handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    @property
    def has_left(self) -> bool:
        """Whether the request has begun to leave."""
        return self._requests > 0

    @property
    def headers(self) -> CaseInsensitiveDict[str]:
        """The headers of the response, without those of a 1xx response before it."""
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        for line in self._lines:
            text = line.decode("latin-1").strip()
            if text.startswith("HTTP/"):
                headers.clear()
            elif text:
                name, _, value = text.partition(":")
                headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        return headers

    @property
    def received_at(self) -> datetime:
        """The current time. To be read right after the end."""
        return datetime.now(UTC)

    def begin(self, request: HttpRequest, may_leave: Callable[[], bool]) -> None:
        """Prepares a request.

        `may_leave` is called once the connection is established, right before the request leaves. If it returns False,
        the request is not sent.
        """
        handle = self.handle
        self._may_leave = may_leave
        self._chunks.clear()
        self._lines.clear()
        self._requests = 0
        self.refused_address = False
        if self._fresh:
            self._connect_anew(False)
        method, url, headers, body = request
        handle.setopt(pycurl.URL, url)
        if method != self._method:
            self._set_method(method)
        if method != "GET":
            handle.setopt(pycurl.POSTFIELDS, body)
        if headers is not self._fields:
            fields = [f"{name}: {value}" for name, value in headers.items() if name != "Content-Length"]
            handle.setopt(pycurl.HTTPHEADER, [*fields, "Expect:"])  # libcurl would wait for a 100 with a long body
            self._fields = headers

    def end(self, code: int = pycurl.E_OK) -> bool:
        """Reads the outcome of the request; `code` is libcurl's error code.

        Returns whether it has ended. If not, nothing was sent: the connection was closed, and a new one is to be used.
        """
        if self._stale:
            self._connect_anew(True)
            return False
        getinfo = self.handle.getinfo
        if self._requests:
            if getinfo(pycurl.NUM_CONNECTS) or self._port not in self._connections:
                self._connections[self._port] = Connection(getinfo(pycurl.ACTIVESOCKET))
            self._connections[self._port].last_used = time.monotonic()
        self.error = None if code == pycurl.E_OK else self._error_of(code)
        self.body = b"".join(self._chunks)
        self.status = None
        if self._requests and (self.error is None or self._lines):
            self._read_head()
        return True

    def close(self) -> None:
        """Closes the handle, and a connection of its own."""
        self.handle.close()

    def _before_send(self, _: str, __: str, ___: int, port: int) -> int:
        # Called right before the request leaves, on any connection. A second call would be a repeat.
        if self._requests:
            return pycurl.PREREQFUNC_ABORT
        connection = self._connections.get(port)
        if connection is not None and not self._fresh and not connection.is_usable:
            self._stale = True
            return pycurl.PREREQFUNC_ABORT
        if self._may_leave is None or not self._may_leave():
            return pycurl.PREREQFUNC_ABORT
        self._lines.clear()  # headers of a proxy that opened a tunnel
        self._requests = 1
        self._port = port
        return pycurl.PREREQFUNC_OK

    def _open_socket(self, _: int, address: Any) -> socket.socket | int:
        # Called with each address that libcurl has found for the name, before it connects.
        family, kind, protocol, (host, *_) = address
        if self._is_forbidden is not None and self._is_forbidden(str(host)):
            self.refused_address = True
            return pycurl.SOCKET_BAD
        return _LentSocket(family, kind, protocol)

    def _set_method(self, method: str) -> None:
        # A GET has no body. Any other method is sent like a POST, with its own name.
        if method == "GET":
            self.handle.setopt(pycurl.HTTPGET, 1)
        else:
            self.handle.setopt(pycurl.POST, 1)
        self.handle.setopt(pycurl.CUSTOMREQUEST, method)
        self._method = method

    def _connect_anew(self, anew: bool) -> None:
        self.handle.setopt(pycurl.FRESH_CONNECT, anew)
        self._fresh = anew
        self._stale = False

    def _read_head(self) -> None:
        first, last = self._lines[0], self._lines[-1]
        if not first.startswith(b"HTTP/1."):
            self.error = OSError(_WORDS[pycurl.E_UNSUPPORTED_PROTOCOL])
        elif len(self._lines) > HEADER_LINES:
            self.error = OSError("too many headers")
        elif not last.isspace():
            self.error = self.error or OSError(_WORDS[pycurl.E_PARTIAL_FILE])
        else:
            self.status = self.handle.getinfo(pycurl.RESPONSE_CODE)

    def _error_of(self, code: int) -> OSError:
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return TimeoutError(_WORDS[code])
        if code == pycurl.E_PEER_FAILED_VERIFICATION:
            why = self.handle.errstr().removeprefix("SSL certificate ")
            why = why.removeprefix("problem: ").removeprefix("OpenSSL verify result: ")
            return OSError(f"certificate verify failed: {why}")
        number = self.handle.getinfo(pycurl.OS_ERRNO)
        if code in (pycurl.E_COULDNT_CONNECT, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR) and number:
            return OSError(number, os.strerror(number))
        return OSError(_WORDS.get(code, f"libcurl's error {code}"))


def _options(ca_file: str, proxy: str, timeouts: Timeouts, body_limit: int) -> dict[int, Any]:
    return {
        # To libcurl, 0 is no limit.
        pycurl.CONNECTTIMEOUT_MS: max(1, int(timeouts.connect * 1000)),
        pycurl.TIMEOUT_MS: max(1, int(timeouts.total * 1000)),
        pycurl.NOSIGNAL: 1,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.HTTP09_ALLOWED: 0,
        pycurl.PATH_AS_IS: 1,
        pycurl.CAINFO: ca_file,
        pycurl.PROXY_CAINFO: ca_file,
        # Always set, or libcurl would read the environment.
        pycurl.PROXY: proxy,
        pycurl.NOPROXY: "",
        pycurl.MAXAGE_CONN: MAX_IDLE_SECONDS,
        pycurl.MAXCONNECTS: 1,
        pycurl.MAXFILESIZE: body_limit,
    }
