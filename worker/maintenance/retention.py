"""Retention: dropping the partitions of the ledger all of whose mailings have been settled for long enough, and
deleting inbound messages that are as old.

A mailing with its text, its history and its final counts stays; one that was removed is deleted completely. Dropping
needs an exclusive lock on the ledger, for the same fraction of a second whether a partition has one message or ten
million; if it does not get the lock in time, it tries again a minute later. PostgreSQL deletes the files after it
has released the lock, but before it acknowledges the commit, which takes seconds for gigabytes. That is why retention
has a thread of its own (long_duty_thread.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.idempotency import IDEMPOTENCY_TTL
from shared.sql import delivery_speed, inbound, partitions, receipts, retention, spending
from worker.database import Database
from worker.maintenance.time_share_limiter import TimeShareLimiter
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

DELETE_LIMIT = 2000
"""Idempotency keys, measurements, orphans or inbound messages deleted in one transaction."""

CHECK_SECONDS = 60.0
"""Seconds between checks."""

SHARE = 0.1
"""Share of the time for retention while there is more to delete; the next check is never delayed by more than
CHECK_SECONDS."""

DROP_LIMIT = 5
"""Partitions dropped in one transaction: fifty million messages. Each one holds the lock for some 0.05 seconds."""

MAILINGS_LIMIT = 2000
"""Mailings with messages in partitions that are dropped together: each is marked while the lock is held, which takes
some 0.1 milliseconds. A partition with more of them is dropped alone."""

FILES_SECONDS = 600.0
"""Seconds that PostgreSQL may take to delete the files of so many partitions."""

PARTITIONS_KEPT = 12
"""Partitions that a retention time is divided into: messages are kept for a twelfth of it longer at most, or a day."""


class Partition(NamedTuple):
    """A row of FIND_COMPLETE."""

    number: int
    first_message_id: int
    end_message_id: int


class MailingId(NamedTuple):
    """A row of FIND_MAILINGS and LOCK_OLD_MAILINGS."""

    id: int


class PurgedMailing(NamedTuple):
    """A row of MARK_PURGED."""

    id: int
    purged: bool
    hidden: bool
    """Whether a person has removed it."""


class Dropped(NamedTuple):
    """What one transaction has dropped."""

    partitions: list[int]
    """Their numbers."""
    mailings: list[PurgedMailing]
    """Those that had messages in them."""
    busy: bool
    """Whether other transactions use the ledger, so that a partition could not be dropped."""


class Retention:
    """Drops old partitions, and deletes other old rows. For one thread."""

    def __init__(self, database: Database, days: float) -> None:
        """`days` after a mailing is settled its messages may be dropped; 0 means never."""
        self._database = database
        self._days = days
        self._checks = TimeShareLimiter(SHARE, CHECK_SECONDS)
        self._drops = TimeShareLimiter(1.0, CHECK_SECONDS)

    def run(self) -> None:
        """Makes a check when one is due. After one that has deleted something, the next is due soon; but partitions are
        looked for again only after CHECK_SECONDS, unless some were dropped: claims wait for an attempt to drop one.
        """
        if not self._checks.is_due:
            return
        before = self._database.seconds
        found = self._delete(retention.DELETE_IDEMPOTENCY_KEYS, kept=IDEMPOTENCY_TTL)
        found |= self._delete(delivery_speed.DELETE_OLD)
        found |= self._delete(spending.DELETE_OLD_DAYS)
        if self._days:
            found |= self._delete(receipts.DELETE_ORPHANS, days=self._days)
            found |= self._delete(inbound.DELETE_OLD, days=self._days)
            if self._drops.is_due:
                self._database.transaction(self._begin_next)
                found |= self._drop_old()
        if found:
            self._checks.spend(self._database.seconds - before)
        else:
            self._checks.wait(CHECK_SECONDS)

    def close(self) -> None:
        """Closes the connection, if there is one."""
        self._database.close()

    def _delete(self, statement: str, **given: object) -> bool:
        """Deletes at most DELETE_LIMIT rows. Returns whether there were any."""

        def work(cursor: Cursor) -> bool:
            cursor.execute(statement, {**given, "limit": DELETE_LIMIT})
            return cursor.rowcount > 0

        return self._database.transaction(work)

    def _begin_next(self, cursor: Cursor) -> None:
        cursor.execute(retention.LOCK_RETENTION)
        if cursor.fetchone() == (True,):
            cursor.execute(partitions.BEGIN_NEXT, {"days": max(1.0, self._days / PARTITIONS_KEPT)})

    def _drop_old(self) -> bool:
        """Drops the oldest partitions that may go. Returns whether there were any."""
        dropped = self._database.transaction(self._find_and_drop)
        for number in dropped.partitions:
            log.info("partition.dropped", extra={"partition": number})
        for mailing in dropped.mailings:
            if mailing.purged:
                log.info("mailing.purged", extra={"mailing_id": mailing.id})
        if dropped.busy:
            log.info("partition.busy")
        if dropped.busy or not dropped.partitions:
            self._drops.wait(CHECK_SECONDS)
        return bool(dropped.partitions)

    def _find_and_drop(self, cursor: Cursor) -> Dropped:
        cursor.execute(retention.LOCK_RETENTION)
        if cursor.fetchone() != (True,):
            return Dropped([], [], busy=False)
        cursor.execute(partitions.FIND_COMPLETE)
        old: dict[int, list[int]] = {}
        for partition in fetch_all(cursor, Partition):
            if len(old) == DROP_LIMIT:
                break
            if (mailings := self._lock_mailings(cursor, partition)) is None:
                continue
            if old and sum(map(len, old.values())) + len(mailings) > MAILINGS_LIMIT:
                break
            old[partition.number] = mailings
        dropped, concerned = list[int](), set[int]()
        cursor.execute(partitions.LIMIT_WAIT)
        for number, mailings in old.items():
            if not _drop(cursor, number):
                break
            dropped.append(number)
            concerned.update(mailings)
        purged = _purge(cursor, sorted(concerned)) if dropped else []
        return Dropped(dropped, purged, busy=len(dropped) < len(old))

    def _lock_mailings(self, cursor: Cursor, partition: Partition) -> list[int] | None:
        """Locks the mailings with messages in the partition. None if some of them must be kept."""
        bounds = {"first": partition.first_message_id, "end": partition.end_message_id}
        cursor.execute(partitions.FIND_MAILINGS, bounds)
        ids = [mailing.id for mailing in fetch_all(cursor, MailingId)]
        cursor.execute(partitions.LOCK_OLD_MAILINGS, {"ids": bigints(ids), "days": self._days})
        return ids if len(fetch_all(cursor, MailingId)) == len(ids) else None


def _drop(cursor: Cursor, number: int) -> bool:
    """Drops a partition. False if others use the ledger: what was dropped before is not undone."""
    cursor.execute(partitions.BEFORE_DROP)
    try:
        cursor.execute(partitions.DROP, {"number": number})
    except LockNotAvailable:
        cursor.execute(partitions.UNDO_DROP)
        return False
    return True


def _purge(cursor: Cursor, mailings: Sequence[int]) -> list[PurgedMailing]:
    """Records that messages of these mailings are gone, and deletes those mailings that a person has removed."""
    cursor.execute(partitions.MARK_PURGED, {"ids": bigints(mailings)})
    marked = fetch_all(cursor, PurgedMailing)
    removed = bigints(mailing.id for mailing in marked if mailing.purged and mailing.hidden)
    cursor.execute(partitions.DELETE_COUNTS, {"ids": removed})
    cursor.execute(partitions.DELETE_MAILINGS, {"ids": removed})
    return marked
