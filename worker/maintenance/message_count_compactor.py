"""Compaction of the counts of messages, which are sums of many rows."""

from __future__ import annotations

from shared.sql import counts
from worker.database import Database

COMPACT_ABOVE = 100
"""Rows of one mailing from which on compaction is worth its writes."""


class MessageCountCompactor:
    """Compacts counts. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> None:
        """Compacts the counts of mailings that have many rows, or are settled."""
        self._database.transaction(lambda cursor: cursor.execute(counts.COMPACT_COUNTS, {"rows": COMPACT_ABOVE}))
