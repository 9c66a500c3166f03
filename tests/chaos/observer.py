"""Takes snapshots of every mailing's counts during a run, to check conservation."""

from __future__ import annotations

from collections.abc import Callable

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tests.chaos.facts import Sample
from tests.chaos.reconnecting_thread import ReconnectingThread

# One statement is one snapshot. Settled mailings are included now and then: they must not change any more.
SNAPSHOT = """
SELECT extract(epoch FROM clock_timestamp())::float8, mailing.id, audience,
    (SELECT coalesce(jsonb_object_agg(status, messages), '{}') FROM (
        SELECT status, sum(delta)::bigint AS messages FROM message_count_delta
        WHERE mailing_id = mailing.id GROUP BY status HAVING sum(delta) <> 0) AS tallied),
    (SELECT coalesce(jsonb_object_agg(status, messages), '{}') FROM (
        SELECT status, count(*) AS messages FROM message
        WHERE mailing_id = mailing.id GROUP BY status) AS counted),
    (SELECT coalesce(jsonb_object_agg(delivery, messages), '{}') FROM (
        SELECT coalesce(delivery, 'no_receipt') AS delivery, sum(delta)::bigint AS messages FROM message_count_delta
        WHERE mailing_id = mailing.id AND status = 'sent' GROUP BY 1 HAVING sum(delta) <> 0) AS tallied),
    (SELECT coalesce(jsonb_object_agg(delivery, messages), '{}') FROM (
        SELECT coalesce(delivery, 'no_receipt') AS delivery, count(*) AS messages FROM message
        WHERE mailing_id = mailing.id AND status = 'sent' GROUP BY 1) AS counted)
FROM mailing
WHERE launch_started_at IS NOT NULL AND (settled_at IS NULL OR settled_at > now() - interval '1 second' OR %s)
"""

PAUSE = 0.05
"""Seconds between two snapshots."""
FULL_EVERY = 40
"""Snapshots, one of which includes the settled mailings."""


class Observer(ReconnectingThread):
    """Takes snapshots from `start` to `stop` in a thread, through restarts of the database; keeps those that differ."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__(connect, PAUSE)
        self._last: dict[int, Sample] = {}
        self.samples: list[Sample] = []
        self.snapshots = 0
        self.open_messages = 0
        """Pending and sending ones, in the last snapshot."""

    def step(self, cursor: Cursor) -> None:
        """Takes one snapshot."""
        cursor.execute(SNAPSHOT, (self.snapshots % FULL_EVERY == 0,))
        samples = [Sample(*row) for row in cursor.fetchall()]
        self.snapshots += 1
        self.open_messages = sum(
            sample.counted.get(status, 0) for sample in samples for status in ("pending", "sending")
        )
        for sample in samples:
            self._keep(sample)

    def _keep(self, sample: Sample) -> None:
        last = self._last.get(sample.mailing_id)
        if last is None or last[2:] != sample[2:]:
            self._last[sample.mailing_id] = sample
            self.samples.append(sample)
