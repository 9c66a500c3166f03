"""Until when requests of a mailing may leave: for as long as the database has lately said that the mailing runs.

A claim knows the mailing as it was when it was claimed. What changes afterwards (a pause, a cancellation, an earlier
end) must reach the messages that are claimed and whose requests have not left. So what the database says of a mailing
holds for VALID_SECONDS. While a worker has messages in flight it asks again before that; if it cannot, nothing leaves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from weakref import WeakValueDictionary

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from worker.database import Database

VALID_SECONDS = 1.0
"""How long a request may still leave after a pause, a cancellation or an earlier end has been acknowledged."""

REFRESH_SECONDS = 0.4
"""Between two looks: one may be late, or slow, before anything is held up."""

# Mailings that run, with the seconds until their windows close.
READ_RUNNING = """
SELECT id, extract(epoch FROM end_datetime - now())::float8 FROM mailing WHERE id = ANY(%s) AND status = 'running'
"""


class Permit:
    """Until when requests of one mailing may leave. The loop's thread writes it, and senders read it."""

    __slots__ = ("__weakref__", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        """By the monotonic clock."""


ALWAYS = Permit(math.inf)


class Permits:
    """The permits of the mailings that this worker has claimed messages of: each lives as long as those do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._permits: WeakValueDictionary[int, Permit] = WeakValueDictionary()
        self._refreshed_at = 0.0

    def grant(self, closing: Mapping[int, float], read_at: float) -> dict[int, Permit]:
        """Permits for mailings that run, with the monotonic time at which their windows close. They were seen when
        nobody could have changed them since `read_at`, a monotonic time too.
        """
        permits = {}
        for mailing_id, closes_at in closing.items():
            permits[mailing_id] = permit = self._permits.get(mailing_id) or Permit(0.0)
            permit.until = min(closes_at, read_at + VALID_SECONDS)
            self._permits[mailing_id] = permit
        return permits

    def seconds_until_refresh(self) -> float:
        """How long the next look may wait; it is of use only while there are claimed messages."""
        return max(0.0, self._refreshed_at + REFRESH_SECONDS - time.monotonic()) if self._permits else math.inf

    def refresh(self) -> bool:
        """Asks about the mailings, when it is time to. Returns whether any of them does not run, or has no time left.

        A mailing that does not run has a permit that is over. So have all of them while the database is away.
        """
        if self.seconds_until_refresh() > 0.0:
            return False
        permits = dict(self._permits)
        asked: list[float] = []  # once for each time that the database had to be asked

        def work(cursor: Cursor) -> dict[int, float]:
            asked.append(time.monotonic())
            cursor.execute(READ_RUNNING, (list(permits),))
            return dict(cursor.fetchall())

        left = self._database.transaction(work)
        self._refreshed_at = asked[-1]
        for mailing_id, permit in permits.items():
            permit.until = self._refreshed_at + min(VALID_SECONDS, left.get(mailing_id, -math.inf))
        return any(left.get(mailing_id, 0.0) <= 0.0 for mailing_id in permits)
