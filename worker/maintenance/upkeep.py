"""What keeps mailings moving besides sending: launching them, closing what windows closed, settling, folding tallies,
and removing the ledgers that have been kept long enough.

Any number of workers do this at the same time; every statement leaves to the others what they hold.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from typing import NamedTuple

from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from worker.claim_cursor import ClaimCursor
from worker.database import NOT_MIGRATED, Database
from worker.maintenance.retention import Retention
from worker.time_budget import TimeBudget

log = logging.getLogger(__name__)

# Mailings whose start has come begin to run; who joins the directory after this moment is not in the audience.
START_MAILINGS = """
UPDATE mailing
SET status = 'running',
    launch_started_at = now(),
    launch_ceiling = (SELECT coalesce(max(id), 0) FROM client)
WHERE id IN (
    SELECT id FROM mailing
    WHERE status = 'scheduled' AND start_datetime <= now()
    ORDER BY start_datetime
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""

# Mailings that are being launched, the one that has got least far first: a small one never waits for a large one.
# Paused and cancelled ones too: once a mailing has started, each client in its audience has a message.
FIND_LAUNCHING = """
SELECT id FROM mailing
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND launched_at IS NULL
ORDER BY audience, id
"""

# One worker at a time launches a mailing. Not a row lock, which would keep claims waiting for the whole chunk. The
# negative side of the lock space holds nothing else but a few hashes of Idempotency-Keys, among 2**64.
HOLD_LAUNCH = "SELECT pg_try_advisory_xact_lock(-%s)"

# Where its launch stands. To be read once the launch is held: before that, another worker may be moving it.
READ_LAUNCH = """
SELECT mark, launch_cursor, launch_ceiling FROM mailing WHERE id = %s AND launched_at IS NULL
"""

# Turn the next chunk of the audience into messages. The chunk's end is found by walking the two indexes in order, so
# a chunk costs the same wherever in the audience it is. Locking the clients FOR KEY SHARE makes a removal or a change
# of phone number wait for this chunk's commit, and then find the messages. Last of all the mailing's own row: with its
# advisory lock, as everybody who changes it, or claims that share the row would never let go of it (see CLAIM). Not
# before the count of what was added, or claims would wait for the whole chunk.
LAUNCH_CHUNK = """
WITH chunk AS (
    SELECT id FROM (
        (SELECT id FROM client WHERE tag = %(mark)s AND id > %(passed)s AND id <= %(ceiling)s
         ORDER BY id LIMIT %(chunk)s)
        UNION
        (SELECT id FROM client WHERE operator_code = %(mark)s AND id > %(passed)s AND id <= %(ceiling)s
         ORDER BY id LIMIT %(chunk)s)
    ) AS matching
    ORDER BY id
    LIMIT %(chunk)s
), added AS (
    INSERT INTO message (mailing_id, client_id, phone_number, due_at)
    SELECT %(mailing_id)s, id, phone_number, now()
    FROM client
    WHERE id = ANY(ARRAY(SELECT id FROM chunk))
    ORDER BY id
    FOR KEY SHARE
    RETURNING 1
)
UPDATE mailing
SET launch_cursor = coalesce((SELECT max(id) FROM chunk), launch_cursor),
    audience = audience + (SELECT count(*) FROM added),
    launched_at = CASE WHEN (SELECT count(*) FROM chunk) < %(chunk)s THEN now() END
FROM (SELECT pg_advisory_xact_lock(%(mailing_id)s) FROM (SELECT count(*) FROM added) AS last) AS alone
WHERE id = %(mailing_id)s
RETURNING (SELECT count(*) FROM added), launched_at IS NOT NULL, audience
"""

# The same for an audience of which some have their messages already. A launch commits a chunk and how far it has got
# together, so this is needed only where somebody has set `launch_cursor` back by hand; and to be ready for it in every
# row costs a fifth of a launch.
LAUNCH_CHUNK_AGAIN = LAUNCH_CHUNK.replace(
    "FOR KEY SHARE", "FOR KEY SHARE\n    ON CONFLICT (client_id, mailing_id) DO NOTHING"
)

# End the pending messages of mailings that are cancelled or whose window has closed. One of whose attempts may have
# landed is neither cancelled nor expired: nobody knows. Each time goes on where the one before got, as claims do.
CLOSE_MESSAGES = """
WITH over AS (
    SELECT mailing.id, status = 'cancelled' AS cancelled, coalesce(due_at, '-infinity') AS reached_due_at,
        coalesce(place.id, 0) AS reached_id
    FROM mailing LEFT JOIN unnest(%(mailings)s::bigint[], %(due_ats)s::timestamptz[], %(ids)s::bigint[])
        AS place(mailing_id, due_at, id) ON mailing_id = mailing.id
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND (status = 'cancelled' OR end_datetime <= now())
    FOR SHARE OF mailing
), closing AS (
    SELECT message.id
    FROM over CROSS JOIN LATERAL (
        SELECT id
        FROM message
        WHERE mailing_id = over.id AND status = 'pending' AND (due_at, id) >= (reached_due_at, reached_id)
        ORDER BY due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS message
    LIMIT %(limit)s
)
UPDATE message
SET status = CASE WHEN in_doubt THEN 'unknown' WHEN cancelled THEN 'cancelled' ELSE 'expired' END::message_status,
    ended_at = now(),
    reason = CASE WHEN cancelled THEN 'the mailing was cancelled' ELSE 'the window closed' END
        || CASE WHEN in_doubt THEN ' after an attempt that may have landed' ELSE '' END
FROM over
WHERE message.id = ANY(ARRAY(SELECT id FROM closing)) AND over.id = message.mailing_id + 0
RETURNING mailing_id, due_at, message.id
"""

_ALL_ENDED = """NOT EXISTS (
    SELECT FROM message_tally
    WHERE mailing_id = mailing.id AND status IN ('pending', 'sending')
    HAVING sum(messages) <> 0)"""  # in the two statements below

# Mailings all of whose messages seem to have an end. The tally that is read here may be older than the lock: a retry
# may have made messages pending between this statement's snapshot and the moment when it locks the mailing. Only a
# statement that begins while the lock is held sees them all. Mailings that others have locked are left for next time.
LOCK_ENDED_MAILINGS = f"""
SELECT id
FROM mailing
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND launched_at IS NOT NULL AND {_ALL_ENDED}
FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608  put together of constants

# Those whose messages do have an end are finished (a cancelled one stays cancelled), and rest. To be executed after
# LOCK_ENDED_MAILINGS, in the same transaction: nothing makes messages pending without the lock of their mailing.
SETTLE_MAILINGS = f"""
UPDATE mailing
SET settled_at = now(),
    ended_at = coalesce(ended_at, now()),
    status = CASE status WHEN 'cancelled' THEN status ELSE 'finished' END
WHERE id = ANY(%(locked)s) AND settled_at IS NULL AND launched_at IS NOT NULL AND {_ALL_ENDED}
RETURNING id, status, audience
"""  # noqa: S608  put together of constants

# Fold the tally rows of a mailing together once they are many: sums stay, rows go. Those of a settled mailing become
# its final counts, and are added to the total, however few: what is summed up for the figures of everything, and what
# this looks at, is the rows that are not in the total. (Should its messages be retried, the changes are added later.)
FOLD_TALLIES = """
WITH counted AS (
    SELECT message_tally.id, settled_at IS NOT NULL AS settled, count(*) OVER (PARTITION BY mailing_id) AS rows
    FROM message_tally LEFT JOIN mailing ON mailing.id = mailing_id
    WHERE NOT in_total
), folded AS (
    DELETE FROM message_tally
    WHERE id = ANY(ARRAY(
        SELECT id FROM message_tally
        WHERE id = ANY(ARRAY(SELECT id FROM counted WHERE settled OR rows > %(rows)s LIMIT 10000))
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING mailing_id, status, messages
), summed AS (
    SELECT mailing_id, folded.status, sum(messages) AS messages, settled_at IS NOT NULL AS settled
    FROM folded LEFT JOIN mailing ON mailing.id = mailing_id
    GROUP BY mailing_id, folded.status, settled_at
)
INSERT INTO message_tally (mailing_id, status, messages, in_total)
SELECT mailing_id, status, messages, settled FROM summed WHERE messages <> 0
UNION ALL
SELECT NULL, status, sum(messages), false FROM summed WHERE settled GROUP BY status HAVING sum(messages) <> 0
"""

# Messages that are due later than any retry may be: they were dated before the database's clock was put back. (Those
# that are due at infinity are suspects: see CLAIM_POISON_MESSAGE.)
ADVANCE_DUE = """
UPDATE message
SET due_at = now()
WHERE id = ANY(ARRAY(
    SELECT message.id
    FROM mailing CROSS JOIN LATERAL (
        SELECT id
        FROM message
        WHERE mailing_id = mailing.id AND status = 'pending'
            AND due_at > now() + %(wait)s * interval '1 second' AND due_at < 'infinity'
        ORDER BY due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS message
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL
    LIMIT %(limit)s
))
"""

LONGEST_RETRY = 2 * 86400.0
"""Seconds until a retry at most, by the largest settings: RETRY_AFTER_MAX_SECONDS and RETRY_MAX_SECONDS after it."""

CLOCK_STEP = 60.0
"""Seconds by which the database's clock may be put back without anything said: messages wait for so long then."""

CLOSE_LIMIT = 5000
"""Messages closed in one transaction: some tens of milliseconds of work."""

FOLD_ABOVE = 100
"""Tally rows of one mailing from which folding is worth its writes."""

SETTLE_SHARE = 0.1
"""How much of the time may go into settling and folding. While a transaction somewhere still sees folded rows, both
step over every one of them, and get dearer with each message that is sent."""

BETWEEN_ROUNDS = 1.0
"""Seconds that rounds are apart anyway, while there is sending to do."""

LONGEST_PAUSE = 30.0
"""Seconds by which settling, or a look from the start for what to close, is put off at most: the default of
LEASE_SECONDS."""


class Chunk(NamedTuple):
    """What launching one chunk came to."""

    mailing_id: int
    added: int
    launched: bool
    audience: int


class Upkeep:
    """One round of it is four or five short transactions."""

    def __init__(
        self,
        database: Database,
        *,
        launch_chunk: int,
        retention_days: float = 0,
        lease_seconds: float = LONGEST_PAUSE,
        longest_retry: float = LONGEST_RETRY,
    ) -> None:
        """`retention_days`: how long the ledger of a settled mailing is kept; 0 is for ever. Nothing but retention is
        put off by more than `lease_seconds`. `longest_retry`: seconds until a retry at most.
        """
        self._database = database
        self._launch_chunk = launch_chunk
        self._longest_retry = longest_retry
        self._retention = Retention(database, retention_days)
        longest_pause = min(LONGEST_PAUSE, lease_seconds)
        self._closed = ClaimCursor(longest_pause)
        self._settling = TimeBudget(SETTLE_SHARE, longest_pause)
        self.launching = False
        """Whether a mailing was being launched when it was last looked, here or by another worker."""

    def run(self) -> bool:
        """One round. Returns whether there is more to do at once."""
        self._start_mailings()
        launching = self._launch()
        closed = self._close_messages()
        if self._settling.is_due:
            before = self._database.seconds
            self._advance_due()
            self._settle()
            self._tidy()
            self._settling.spend(self._database.seconds - before - SETTLE_SHARE * BETWEEN_ROUNDS)
        return launching or closed == CLOSE_LIMIT

    def _start_mailings(self) -> None:
        def work(cursor: Cursor) -> list[tuple[int]]:
            cursor.execute(START_MAILINGS)
            return cursor.fetchall()

        for (mailing_id,) in self._database.transaction(work):
            log.info("a mailing starts", extra={"mailing_id": mailing_id})

    def _launch(self) -> bool:
        """Launches one chunk of one mailing. Returns whether a launch is under way here."""

        def work(cursor: Cursor, statement: str = LAUNCH_CHUNK) -> Chunk | None:
            cursor.execute(FIND_LAUNCHING)
            mailings = cursor.fetchall()
            self.launching = bool(mailings)
            for (mailing_id,) in mailings:
                cursor.execute(HOLD_LAUNCH, (mailing_id,))
                if cursor.fetchone() == (True,):
                    return self._launch_chunk_of(cursor, mailing_id, statement)
            return None

        try:
            chunk = self._database.transaction(work)
        except UniqueViolation:
            log.warning("a launch comes to clients who have its message already: launch_cursor was set back")
            chunk = self._database.transaction(partial(work, statement=LAUNCH_CHUNK_AGAIN))
        if chunk is None:
            return False
        log.debug("a chunk is launched", extra={"mailing_id": chunk.mailing_id, "messages": chunk.added})
        if chunk.launched:
            log.info("a mailing is launched", extra={"mailing_id": chunk.mailing_id, "audience": chunk.audience})
        return True

    def _launch_chunk_of(self, cursor: Cursor, mailing_id: int, statement: str) -> Chunk | None:
        cursor.execute(READ_LAUNCH, (mailing_id,))
        standing = cursor.fetchone()
        if standing is None:  # another worker has just launched the last of it
            return None
        mark, passed, ceiling = standing
        cursor.execute(
            statement,
            {"mailing_id": mailing_id, "mark": mark, "passed": passed, "ceiling": ceiling, "chunk": self._launch_chunk},
        )
        return Chunk(mailing_id, *cursor.fetchall()[0])

    def _close_messages(self) -> int:
        def work(cursor: Cursor) -> list[tuple[int, datetime, int]]:
            cursor.execute(CLOSE_MESSAGES, {"limit": CLOSE_LIMIT, **self._closed.places()})
            return cursor.fetchall()

        before = self._database.seconds
        self._closed.reset_if_due()
        closed = self._database.transaction(work)
        if closed:
            log.info(
                "messages are closed: the window has ended or the mailing is cancelled", extra={"messages": len(closed)}
            )
        if len(closed) == CLOSE_LIMIT:
            places = ((mailing_id, (due_at, message_id)) for mailing_id, due_at, message_id in closed)
            self._closed.extend(places, self._database.seconds - before)
        else:
            self._closed.forget()
        return len(closed)

    def _advance_due(self) -> None:
        def work(cursor: Cursor) -> int:
            cursor.execute(ADVANCE_DUE, {"wait": self._longest_retry + CLOCK_STEP, "limit": CLOSE_LIMIT})
            return cursor.rowcount

        if advanced := self._database.transaction(work):
            log.warning(
                "messages are due later than any retry: the database's clock was put back, and they are due now",
                extra={"messages": advanced},
            )

    def _settle(self) -> None:
        def settle(cursor: Cursor) -> list[tuple[int, str, int]]:
            cursor.execute(LOCK_ENDED_MAILINGS)
            locked = [mailing_id for (mailing_id,) in cursor.fetchall()]
            if not locked:
                return []
            cursor.execute(SETTLE_MAILINGS, {"locked": locked})
            return cursor.fetchall()

        settled = self._database.transaction(settle)
        for mailing_id, status, audience in settled:
            log.info("a mailing ends", extra={"mailing_id": mailing_id, "status": status, "audience": audience})

    def _tidy(self) -> None:
        """Folds and removes what has had its time. A database that is about to be migrated can wait for that."""
        try:
            self._database.transaction(lambda cursor: cursor.execute(FOLD_TALLIES, {"rows": FOLD_ABOVE}))
            self._retention.run()
        except NOT_MIGRATED:
            log.warning("the database is not migrated to this version yet: nothing is folded or removed")
