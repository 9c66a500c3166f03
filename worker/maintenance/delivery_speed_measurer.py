"""Measuring how soon messages were delivered, ten minutes after they were sent."""

from __future__ import annotations

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import delivery_speed
from worker.database import Database
from worker.parameters import bounded
from worker.rows import fetch_all

BATCH_LIMIT = 20
"""Batches of messages measured in one transaction: some thousands of messages, and tens of milliseconds of work."""


class BatchRow(NamedTuple):
    """A row of TAKE_UNMEASURED."""

    message_ids: list[int]


class DeliverySpeedMeasurer:
    """Measures the speed of deliveries. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> bool:
        """Measures the messages of at most BATCH_LIMIT batches. Returns whether there may be more."""
        return self._database.transaction(self._measure) == BATCH_LIMIT

    def _measure(self, cursor: Cursor) -> int:
        cursor.execute(delivery_speed.TAKE_UNMEASURED, {"limit": BATCH_LIMIT})
        batches = fetch_all(cursor, BatchRow)
        if batches:
            ids = [message_id for batch in batches for message_id in batch.message_ids]
            cursor.execute(delivery_speed.MEASURE, bounded(ids))
        return len(batches)
