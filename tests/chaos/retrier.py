"""A program that retries in the worst moment: when nothing of a mailing waits, and workers look whether it is over."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.people import People

PAUSE = 0.01
"""Seconds between two looks."""
RETRIES = 6
"""Of one mailing at most: a run is meant to end."""

READY = """
SELECT id FROM mailing
WHERE status = 'running' AND launched_at IS NOT NULL AND settled_at IS NULL AND now() < end_datetime AND EXISTS (
    SELECT FROM message_count_delta WHERE mailing_id = mailing.id
    HAVING coalesce(sum(delta) FILTER (WHERE status IN ('pending', 'sending')), 0) = 0
        AND sum(delta) FILTER (WHERE status = 'failed') > 0)
"""


class Retrier:
    """A thread that retries what failed, from `start` to `stop`, through restarts of the database and the API."""

    def __init__(self, connect: Callable[[], Connection], people: People) -> None:
        self._connect = connect
        self._people = people
        self._stop = threading.Event()
        self._retries: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Retries nothing more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(psycopg2.Error):
                self._look_until_it_breaks()
            self._stop.wait(PAUSE)

    def _look_until_it_breaks(self) -> None:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                cursor.execute(READY)
                for (mailing_id,) in cursor.fetchall():
                    if self._retries[mailing_id] < RETRIES:
                        self._retries[mailing_id] += 1
                        self._people.ask("POST", f"/v1/mailing/{mailing_id}/retry/", {"status": "failed"}).result()
                self._stop.wait(PAUSE)
