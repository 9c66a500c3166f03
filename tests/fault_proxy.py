"""A proxy between a program and PostgreSQL that injects network faults, and the listener that it is built on."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg2

HOST = "127.0.0.1"

COMMIT = b"COMMIT\x00"
"""The end of a simple Query message (PostgreSQL manual, 54.7)."""

# Neither is in Python's socket module. A socket with IP_MINTTL drops what comes with a smaller time to live before TCP
# sees it (ip(7)), so it is not acknowledged, as if the cable had been cut. The default time to live is 64. Unlike a
# socket filter, which a TCP socket takes only from CAP_NET_ADMIN on Linux 6.18, it needs no privilege.
IP_MINTTL = 21
EVERY_TIME_TO_LIVE, NO_TIME_TO_LIVE = 0, 255

CommitMoment = Literal["before the commit", "after the commit"]
Direction = Literal["requests", "responses"]
BOTH: tuple[Direction, ...] = ("requests", "responses")


class Listener(ABC):
    """Accepts connections on 127.0.0.1 while it is entered. Its threads end with it."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: set[threading.Thread] = set()

    @abstractmethod
    def _connected(self, client: socket.socket) -> None:
        """Serves a connection, in threads that `_start` starts."""

    @abstractmethod
    def _close_connections(self) -> None:
        """Shuts down what the threads wait for."""

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shut_down(self._listener)  # wakes accept, which a close would not
        self._close_connections()
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads.add(thread)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connected(client)


class FaultProxy(Listener):
    """Passes every connection on to the PostgreSQL server of a URL, until it is told otherwise.

    `url` is the URL by which the same database is reached through the proxy.
    """

    def __init__(self, url: str) -> None:
        """The server of `url` must run now; it may restart later."""
        super().__init__()
        with contextlib.closing(psycopg2.connect(url)) as connection:
            info = connection.info
            self._server = info.host, info.port
            password = f":{quote(info.password, safe='')}" if info.password else ""
            self.url = f"postgresql://{quote(info.user, safe='')}{password}@{HOST}:{self.port}/{quote(info.dbname)}"
        self.cuts = 0
        """Connections that have been cut at a commit."""
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._servers: set[socket.socket] = set()
        self._commit_moment: CommitMoment | None = None
        self._meanwhile: Callable[[], None] = lambda: None
        self._swallowed: tuple[Direction, ...] = ()
        self._drops_packets = False

    def cut(self) -> None:
        """Cuts every connection, once."""
        with self._lock:
            open_now = self._clients | self._servers
        shut_down(*open_now)

    def cut_at_commit(self, moment: CommitMoment, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Cuts the connection that commits next. `after the commit` is before the client is told of it.

        `meanwhile` is called before the client learns that it has been cut off.
        """
        self._meanwhile = meanwhile
        self._commit_moment = moment

    def drop_data(self, *directions: Direction) -> None:
        """From now on what is sent in these directions, or in both, is acknowledged and not passed on."""
        self._swallowed = directions or BOTH

    def drop_packets(self) -> None:
        """From now on no packet of a client arrives or is acknowledged, and nothing leaves."""
        self._swallowed = BOTH
        self._drops_packets = True
        self._set_minimum_time_to_live(NO_TIME_TO_LIVE)

    def restore(self) -> None:
        """Passes everything on again. Connections that have lost something are cut."""
        self._commit_moment = None
        if self._drops_packets:
            self._drops_packets = False
            self._set_minimum_time_to_live(EVERY_TIME_TO_LIVE)
        if self._swallowed:
            self._swallowed = ()
            self.cut()

    def _close_connections(self) -> None:
        self.restore()
        self.cut()

    def _set_minimum_time_to_live(self, minimum: int) -> None:
        with self._lock:  # sockets are closed only after they have been taken out of the set
            for sock in (self._listener, *self._clients):
                with contextlib.suppress(OSError):  # shut down
                    sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, minimum)

    def _connected(self, client: socket.socket) -> None:
        try:
            server = self._connect_to_server()
        except OSError:  # the server is down
            client.close()
            return
        with self._lock:
            self._clients.add(client)
            self._servers.add(server)
        committed = threading.Event()
        self._start(self._pass_on, client, server, "requests", committed)
        self._start(self._pass_on, server, client, "responses", committed)

    def _connect_to_server(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            server.close()
            raise
        return server

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, direction: Direction, committed: threading.Event
    ) -> None:
        """`committed` is set once the server has been asked for a commit of which the client is not to hear."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if direction in self._swallowed:
                    continue
                if direction == "responses" and committed.is_set():
                    self._meanwhile()
                    break
                if direction == "requests" and data.endswith(COMMIT) and self._commit_moment:
                    moment, self._commit_moment = self._commit_moment, None
                    self.cuts += 1
                    if moment == "before the commit":
                        self._meanwhile()
                        break
                    committed.set()
                sink.sendall(data)
        shut_down(source, sink)
        with self._lock:
            self._clients.discard(source)
            self._servers.discard(source)
        source.close()


def shut_down(*sockets: socket.socket) -> None:
    """Ends both directions of connections: whoever waits on them is woken."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
