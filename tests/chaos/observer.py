"""Watches conservation while things happen: every mailing, again and again, each time in one snapshot."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.facts import Sample

# One statement is one snapshot. Settled mailings are looked at now and then: nothing may happen to them any more.
LOOK = """
SELECT extract(epoch FROM clock_timestamp())::float8, mailing.id, audience,
    (SELECT coalesce(jsonb_object_agg(status, messages), '{}') FROM (
        SELECT status, sum(delta)::bigint AS messages FROM message_count_delta
        WHERE mailing_id = mailing.id GROUP BY status HAVING sum(delta) <> 0) AS tallied),
    (SELECT coalesce(jsonb_object_agg(status, messages), '{}') FROM (
        SELECT status, count(*) AS messages FROM message
        WHERE mailing_id = mailing.id GROUP BY status) AS counted)
FROM mailing
WHERE launch_started_at IS NOT NULL AND (settled_at IS NULL OR settled_at > now() - interval '1 second' OR %s)
"""

PAUSE = 0.05
"""Seconds between two looks."""
EVERYTHING_EVERY = 40
"""Looks, one of which is at the settled mailings too."""


class Observer:
    """A thread that looks, from `start` to `stop`, through restarts of the database. Keeps what has changed."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._last: dict[int, Sample] = {}
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self.samples: list[Sample] = []
        self.looks = 0
        self.open_messages = 0
        """Pending and sending ones, at the last look."""

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stop.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._stop.is_set():
            # The database is being restarted, or this connection was killed with the workers'.
            with contextlib.suppress(psycopg2.Error):
                self._look_until_it_breaks()
            self._stop.wait(PAUSE)

    def _look_until_it_breaks(self) -> None:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                cursor.execute(LOOK, (self.looks % EVERYTHING_EVERY == 0,))
                samples = [Sample(*row) for row in cursor.fetchall()]
                self.looks += 1
                self.open_messages = sum(
                    sample.counted.get(status, 0) for sample in samples for status in ("pending", "sending")
                )
                for sample in samples:
                    self._keep(sample)
                self._stop.wait(PAUSE)

    def _keep(self, sample: Sample) -> None:
        last = self._last.get(sample.mailing_id)
        if last is None or last[2:] != sample[2:]:
            self._last[sample.mailing_id] = sample
            self.samples.append(sample)
