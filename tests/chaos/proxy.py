"""The way from one worker to PostgreSQL, which can be cut, and can turn into a black hole."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Literal
from urllib.parse import parse_qs, urlsplit

COMMIT = b"COMMIT\x00"
"""The end of a simple Query message (PostgreSQL manual, 54.7)."""

Side = Literal["questions", "answers"]
Moment = Literal["before the commit", "after the commit"]


class Proxy:
    """Listens on 127.0.0.1 and passes everything on to the UNIX socket of `url`. Its threads end with the process."""

    def __init__(self, url: str) -> None:
        folder = parse_qs(urlsplit(url).query)["host"][0]
        self._server = f"{folder}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}/postgres"
        self._swallowed: Side | None = None
        self._cut_at: Moment | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        _start(self._accept)

    def cut(self) -> None:
        """Cuts every connection, once."""
        with self._lock:
            cut, self._sockets = self._sockets, set()
        _shut(*cut)

    def cut_at(self, moment: Moment) -> None:
        """Cuts the connection that commits next. `after the commit` is before anybody has been told of it."""
        self._cut_at = moment

    def swallow(self, side: Side) -> None:
        """From now on what is asked, or what is answered, disappears, and nobody is told."""
        self._swallowed = side

    def mend(self) -> None:
        """Passes everything on again; connections that have lost something are cut."""
        self._cut_at = None
        if self._swallowed:
            self._swallowed = None
            self.cut()

    def close(self) -> None:
        """Cuts everything and listens no more."""
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(self._server)
        except OSError:  # the server is down
            client.close()
            server.close()
            return
        with self._lock:
            self._sockets |= {client, server}
        committed = threading.Event()
        _start(self._pass_on, client, server, "questions", committed)
        _start(self._pass_on, server, client, "answers", committed)

    def _pass_on(self, source: socket.socket, sink: socket.socket, side: Side, committed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._swallowed == side:
                    continue
                if side == "answers" and committed.is_set():
                    break
                if side == "questions" and data.endswith(COMMIT) and self._cut_at:
                    moment, self._cut_at = self._cut_at, None
                    if moment == "before the commit":
                        break
                    committed.set()
                sink.sendall(data)
        _shut(source, sink)
        with self._lock:
            self._sockets -= {source, sink}
        source.close()


def _start(target: object, *args: object) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()  # type: ignore[arg-type]


def _shut(*sockets: socket.socket) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
