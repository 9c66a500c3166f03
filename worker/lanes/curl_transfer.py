"""The fast way to the gateway: requests' transport over libcurl, at about a tenth of the cost of its own.

The adapter is mounted on a session like any other, and gives requests' own responses and errors. Besides, it makes
transfers, of which one thread can keep any number under way at once (worker/lanes/curl_sender.py).

What libcurl would do of its own accord and a ledger cannot have is switched off. Above all, it repeats a request whose
reused connection closes before the first byte of an answer: each transfer lets one request leave, and no second. And it
may take a connection that it knows to be closed for alive (it looks once a second): so we look, each time.
"""

from __future__ import annotations

import os
import queue
import select
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import pycurl
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.response import HTTPResponse

from worker import transport
from worker.transport import BODY_LIMIT, at_any_time, exchange

HEADER_LINES = 100
"""Header lines of one answer that are read: as many as http.client takes. libcurl bounds their size (300 KiB)."""

# What libcurl's error codes mean, in words of ours: its own may quote the answer (libcurl-errors(3)).
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

KEPT = 2
FORGOTTEN = KEPT + 1.0
"""Whole seconds after which libcurl closes an idle connection, and seconds after which it certainly has."""

Connections = dict[int, "Connection"]
"""Our connections by their ports on this side."""


class Connection:
    """What we know of a connection that libcurl keeps."""

    __slots__ = ("_poll", "last_used")

    def __init__(self, fd: int) -> None:
        """`fd` is negative when it has been closed already."""
        self.last_used = 0.0
        """By the monotonic clock."""
        self._poll = select.poll()
        if fd >= 0:
            self._poll.register(fd, select.POLLIN)

    @property
    def is_usable(self) -> bool:
        """Whether it may carry another request: not when something waits to be read on it, which is its end, or what
        cannot be an answer.
        """
        idle = time.monotonic() - self.last_used
        if idle >= transport.IDLE_LIMIT:
            return idle > FORGOTTEN  # that was another connection, which had this port before
        return not self._poll.poll(0)


class CurlAdapter(BaseAdapter):
    """A transport for POST requests with their body in memory. Any number of threads may share one.

    What else a session may ask for (`verify`, `cert`, `proxies`) is settled here and not asked for anew each time.
    """

    def __init__(self, pool_size: int, *, ca_file: str | None = None, proxy: str | None = None) -> None:
        """There are never more than `pool_size` connections. `ca_file` replaces the well-known authorities."""
        super().__init__()
        self._ca_file = ca_file or DEFAULT_CA_BUNDLE_PATH
        self._proxy = proxy or ""
        self._free: queue.LifoQueue[Transfer | None] = queue.LifoQueue()
        for _ in range(pool_size):
            self._free.put(None)
        self._connections: Connections = {}
        self._closed = False

    def transfer(self) -> Transfer:
        """A transfer, to be used again and again, by one thread at a time."""
        return Transfer(self._ca_file, self._proxy, self._connections)

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *_: Any, **__: Any
    ) -> requests.Response:
        """Makes the request and answers the response, its body read.

        `timeout` is a pair of seconds: for a connection to stand, and for everything together, the wait for a free
        connection included. Raises requests' exceptions.
        """
        connect_timeout, total = timeout
        finish_by = time.monotonic() + total
        try:
            transfer = self._free.get(timeout=total) or self.transfer()
        except queue.Empty:
            raise requests.ConnectionError("no free connection", request=request) from TimeoutError("timed out")
        try:
            if self._closed:
                raise requests.ConnectionError("the adapter is closed", request=request)
            transfer.begin(request, connect_timeout, finish_by - time.monotonic(), exchange.may_leave)
            transfer.make()
            exchange.has_left = transfer.has_left
            return _response(transfer, request)
        finally:
            self._free.put(transfer)

    def close(self) -> None:
        """Closes the connections that are idle; nothing is sent any more."""
        self._closed = True
        for _ in range(self._free.qsize()):
            transfer = self._free.get()
            if transfer is not None:
                transfer.close()
            self._free.put(None)


