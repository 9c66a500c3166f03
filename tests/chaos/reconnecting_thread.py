"""A thread with a connection to the database that outlives restarts of the database."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812


class ReconnectingThread(ABC):
    """Calls `step` again and again from `start` to `stop`; connects again after an error of the database."""

    def __init__(self, connect: Callable[[], Connection], pause: float) -> None:
        """`pause` is in seconds, between two steps and before the next attempt to connect."""
        self._connect = connect
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def step(self, cursor: Cursor) -> None:
        """What is done again and again."""

    def _run(self) -> None:
        while not self._stop.is_set():
            # The database is being restarted, or this connection was killed with the workers'.
            with contextlib.suppress(psycopg2.Error):
                self._step_until_disconnected()
            self._stop.wait(self._pause)

    def _step_until_disconnected(self) -> None:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                self.step(cursor)
                self._stop.wait(self._pause)
