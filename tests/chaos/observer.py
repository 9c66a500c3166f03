"""Takes snapshots of every mailing's counts during a run, to check conservation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.facts import Sample

# One statement is one snapshot. Settled mailings are included now and then: they must not change any more.
SNAPSHOT = """
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
"""Seconds between two snapshots."""
FULL_EVERY = 40
"""Snapshots, one of which includes the settled mailings."""


class Observer:
    """Takes snapshots from `start` to `stop` in a thread, through restarts of the database; keeps those that differ."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._last: dict[int, Sample] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[Sample] = []
        self.snapshots = 0
        self.open_messages = 0
        """Pending and sending ones, in the last snapshot."""

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            # The database is being restarted, or this connection was killed with the workers'.
            with contextlib.suppress(psycopg2.Error):
                self._observe_until_disconnected()
            self._stop.wait(PAUSE)

    def _observe_until_disconnected(self) -> None:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                cursor.execute(SNAPSHOT, (self.snapshots % FULL_EVERY == 0,))
                samples = [Sample(*row) for row in cursor.fetchall()]
                self.snapshots += 1
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