class Transfer:
    """One request and what comes back for it, on a libcurl handle."""

    __slots__ = (
        "_chunks",
        "_connections",
        "_fields",
        "_fresh",
        "_lines",
        "_may_leave",
        "_port",
        "_requests",
        "_stale",
        "_timeouts",
        "body",
        "handle",
        "status",
        "trouble",
    )

    def __init__(self, ca_file: str, proxy: str, connections: Connections) -> None:
        self._connections = connections
        self._chunks: list[bytes] = []
        self._lines: list[bytes] = []
        self._may_leave: Callable[[], bool] = at_any_time
        self._requests = 0
        self._port = 0
        self._stale = False
        self._fresh = False
        self._fields: Mapping[str, str] | None = None
        self._timeouts: tuple[int, int] | None = None
        self.status: int | None = None
        """Of an answer whose headers are complete."""
        self.body = b""
        self.trouble: OSError | None = None
        """Why there is no answer, or only part of one."""
        self.handle = handle = pycurl.Curl()
        for option, value in _options(ca_file, proxy).items():
            handle.setopt(option, value)
        for option in (pycurl.CAPATH, pycurl.PROXY_CAPATH):
            handle.unsetopt(option)  # the system's authorities would be trusted beside ours
        handle.setopt(pycurl.PREREQFUNCTION, self._leave)
        handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._chunks.append)

    @property
    def has_left(self) -> bool:
        """Whether the request has begun to leave."""
        return self._requests > 0

    @property
    def headers(self) -> CaseInsensitiveDict[str]:
        """Of the answer, and not of a 1xx before it."""
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        for line in self._lines:
            text = line.decode("latin-1").strip()
            if text.startswith("HTTP/"):
                headers.clear()
            elif text:
                name, _, value = text.partition(":")
                headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        return headers

    def begin(
        self,
        request: requests.PreparedRequest,
        connect_timeout: float,
        timeout: float,
        may_leave: Callable[[], bool] = at_any_time,
    ) -> None:
        """Gets ready for a request. Seconds: for a connection to stand, and for everything together.

        `may_leave` is asked when the connection stands, right before the request leaves.
        """
        handle = self.handle
        self._may_leave = may_leave
        self._chunks.clear()
        self._lines.clear()
        self._requests = 0
        if self._fresh:
            self._connect_anew(False)
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.POSTFIELDS, request.body)
        if request.headers is not self._fields:
            fields = [f"{name}: {value}" for name, value in request.headers.items() if name != "Content-Length"]
            handle.setopt(pycurl.HTTPHEADER, [*fields, "Expect:"])  # libcurl would wait for a 100 with a long body
            self._fields = request.headers
        # To libcurl, 0 is no limit.
        timeouts = max(1, int(connect_timeout * 1000)), max(1, int(timeout * 1000))
        if timeouts != self._timeouts:
            handle.setopt(pycurl.CONNECTTIMEOUT_MS, timeouts[0])
            handle.setopt(pycurl.TIMEOUT_MS, timeouts[1])
            self._timeouts = timeouts

    def make(self) -> None:
        """Makes the request here and now."""
        try:
            self.handle.perform()
        except pycurl.error as error:
            over = self.end(int(error.args[0]))
        else:
            over = self.end()
        if not over:
            self.make()

    def end(self, code: int = pycurl.E_OK) -> bool:
        """Takes in what libcurl says at the end of the request, by its code.

        Answers whether it is over. If not, nothing has left: the connection was closed, and another is to be tried.
        """
        if self._stale:
            self._connect_anew(True)
            return False
        getinfo = self.handle.getinfo
        if self._requests:
            if getinfo(pycurl.NUM_CONNECTS) or self._port not in self._connections:
                self._connections[self._port] = Connection(getinfo(pycurl.ACTIVESOCKET))
            self._connections[self._port].last_used = time.monotonic()
        self.trouble = None if code == pycurl.E_OK else self._trouble(code)
        self.body = b"".join(self._chunks)
        self.status = None
        if self._requests and (self.trouble is None or self._lines):
            self._read_head()
        return True

    def close(self) -> None:
        """Closes the handle, and the connection that it has made by itself."""
        self.handle.close()

    def _leave(self, _: str, __: str, ___: int, port: int) -> int:
        # Asked right before the request leaves, by whatever connection. A second time would be a repeat.
        if self._requests:
            return pycurl.PREREQFUNC_ABORT
        connection = self._connections.get(port)
        if connection is not None and not self._fresh and not connection.is_usable:
            self._stale = True
            return pycurl.PREREQFUNC_ABORT
        if not self._may_leave():
            return pycurl.PREREQFUNC_ABORT
        self._lines.clear()  # a proxy's, should it have opened a tunnel
        self._requests = 1
        self._port = port
        return pycurl.PREREQFUNC_OK

    def _connect_anew(self, anew: bool) -> None:
        self.handle.setopt(pycurl.FRESH_CONNECT, anew)
        self._fresh = anew
        self._stale = False

    def _read_head(self) -> None:
        first, last = self._lines[0], self._lines[-1]
        if not first.startswith(b"HTTP/1."):
            self.trouble = OSError(_WORDS[pycurl.E_UNSUPPORTED_PROTOCOL])
        elif len(self._lines) > HEADER_LINES:
            self.trouble = OSError("too many headers")
        elif not last.isspace():
            self.trouble = self.trouble or OSError(_WORDS[pycurl.E_PARTIAL_FILE])
        else:
            self.status = self.handle.getinfo(pycurl.RESPONSE_CODE)

    def _trouble(self, code: int) -> OSError:
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


def _options(ca_file: str, proxy: str) -> dict[int, Any]:
    return {
        pycurl.NOSIGNAL: 1,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.HTTP09_ALLOWED: 0,
        pycurl.POST: 1,
        pycurl.PATH_AS_IS: 1,
        pycurl.CAINFO: ca_file,
        pycurl.PROXY_CAINFO: ca_file,
        # Said in any case, or the environment would have its say.
        pycurl.PROXY: proxy,
        pycurl.NOPROXY: "",
        pycurl.MAXAGE_CONN: KEPT,
        pycurl.MAXCONNECTS: 1,
        pycurl.MAXFILESIZE: BODY_LIMIT,
    }


def _response(transfer: Transfer, request: requests.PreparedRequest) -> requests.Response:
    if transfer.status is None:
        kind: type[requests.RequestException] = requests.ConnectionError
        if isinstance(transfer.trouble, TimeoutError):
            kind = requests.ReadTimeout if transfer.has_left else requests.ConnectTimeout
        raise kind(str(transfer.trouble), request=request) from transfer.trouble
    response = requests.Response()
    response.status_code = transfer.status
    response.headers = transfer.headers
    response.request = request
    response.url = request.url or ""
    response.raw = HTTPResponse(
        _Body(transfer), transfer.headers, transfer.status, preload_content=False, decode_content=False
    )
    return response


class _Body(BytesIO):
    """A body that ends with the trouble that cut it short, if any did."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__(transfer.body)
        self._trouble = transfer.trouble

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and self._trouble is not None:
            raise self._trouble
        return data
