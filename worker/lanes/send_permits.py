"""Permits: until when requests of a mailing may leave, by the last state of the mailing that was read.

A claim reads the state of the mailing. Later changes (a pause, a cancellation, an earlier end) must apply to claimed
messages whose requests have not left. So the state that was read is valid for VALID_SECONDS. While a worker has
messages in flight it reads the state again before that; if it cannot, no requests leave.
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
"""Seconds between two refreshes: one may be late or slow without delaying requests."""

# Running mailings, with the seconds until their windows close.
READ_RUNNING = """
SELECT id, extract(epoch FROM end_datetime - now())::float8 FROM mailing WHERE id = ANY(%s) AND status = 'running'
"""


class Permit:
    """Until when requests of one mailing may leave. Written by the loop's thread, read by senders."""

    __slots__ = ("__weakref__", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        """Monotonic time."""


ALWAYS = Permit(math.inf)


class Permits:
    """The permits of the mailings that this worker has claimed messages of, for as long as it has them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._permits: WeakValueDictionary[int, Permit] = WeakValueDictionary()
        self._refreshed_at = 0.0

    def grant(self, closing: Mapping[int, float], read_at: float) -> dict[int, Permit]:
        """Permits for running mailings.

        `closing` has the monotonic times at which their windows close. `read_at` is the monotonic time until which the
        claim had locked them against changes.
        """
        permits = {}
        for mailing_id, closes_at in closing.items():
            permits[mailing_id] = permit = self._permits.get(mailing_id) or Permit(0.0)
            permit.until = min(closes_at, read_at + VALID_SECONDS)
            self._permits[mailing_id] = permit
        return permits

    def seconds_until_refresh(self) -> float:
        """Seconds until the next refresh is due; infinite while there are no claimed messages."""
        return max(0.0, self._refreshed_at + REFRESH_SECONDS - time.monotonic()) if self._permits else math.inf

    def refresh(self) -> bool:
        """Reads the mailings when a refresh is due. Returns whether any of them does not run, or has no time left.

        The permit of a mailing that does not run has expired, and so have all permits while the database is
        unavailable.
        """
        if self.seconds_until_refresh() > 0.0:
            return False
        permits = dict(self._permits)
        tried_at: list[float] = []  # once for each try of the transaction

        def work(cursor: Cursor) -> dict[int, float]:
            tried_at.append(time.monotonic())
            cursor.execute(READ_RUNNING, (list(permits),))
            return dict(cursor.fetchall())

        left = self._database.transaction(work)
        self._refreshed_at = tried_at[-1]
        for mailing_id, permit in permits.items():
            permit.until = self._refreshed_at + min(VALID_SECONDS, left.get(mailing_id, -math.inf))
        return any(left.get(mailing_id, 0.0) <= 0.0 for mailing_id in permits)
