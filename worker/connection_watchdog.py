"""A watchdog over one connection to the database: cuts it off when an answer is too long in coming."""

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
    """Watches while it is entered. Has a thread of its own, until it is closed.

    To TCP, a peer that takes a question and never answers is alive: neither keepalives nor tcp_user_timeout end it, and
    libpq waits for ever. Cut off, it takes the server for gone.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        """`seconds` is how long the connection may be watched before it is cut off."""
        self._seconds = seconds
        self._until = math.inf
        # A descriptor of our own: libpq may close its own at any moment, and the number be given to another socket.
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
        """Lets the connection be."""
        self._closed.set()
        self._thread.join()
        os.close(self._socket)

    def _watch(self) -> None:
        while not self._closed.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() >= self._until:
                with socket.socket(fileno=os.dup(self._socket)) as sock, suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
