"""Waiting for what other threads, connections and processes do, with a deadline that only a failure reaches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from psycopg2.extensions import connection as Connection  # noqa: N812

Result = TypeVar("Result")

PATIENCE = 60.0
"""Seconds. Wide: the machine may be busy."""


def eventually(true: Callable[[], object], within: float = PATIENCE) -> None:
    """Asks again and again until the answer is true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"it did not come true within {within:g} s"
        time.sleep(0.01)


def in_background(work: Callable[[], Result]) -> Future[Result]:
    """Runs `work` in a thread; ask the future for its result with a timeout."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  whatever it is, it is for whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def wait_for_lock_waiter(connection: Connection) -> int:
    """Waits until a connection to this database waits for another one's lock; tells the process that serves it."""
    found: list[int] = []

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            found.extend(pid for (pid,) in cursor.fetchall())
        return bool(found)

    eventually(is_waiting)
    return found[0]


def wait_for_new_day(connection: Connection, timezone: str = "UTC") -> None:
    """Waits, if the day in that zone is in its last half minute, until it has ended: for tests that must not run across
    midnight.
    """

    def is_early() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT (clock_timestamp() AT TIME ZONE %s)::time < '23:59:30'", (timezone,))
            return bool(cursor.fetchall()[0][0])

    eventually(is_early)
