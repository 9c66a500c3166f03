"""Settling and finishing the mailings all of whose messages have ended (the statements: shared/sql/mailings.py)."""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import audiences, mailings, queue
from worker.database import Database
from worker.rows import fetch_all

log = logging.getLogger(__name__)


class EndedMailing(NamedTuple):
    """A row of LOCK_ENDED_MAILINGS."""

    id: int


class SettledMailing(NamedTuple):
    """A row of SETTLE_MAILINGS."""

    id: int
    status: str
    audience: int


class MailingSettler:
    """Settles mailings. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> None:
        """Settles the mailings without open messages; those that others have locked, in the next round."""

        def work(cursor: Cursor) -> list[SettledMailing]:
            cursor.execute(mailings.LOCK_ENDED_MAILINGS)
            locked = [mailing.id for mailing in fetch_all(cursor, EndedMailing)]
            if not locked:
                return []
            cursor.execute(mailings.SETTLE_MAILINGS, {"locked": locked})
            settled = fetch_all(cursor, SettledMailing)
            ids = {"mailings": [mailing.id for mailing in settled]}
            cursor.execute(queue.DELETE_SETTLED, ids)
            cursor.execute(audiences.DELETE_SETTLED, ids)
            return settled

        for mailing in self._database.transaction(work):
            settled = {"mailing_id": mailing.id, "status": mailing.status, "audience": mailing.audience}
            log.info("mailing.settled", extra=settled)
