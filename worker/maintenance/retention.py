"""Retention: purging the messages of mailings that have been settled for long enough, in small steps.

The mailing with its text, its history and its final counts stays; one that was removed is deleted completely. Retention
delays nothing else: one worker at a time takes a step, which locks only rows that are not used any more, and then
pauses for twenty times as long.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.idempotency import IDEMPOTENCY_TTL
from shared.domain.statuses import MessageStatus
from shared.sql import retention
from worker.database import Database
from worker.rows import fetch_all, fetch_one
from worker.time_budget import TimeBudget

log = logging.getLogger(__name__)

PURGE_LIMIT = 2000
"""Messages deleted in one transaction: some tens of milliseconds of work."""

TIME_SHARE = 0.05
"""Share of the time for steps."""

IDLE_SECONDS = 60.0
"""Seconds of pause after a step that deleted nothing, and between two steps at most."""


class PurgedMailing(NamedTuple):
    """A row of BEGIN_PURGE."""

    id: int
    hidden: bool
    """Whether a person has removed it."""


class PurgedMessage(NamedTuple):
    """A row of PURGE_MESSAGES."""

    status: str
    id: int


FROM_THE_START = PurgedMessage(MessageStatus.PENDING, 0)


class Retention:
    """Deletes old messages and idempotency keys. For one thread."""

    def __init__(self, database: Database, days: float) -> None:
        """`days` after a mailing is settled its messages are purged; 0 means never."""
        self._database = database
        self._days = days
        self._budget = TimeBudget(TIME_SHARE, IDLE_SECONDS)
        self._reached: dict[int, PurgedMessage] = {}
        """By the mailing that is being purged, the last message that was deleted."""

    def run(self) -> None:
        """Takes a step when one is due."""
        if not self._budget.is_due:
            return
        before = self._database.seconds
        removed = self._delete_idempotency_keys()
        if self._days:
            removed |= self._database.transaction(self._step)
        if removed:
            self._budget.spend(self._database.seconds - before)
        else:
            self._budget.wait(IDLE_SECONDS)

    def _delete_idempotency_keys(self) -> bool:
        def work(cursor: Cursor) -> bool:
            cursor.execute(retention.DELETE_IDEMPOTENCY_KEYS, {"kept": IDEMPOTENCY_TTL, "limit": PURGE_LIMIT})
            return cursor.rowcount > 0

        return self._database.transaction(work)

    def _step(self, cursor: Cursor) -> bool:
        cursor.execute(retention.LOCK_RETENTION)
        if cursor.fetchone() != (True,):
            return False
        cursor.execute(retention.BEGIN_PURGE, {"days": self._days})
        mailing = fetch_one(cursor, PurgedMailing)
        if mailing is None:
            return False
        if not self._purge_messages(cursor, mailing.id):
            self._end(cursor, mailing)
        return True

    def _purge_messages(self, cursor: Cursor, mailing_id: int) -> bool:
        """Returns whether there were any."""
        reached = self._reached.get(mailing_id, FROM_THE_START)
        given = {"mailing_id": mailing_id, "status": reached.status, "id": reached.id, "limit": PURGE_LIMIT}
        cursor.execute(retention.PURGE_MESSAGES, given)
        purged = fetch_all(cursor, PurgedMessage)
        # If this step is rolled back, its messages are skipped until the purge of the mailing starts again.
        self._reached = {mailing_id: purged[-1]} if purged else {}
        return bool(purged) or reached.id > 0

    def _end(self, cursor: Cursor, mailing: PurgedMailing) -> None:
        given = {"mailing_id": mailing.id}
        cursor.execute(retention.END_PURGE, given)
        if mailing.hidden:
            cursor.execute(retention.DELETE_COUNTS, given)
            cursor.execute(retention.DELETE_PURGED_MAILING, given)
        log.info("mailing.purged", extra={"mailing_id": mailing.id})
