"""Making partitions of the ledger ahead, so that a launch never waits for one."""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import partitions
from worker.database import Database
from worker.maintenance.time_share_limiter import TimeShareLimiter
from worker.rows import fetch_all

log = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""Seconds between checks. A partition holds 10,000,000 messages: no fleet launches as many in that time."""


class Number(NamedTuple):
    """A row of FIND_MISSING."""

    number: int


class PartitionMaker:
    """Makes the partition of the next messages and the one after it. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checks = TimeShareLimiter(1.0, CHECK_SECONDS)

    def run(self) -> None:
        """Makes what is missing, when a check is due."""
        if self._checks.is_due:
            self._database.transaction(self._make)
            self._checks.wait(CHECK_SECONDS)

    def _make(self, cursor: Cursor) -> None:
        cursor.execute(partitions.FIND_MISSING)
        for missing in fetch_all(cursor, Number):
            cursor.execute(partitions.MAKE, {"number": missing.number})
            if cursor.fetchone() == (True,):
                log.info("partition.made", extra={"partition": missing.number})
