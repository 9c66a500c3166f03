"""Removing the ledgers of mailings that have been settled for long enough, in small steps beside the sending.

What remains of such a mailing is itself: its text, its journal, its final counts. One that was removed goes altogether.
It is in nobody's way: one worker at a time takes a step, which holds only rows that nobody else wants any more, and
then rests for twenty times as long.
"""

from __future__ import annotations

import logging

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared import locks
from shared.domain.idempotency import IDEMPOTENCY_TTL
from worker.database import Database
from worker.time_budget import TimeBudget

log = logging.getLogger(__name__)

HOLD_RETENTION = "SELECT pg_try_advisory_xact_lock({}, {})".format(*locks.RETENTION)

# The mailing that is next. Its row is held for the step, so that a retry, which would make its messages pending again,
# comes before the first step or is refused. Closed it stays, and the tally no longer follows what is deleted.
CLOSE_LEDGER = """
UPDATE mailing
SET ledger_closed_at = coalesce(ledger_closed_at, now())
WHERE id = (
    SELECT id FROM mailing
    WHERE settled_at < now() - %s * interval '1 day' AND ledger_removed_at IS NULL
      -- Its counts must be final before its messages go.
      AND NOT EXISTS (SELECT FROM message_tally WHERE mailing_id = mailing.id AND NOT in_total)
    ORDER BY settled_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, removed_at IS NOT NULL
"""

# The ids go through an array, as in CLAIM: the planner would read all attempts for what it takes for many messages.
# What has been deleted before is stepped over by beginning where the step before ended: its index entries may stay.
REMOVE_MESSAGES = """
WITH step AS (
    SELECT id, status FROM message
    WHERE mailing_id = %(mailing_id)s AND status <> 'sending' AND (status, id) > (%(status)s, %(id)s)
    ORDER BY status, id
    LIMIT %(limit)s
), gone AS (
    DELETE FROM message WHERE id = ANY(ARRAY(SELECT id FROM step))
), attempts AS (
    DELETE FROM attempt WHERE message_id = ANY(ARRAY(SELECT id FROM step))
)
SELECT status, id FROM step ORDER BY status, id
"""

END_LEDGER = "UPDATE mailing SET ledger_removed_at = now() WHERE id = %s"

REMOVE_TALLY = "DELETE FROM message_tally WHERE mailing_id = %s"
REMOVE_MAILING = "DELETE FROM mailing WHERE id = %s"

# Expired responses to requests with an Idempotency-Key. The API removes some with each new one.
REMOVE_ANSWERS = """
DELETE FROM kept_answer
WHERE key IN (
    SELECT key FROM kept_answer WHERE created_at <= now() - %s
    ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
)
"""

STEP = 2000
"""Messages removed in one transaction: some tens of milliseconds of work."""

SHARE = 0.05
"""How much of the time may go into steps."""

REST_SECONDS = 60.0
"""After a look that has found nothing to remove; and the longest pause between two steps."""

FROM_THE_START = ("pending", 0)


class Retention:
    """One worker's part in it. For one thread."""

    def __init__(self, database: Database, days: float) -> None:
        """`days` after a mailing is settled its ledger is removed; 0 is never."""
        self._database = database
        self._days = days
        self._budget = TimeBudget(SHARE, REST_SECONDS)
        self._reached: dict[int, tuple[str, int]] = {}
        """Of the mailing whose messages are being removed: the last one that was."""

    def run(self) -> None:
        """Takes a step when it is time for one."""
        if not self._budget.is_due:
            return
        before = self._database.seconds
        removed = self._remove_answers()
        if self._days:
            removed |= self._database.transaction(self._step)
        if removed:
            self._budget.spend(self._database.seconds - before)
        else:
            self._budget.wait(REST_SECONDS)

    def _remove_answers(self) -> bool:
        def work(cursor: Cursor) -> bool:
            cursor.execute(REMOVE_ANSWERS, (IDEMPOTENCY_TTL, STEP))
            return cursor.rowcount > 0

        return self._database.transaction(work)

    def _step(self, cursor: Cursor) -> bool:
        cursor.execute(HOLD_RETENTION)
        if cursor.fetchone() != (True,):
            return False
        cursor.execute(CLOSE_LEDGER, (self._days,))
        found = cursor.fetchone()
        if found is None:
            return False
        mailing_id, hidden = found
        if not self._remove_messages(cursor, mailing_id):
            self._end(cursor, mailing_id, hidden=hidden)
        return True

    def _remove_messages(self, cursor: Cursor, mailing_id: int) -> bool:
        """Returns whether there were any."""
        status, message_id = self._reached.get(mailing_id, FROM_THE_START)
        given = {"mailing_id": mailing_id, "status": status, "id": message_id, "limit": STEP}
        cursor.execute(REMOVE_MESSAGES, given)
        removed = cursor.fetchall()
        # Should this step be undone, it is only skipped until the mailing is looked at once more from the start.
        self._reached = {mailing_id: removed[-1]} if removed else {}
        return bool(removed) or message_id > 0

    def _end(self, cursor: Cursor, mailing_id: int, *, hidden: bool) -> None:
        cursor.execute(END_LEDGER, (mailing_id,))
        if hidden:
            cursor.execute(REMOVE_TALLY, (mailing_id,))
            cursor.execute(REMOVE_MAILING, (mailing_id,))
        log.info("a ledger is removed: it was kept for RETENTION_DAYS", extra={"mailing_id": mailing_id})
