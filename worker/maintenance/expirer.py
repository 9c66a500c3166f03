"""Ending the pending messages of mailings whose window has closed, or that are cancelled."""

from __future__ import annotations

import logging

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import messages
from worker.claim_cursor import ClaimCursor, Position
from worker.database import Database
from worker.rows import fetch_all

log = logging.getLogger(__name__)

EXPIRE_LIMIT = 5000
"""Messages ended in one transaction: some tens of milliseconds of work."""


class Expirer:
    """Expires and cancels messages. For one thread."""

    def __init__(self, database: Database, max_pause: float) -> None:
        """A rescan is delayed by at most `max_pause` seconds."""
        self._database = database
        self._cursor = ClaimCursor(max_pause)

    def run(self) -> bool:
        """Ends at most EXPIRE_LIMIT messages. Returns whether there may be more."""

        def work(cursor: Cursor) -> list[Position]:
            cursor.execute(messages.EXPIRE_MESSAGES, {"limit": EXPIRE_LIMIT, **self._cursor.positions()})
            return fetch_all(cursor, Position)

        before = self._database.seconds
        self._cursor.reset_if_due()
        ended = self._database.transaction(work)
        if ended:
            log.info("messages.expired", extra={"messages": len(ended)})
        more = len(ended) == EXPIRE_LIMIT
        if more:
            self._cursor.extend(ended, self._database.seconds - before)
        else:
            self._cursor.reset()
        return more
