"""Repair after a step of the database's clock: messages that are due later than any retry can be are made due now."""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import messages, queue
from worker.database import Database
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

CLOCK_STEP = 60.0
"""Seconds by which the database's clock may be set back without a correction: messages then wait for so long."""

ADVANCE_LIMIT = 25
"""Batches made due in one transaction: some tens of milliseconds of work."""


class Batch(NamedTuple):
    """A row of TAKE_DUE_TOO_LATE."""

    message_ids: list[int]


class ClockStepRescheduler:
    """Advances due times. For one thread."""

    def __init__(self, database: Database, longest_retry: float) -> None:
        """`longest_retry`: seconds until a retry at most."""
        self._database = database
        self._wait = longest_retry + CLOCK_STEP

    def run(self) -> None:
        """Makes at most the messages of ADVANCE_LIMIT batches due."""

        def work(cursor: Cursor) -> int:
            cursor.execute(queue.TAKE_DUE_TOO_LATE, {"wait": self._wait, "limit": ADVANCE_LIMIT})
            ids = [message_id for row in fetch_all(cursor, Batch) for message_id in row.message_ids]
            if not ids:
                return 0
            cursor.execute(messages.ADVANCE_DUE, {"ids": bigints(ids)})
            return cursor.rowcount

        if advanced := self._database.transaction(work):
            log.warning("messages.due_advanced", extra={"messages": advanced})
