"""Deletes what caps have counted of numbers whose messages have fallen out of every period of a cap."""

from __future__ import annotations

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import caps
from worker.database import Database
from worker.maintenance.time_share_limiter import TimeShareLimiter
from worker.rows import fetch_one

READ_LIMIT = 5000
"""Rows read in one transaction, and deleted if nothing counts in them."""

PASS_SECONDS = 3600.0
"""Seconds between passes over the table. The shortest period is an hour."""


class PartRow(NamedTuple):
    """The row of DELETE_UNUSED."""

    rows: int
    last: int | None


class CapUsageRetention:
    """Passes over `number_usage` in parts. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = 0
        self._checks = TimeShareLimiter(0.1, PASS_SECONDS)

    def run(self) -> None:
        """Does the next part when it is due. The whole table is done once in PASS_SECONDS."""
        if not self._checks.is_due:
            return
        before = self._database.seconds
        part = self._database.transaction(self._delete)
        if part is None or part.rows < READ_LIMIT:
            self._after = 0
            self._checks.wait(PASS_SECONDS)
        else:
            self._after = part.last or 0
            self._checks.spend(self._database.seconds - before)

    def _delete(self, cursor: Cursor) -> PartRow | None:
        cursor.execute(caps.DELETE_UNUSED, {"after": self._after, "limit": READ_LIMIT})
        return fetch_one(cursor, PartRow)
