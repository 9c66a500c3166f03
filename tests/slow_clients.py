"""Clients that send or read as slowly as they like, many at once, from one thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import TracebackType

DRIP_INTERVAL = 1.0
"""Seconds between two bytes of a client that drips."""
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Kind:
    """What a client sends at once, and what it goes on with byte by byte. One that reads takes `window` bytes."""

    name: str
    begins: bytes
    drips: bytes = b""
    window: int = 0


def kinds(key: str) -> tuple[Kind, ...]:
    """The seven kinds. Two of them have the key: an upload that stalls, and a download that is not read."""
    authorized = b"Authorization: Bearer %s\r\n" % key.encode()
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\nkey="
    upload = b"Content-Type: text/csv\r\nContent-Length: 100000000\r\n\r\nphone_number,operator_code,tag,timezone\n"
    return (
        Kind("half a request line", b"GET /heal"),
        Kind("half the headers", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half"),
        Kind("headers byte by byte", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"a"),
        Kind("a form byte by byte", b"POST /login/ HTTP/1.1\r\nHost: localhost\r\n" + form, b"a"),
        Kind(
            "chunks that stop",
            b"POST /v1/client/create/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        ),
        Kind(
            "an import that stops",
            b"POST /v1/client/import/ HTTP/1.1\r\nHost: localhost\r\n%s%s%s"
            % (authorized, upload, b"79160000000,916,x,UTC\n" * 10_000),
        ),
        Kind(
            "an export that is not read",
            b"GET /v1/client/export/ HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % authorized,
            window=4096,
        ),
    )


class SlowClients:
    """`each` clients of each kind, who come again when the server closes their connection. A context manager."""

    def __init__(self, port: int, these: Sequence[Kind], each: int) -> None:
        self._port = port
        self._clients: list[tuple[Kind, socket.socket | None]] = [(kind, None) for kind in these for _ in range(each)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> SlowClients:
        self._clients = [(kind, self._connect(kind)) for kind, _ in self._clients]
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        for _, wire in self._clients:
            if wire:
                wire.close()

    def _run(self) -> None:
        while not self._stopped.wait(DRIP_INTERVAL):
            self._clients = [(kind, self._go_on(kind, wire)) for kind, wire in self._clients]

    def _go_on(self, kind: Kind, wire: socket.socket | None) -> socket.socket | None:
        if wire is None:
            return self._connect(kind)
        try:
            if kind.drips:
                wire.send(kind.drips)
            if kind.window or wire.recv(4096, socket.MSG_PEEK):
                return wire
        except BlockingIOError:
            return wire
        except OSError:
            pass
        wire.close()
        return self._connect(kind)

    def _connect(self, kind: Kind) -> socket.socket | None:
        wire = socket.socket()
        try:
            if kind.window:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kind.window)
            wire.settimeout(1.0)
            wire.connect((HOST, self._port))
            wire.setblocking(False)
            with suppress(BlockingIOError):
                wire.send(kind.begins)
        except OSError:
            wire.close()
            return None
        return wire


class Watch:
    """Asks a server for a path ten times a second, each time anew; how long each answer took. A context manager."""

    def __init__(self, port: int, path: str, timeout: float) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._port, self._path, self._timeout = port, path, timeout
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            begun = time.monotonic()
            try:
                with closing(HTTPConnection(HOST, self._port, timeout=self._timeout)) as wire:
                    wire.request("GET", self._path)
                    status = wire.getresponse().status
                if status != 200:
                    self.failures.append(str(status))
            except (OSError, HTTPException) as error:
                self.failures.append(repr(error))
            self.seconds.append(time.monotonic() - begun)
