"""A proxy to PostgreSQL that can cut a connection at the worst moment: around a COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Literal

import psycopg2
from psycopg2.extensions import make_dsn

from tests.listening import Passing, shut

COMMIT = b"COMMIT\x00"
"""The end of a simple Query message (PostgreSQL manual, 54.7)."""

Moment = Literal["before the commit", "after the commit"]


class CuttingProxy(Passing):
    """Listens on 127.0.0.1 while it is entered, and passes everything on to the server of `dsn`."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        connection = psycopg2.connect(dsn)
        self._server = connection.info.host, connection.info.port
        connection.close()
        self.dsn = make_dsn(dsn, host="127.0.0.1", port=self.port)
        self.cuts = 0
        self._moment: Moment | None = None
        self._meanwhile: Callable[[], None] = lambda: None

    def cut(self, moment: Moment, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Cuts the connection that commits next. `after the commit` is before anybody has been told of it.

        `meanwhile` happens before the client learns that it has been cut off.
        """
        self._moment = moment
        self._meanwhile = meanwhile

    def _take(self, client: socket.socket) -> None:
        server = self._connect()
        self._sockets += [client, server]
        committed = threading.Event()
        self._start(self._pass_on_questions, client, server, committed)
        self._start(self._pass_on_answers, client, server, committed)

    def _connect(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on_questions(self, client: socket.socket, server: socket.socket, committed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._moment is not None and data.endswith(COMMIT):
                    moment, self._moment = self._moment, None
                    self.cuts += 1
                    if moment == "before the commit":
                        self._meanwhile()
                        break
                    committed.set()
                server.sendall(data)
        shut(client, server)

    def _pass_on_answers(self, client: socket.socket, server: socket.socket, committed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if committed.is_set():
                    self._meanwhile()
                    break
                client.sendall(data)
        shut(client, server)
