"""A way to PostgreSQL that can turn into a black hole: what goes in is not answered, and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import threading

import psycopg2

from tests.listening import Passing, shut

# Neither is in Python's socket module. A socket with IP_MINTTL drops what comes with a smaller time to live before TCP
# sees it (ip(7)), so it is not acknowledged, as if the cable had been cut. The default time to live is 64. Unlike a
# socket filter, which a TCP socket takes only from CAP_NET_ADMIN on Linux 6.18, it needs no privilege.
IP_MINTTL = 21
EVERY_TIME_TO_LIVE, NO_TIME_TO_LIVE = 0, 255


class BlackHole(Passing):
    """Listens on 127.0.0.1 while it is entered, and passes everything on to the server of a URL, until told not to."""

    def __init__(self, url: str) -> None:
        super().__init__()
        with contextlib.closing(psycopg2.connect(url)) as connection:
            self._server = connection.info.host, connection.info.port
            user, database = connection.info.user, connection.info.dbname
        self.url = f"postgresql://{user}@127.0.0.1:{self.port}/{database}"
        self._open = threading.Event()
        self._clients: list[socket.socket] = []

    def lose(self) -> None:
        """From now on nothing that is sent here arrives, and nothing leaves."""
        self._open.set()
        self._hear(NO_TIME_TO_LIVE)

    def swallow(self) -> None:
        """From now on everything is taken, acknowledged, and not passed on."""
        self._open.set()

    def heal(self) -> None:
        """Everything gets through again, but what was on its way is lost and its connections with it."""
        self._open.clear()
        self._hear(EVERY_TIME_TO_LIVE)
        shut(*self._sockets)

    def _let_go(self) -> None:
        self.heal()

    def _hear(self, minimum: int) -> None:
        for sock in (self._listener, *self._clients):
            sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, minimum)

    def _take(self, client: socket.socket) -> None:
        host, port = self._server
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(f"{host}/.s.PGSQL.{port}")
        else:
            server = socket.create_connection(self._server)
        self._clients.append(client)
        self._sockets += [client, server]
        self._start(self._pass_on, client, server)
        self._start(self._pass_on, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._open.is_set():
                    sink.sendall(data)
        shut(source, sink)
