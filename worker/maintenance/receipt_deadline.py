"""Ending the wait for receipts that do not come: those messages become `no_receipt`, which is not a failure.

(The statements: shared/sql/receipts.py.)
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import receipts
from worker.database import Database
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

BATCH_LIMIT = 10
"""Batches of awaiting messages ended in one transaction: some tens of milliseconds of work."""


class Batch(NamedTuple):
    """A row of TAKE_OVERDUE."""

    message_ids: list[int]


class ReceiptDeadline:
    """Ends the wait for overdue receipts. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> bool:
        """Ends the wait of at most BATCH_LIMIT batches. Returns whether there may be more."""
        taken, ended = self._database.transaction(self._end)
        if ended:
            log.info("receipts.overdue", extra={"messages": ended})
        return taken == BATCH_LIMIT

    def _end(self, cursor: Cursor) -> tuple[int, int]:
        cursor.execute(receipts.TAKE_OVERDUE, {"limit": BATCH_LIMIT})
        ids = [message_id for batch in fetch_all(cursor, Batch) for message_id in batch.message_ids]
        if not ids:
            return 0, 0
        taken = cursor.rowcount
        cursor.execute(receipts.END_WAIT, {"ids": bigints(ids)})
        return taken, cursor.rowcount
