"""Applying receipts: each is matched to its message, and the message's delivery is folded from all of its receipts.

A receipt also settles a doubt: a message that may have been accepted was. (The rules: shared/domain/delivery.py.)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery import Delivery, UndeliveredReason
from shared.domain.statuses import MessageStatus
from shared.domain.suppressions import RecordSource
from shared.json_parameter import json_parameter
from shared.sql import receipts
from worker.database import Database
from worker.maintenance.folded_messages import FoldedMessage, MessageRow, ReceiptRow, folded_message
from worker.maintenance.part_counts import PartCounts
from worker.maintenance.receipt_opt_outs import suppress_opted_out
from worker.maintenance.time_share_limiter import TimeShareLimiter
from worker.orphan_receipts import adopt_orphans
from worker.parameters import bigints, bounded
from worker.rows import fetch_all
from worker.telemetry.receipt_totals import ReceiptTotals

log = logging.getLogger(__name__)

RECEIPT_LIMIT = 500
"""Receipts applied in one transaction: some tens of milliseconds of work."""

RUN_SECONDS = 0.5
"""Seconds after which one run applies no more, so that the other duties have their turn."""

LATE = timedelta(seconds=15)
"""Receipts committed later than this after their due time are found by the next full scan."""

FULL_SCAN_SHARE = 0.05
FULL_SCAN_SECONDS = 30.0
"""Share of the time for full scans, and seconds between two at most. While any transaction still sees receipts that
have been moved, a full scan reads every one of them."""

NO_LOWER_BOUND = datetime.min.replace(tzinfo=UTC)
"""Of `due_at`: a full scan."""


class QueuedRow(NamedTuple):
    """A row of TAKE_RECEIPTS."""

    id: int
    due_at: datetime
    message_id: int | None
    """None if it matches no message."""
    client_id: int | None
    delivered: bool
    unknown_subscriber: bool
    """Whether it or the message's delivery until now says that the number is unknown."""


class ClientId(NamedTuple):
    """A row of FIND_CLIENTS."""

    id: int


class ClientRow(NamedTuple):
    """A row of LOCK_CLIENTS."""

    id: int
    phone_number: int


class Applied(NamedTuple):
    """What receipts have done."""

    receipts: int = 0
    """Those that were applied."""
    settled: Sequence[FoldedMessage] = ()
    """The messages that they settled."""
    suppressed: int = 0
    """Numbers that they have suppressed."""


