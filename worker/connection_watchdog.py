"""A watchdog for one connection to the database: shuts it down when a response takes too long."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

from psycopg2.extensions import connection as Connection  # noqa: N812


class ConnectionWatchdog:
    """A context manager that limits the time of its block. It has a separate thread until it is closed.

    To TCP, a peer that receives a statement and never responds is alive: neither keepalives nor tcp_user_timeout end
    the connection, and libpq waits without a limit. After the shutdown of the socket, libpq reports a lost connection.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        """`seconds` is how long a block may take before the connection is shut down."""
        self._seconds = seconds
        self._until = math.inf
        # A duplicate descriptor: libpq may close its own at any time, and another socket may get the number.
        self._socket = os.dup(connection.fileno())
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        self._until = time.monotonic() + self._seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._until = math.inf

    def close(self) -> None:
        """Ends the thread. The connection stays open."""
        self._closed.set()
        self._thread.join()
        os.close(self._socket)

    def _watch(self) -> None:
        while not self._closed.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() >= self._until:
                with socket.socket(fileno=os.dup(self._socket)) as sock, suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
