"""Ending the pending messages of mailings whose window has closed, or that are cancelled."""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import ReasonCode
from shared.domain.statuses import MessageStatus
from shared.sql import messages, queue
from worker.database import Database
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

END_LIMIT = 20
"""Batches whose messages are ended in one transaction: some tens of milliseconds of work. With more, a server without
statistics of `message` would read a whole partition of some 100,000 messages instead of its index."""

CANCELLED = {"end": MessageStatus.CANCELLED, "reason": ReasonCode.MAILING_CANCELLED}
EXPIRED = {"end": MessageStatus.EXPIRED, "reason": ReasonCode.WINDOW_CLOSED}


class Batch(NamedTuple):
    """A row of TAKE_ENDED."""

    cancelled: bool
    message_ids: list[int]


class MessageEnder:
    """Ends messages as expired or cancelled. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> bool:
        """Ends the messages of at most END_LIMIT batches. Returns whether there may be more."""
        taken, ended = self._database.transaction(self._end)
        if ended:
            log.info("messages.ended", extra={"messages": ended})
        return taken == END_LIMIT

    def _end(self, cursor: Cursor) -> tuple[int, int]:
        cursor.execute(queue.TAKE_ENDED, {"limit": END_LIMIT})
        batches = fetch_all(cursor, Batch)
        ended = 0
        for end in (CANCELLED, EXPIRED):
            ids = [
                message_id
                for batch in batches
                if batch.cancelled is (end is CANCELLED)
                for message_id in batch.message_ids
            ]
            if ids:
                cursor.execute(messages.END_MESSAGES, {"ids": bigints(ids), **end})
                ended += cursor.rowcount
        return len(batches), ended