class ReceiptApplier:
    """Applies receipts. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._part_counts = PartCounts()
        self._after = NO_LOWER_BOUND
        """Lower bound of `due_at` to read; earlier receipts are left to the full scan."""
        self._full_scans = TimeShareLimiter(FULL_SCAN_SHARE, FULL_SCAN_SECONDS)
        self.totals = ReceiptTotals()

    @property
    def after(self) -> datetime:
        """Lower bound of `due_at` to read now; NO_LOWER_BOUND if a full scan is due."""
        return NO_LOWER_BOUND if self._full_scans.is_due else self._after

    def run(self) -> bool:
        """Applies receipts for RUN_SECONDS at most. Returns whether there may be more."""
        until = time.monotonic() + RUN_SECONDS
        while more := self._run_once():
            if time.monotonic() >= until:
                break
        return more

    def _run_once(self) -> bool:
        """Applies at most RECEIPT_LIMIT receipts. Returns whether there may be more."""
        after, before = self.after, self._database.seconds
        taken, applied = self._database.transaction(lambda cursor: self._apply(cursor, after))
        if after is NO_LOWER_BOUND:
            self._full_scans.spend(self._database.seconds - before)
        if taken:
            self._after = taken[-1].due_at - LATE
        self.totals.applied += applied.receipts
        self.totals.settled += len(applied.settled)
        if applied.suppressed:
            extra = {"source": RecordSource.RECEIPT.value, "suppressions": applied.suppressed}
            log.info("suppressions.recorded", extra=extra)
        for one in applied.settled:
            extra = {"mailing_id": one.message.mailing_id, "message_id": one.message.id}
            log.info("message.settled_by_receipt", extra={**extra, "delivery": one.delivery})
        if orphans := [row.id for row in taken if row.message_id is None]:
            moved = self._database.transaction(partial(_move_orphans, orphans))
            self.totals.orphans += moved
            log.info("receipts.unmatched", extra={"receipts": moved})
        return len(taken) == RECEIPT_LIMIT

    def _apply(self, cursor: Cursor, after: datetime) -> tuple[list[QueuedRow], Applied]:
        cursor.execute(receipts.TAKE_RECEIPTS, {"limit": RECEIPT_LIMIT, "after": after})
        taken = fetch_all(cursor, QueuedRow)
        matched = {row.id: row.message_id for row in taken if row.message_id is not None}
        applied = self._apply_matched(cursor, taken, matched) if matched else Applied()
        return sorted(taken, key=_due_at), applied

    def _apply_matched(self, cursor: Cursor, taken: Sequence[QueuedRow], matched: Mapping[int, int]) -> Applied:
        clients = _lock_clients(cursor, taken)
        cursor.execute(receipts.LOCK_MESSAGES, {"ids": bigints(set(matched.values()))})
        # A message that is being sent is left to its worker, and one whose client is being changed to the next round.
        messages = {
            row.id: row
            for row in fetch_all(cursor, MessageRow)
            if row.status != MessageStatus.SENDING and row.client_id not in clients.busy
        }
        now = {row_id: message_id for row_id, message_id in matched.items() if message_id in messages}
        if later := matched.keys() - now.keys():
            cursor.execute(receipts.DEFER_RECEIPTS, {"ids": bigints(later)})
        if not now:
            return Applied()
        cursor.execute(receipts.MOVE_RECEIPTS, {"ids": bigints(now), "message_ids": bigints(now.values())})
        cursor.execute(receipts.READ_RECEIPTS, bounded(messages))
        rows = sorted(fetch_all(cursor, ReceiptRow), key=_message_id)
        parts = self._part_counts.read(cursor, messages.values(), rows)
        folded = [
            folded_message(messages[message_id], list(of_message), parts.get(message_id))
            for message_id, of_message in groupby(rows, _message_id)
        ]
        _store(cursor, [one for one in folded if one.status is MessageStatus.SENT])
        _count_unknown(cursor, folded, clients.numbers)
        suppressed = suppress_opted_out(cursor, folded, rows)
        return Applied(len(now), [one for one in folded if one.was_settled], suppressed)


class _Clients(NamedTuple):
    """The clients whose count of unknown numbers may change."""

    numbers: Mapping[int, int]
    """Those that are locked, and their phone numbers."""
    busy: frozenset[int]
    """Those that others have locked."""


def _lock_clients(cursor: Cursor, taken: Iterable[QueuedRow]) -> _Clients:
    unknown = {row.client_id for row in taken if row.client_id is not None and row.unknown_subscriber}
    delivered = {row.client_id for row in taken if row.client_id is not None and row.delivered}
    if not unknown and not delivered:
        return _Clients({}, frozenset())
    cursor.execute(receipts.FIND_CLIENTS, {"unknown": bigints(unknown), "delivered": bigints(delivered)})
    found = {client.id for client in fetch_all(cursor, ClientId)}
    if not found:
        return _Clients({}, frozenset())
    cursor.execute(receipts.LOCK_CLIENTS, {"ids": bigints(found)})
    numbers = dict(fetch_all(cursor, ClientRow))
    return _Clients(numbers, frozenset(found - numbers.keys()))


def _move_orphans(ids: Sequence[int], cursor: Cursor) -> int:
    """Moves those of the queued receipts that still match no message to the orphans. Returns how many."""
    cursor.execute(receipts.LOCK_RECEIPTS)
    cursor.execute(receipts.MOVE_ORPHANS, {"ids": bigints(ids)})
    return cursor.rowcount


def _due_at(row: QueuedRow) -> datetime:
    return row.due_at


def _message_id(row: ReceiptRow) -> int:
    return row.message_id


def _store(cursor: Cursor, folded: Sequence[FoldedMessage]) -> None:
    if not folded:
        return
    given = {
        "ids": bigints(one.message.id for one in folded),
        "messages": json_parameter([one.as_json() for one in folded]),
    }
    cursor.execute(receipts.APPLY_DELIVERY, given)
    named = {one.message.id: one.provider_message_id for one in folded if one.was_settled and one.provider_message_id}
    if named:
        given = {"ids": bigints(named), "provider_message_ids": list(named.values())}
        cursor.execute(receipts.NAME_SUBMISSIONS, given)
        adopt_orphans(cursor, named)


def _count_unknown(cursor: Cursor, folded: Iterable[FoldedMessage], numbers: Mapping[int, int]) -> None:
    """Counts consecutive messages whose number was unknown; a delivery resets the count.

    A receipt about a former number of the client says nothing about the present one.
    """
    steps: dict[int, int | None] = {}
    for one in folded:
        client = one.message.client_id
        if numbers.get(client) != one.message.phone_number:
            continue
        was = one.message.delivery_reason == UndeliveredReason.UNKNOWN_SUBSCRIBER
        is_unknown = one.delivery is Delivery.UNDELIVERED and one.folded.reason is UndeliveredReason.UNKNOWN_SUBSCRIBER
        if one.delivery is Delivery.DELIVERED:
            steps[client] = None
        elif is_unknown != was and (step := steps.get(client, 0)) is not None:
            steps[client] = step + (1 if is_unknown else -1)
    if steps:
        cursor.execute(receipts.COUNT_UNKNOWN, {"ids": bigints(steps), "steps": list(steps.values())})
