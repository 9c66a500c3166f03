"""Messages in one status, or with one delivery. No index of `message` names these, so others say which messages may be
in it.

| status | candidates |
|---|---|
| pending | the messages of queue batches |
| sending | the messages of claims |
| sent, and its deliveries | those that have an attempt; all, where nearly all have one |
| undelivered | `message_undelivered`, which lists exactly those |
| the others | `message_unsent`, which lists exactly those |

Candidates are read in the order of the page until it is full, and each is compared. So a page of what is sent takes
long where it lies behind many messages that have failed, and one of a delivery where it lies behind many with another
one. Everything else costs what a page does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from api.extensions import db
from api.messages.counts import MessageTotals, message_totals
from api.messages.keyset import Column, KeysetPage, Rows, rows_of_mailing
from api.messages.pending_ids import pending_ids
from shared.domain.delivery import Delivery
from shared.domain.statuses import MessageStatus
from shared.schema import Attempt, Claim, Message, MessageUndelivered, MessageUnsent

UNTRIED = (MessageStatus.PENDING, MessageStatus.EXPIRED, MessageStatus.CANCELLED)
"""Statuses of messages that mostly have no attempt."""

TRIED = (MessageStatus.FAILED, MessageStatus.UNKNOWN)
"""Statuses of messages that mostly have one."""

MANY = 2_000
"""Messages that are read in some 2 ms: as long as there are no more without an attempt, they are not left out."""

DENSE = 8
"""Neighbouring messages that are read as fast as one is found by its id."""

MAX_CANDIDATES = 10_000
"""Candidates that one statement reads."""


def rows_in_status(rows: Rows, page: KeysetPage, status: MessageStatus, mailing_id: int | None = None) -> Sequence[Any]:
    """A page of rows of the messages that are in a status, of one mailing or of all."""
    if status is MessageStatus.SENT:
        return _sent(rows, page, message_totals(mailing_id), mailing_id)
    rows = rows.where(Message.status == status)
    return _chosen(rows, page, _candidates(page, status, mailing_id), mailing_id)


def rows_with_delivery(
    rows: Rows, page: KeysetPage, delivery: Delivery, mailing_id: int | None = None
) -> Sequence[Any]:
    """A page of rows of the sent messages with a delivery, of one mailing or of all."""
    rows = rows.where(has_delivery(delivery))
    if delivery is Delivery.UNDELIVERED:
        listed = select(MessageUndelivered.message_id)
        if mailing_id is not None:
            listed = listed.where(MessageUndelivered.mailing_id == mailing_id)
        return _chosen(rows, page, _in_steps(page, listed, MessageUndelivered.message_id), mailing_id)
    totals = message_totals(mailing_id)
    return _sent(rows, page, totals, mailing_id) if totals.by_delivery[delivery] else []


def has_delivery(delivery: Delivery) -> ColumnElement[bool]:
    """The condition that a message is sent and has this delivery."""
    if delivery is Delivery.NO_RECEIPT:
        return and_(Message.status == MessageStatus.SENT, or_(Message.delivery.is_(None), Message.delivery == delivery))
    return Message.delivery == delivery


def _sent(rows: Rows, page: KeysetPage, totals: MessageTotals, mailing_id: int | None) -> Sequence[Any]:
    """A page of rows of sent messages."""
    counts = totals.by_status
    if not counts[MessageStatus.SENT]:
        return []
    rows = rows.where(Message.status == MessageStatus.SENT)
    if sum(counts[one] for one in UNTRIED) < MANY + sum(counts[one] for one in TRIED):
        return _filtered(rows, page, mailing_id)
    return _chosen(rows, page, _candidates(page, MessageStatus.SENT, mailing_id), mailing_id)


def _chosen(rows: Rows, page: KeysetPage, candidates: Iterable[Sequence[int]], mailing_id: int | None) -> Sequence[Any]:
    """A page of those rows whose messages are candidates."""
    if mailing_id is not None:
        rows = rows.where(Message.mailing_id == mailing_id)
    found: list[Any] = []
    for ids in candidates:
        found += db.session.execute(page.of(rows.where(_among(ids)))).all()
        if len(found) >= page.limit:
            break
    return found[: page.limit]


def _filtered(rows: Rows, page: KeysetPage, mailing_id: int | None) -> Sequence[Any]:
    if mailing_id is None:
        return db.session.execute(page.of(rows)).all()
    return rows_of_mailing(rows, page, mailing_id)


def _candidates(page: KeysetPage, status: MessageStatus, mailing_id: int | None) -> Iterator[Sequence[int]]:
    """Ids in the order of the page: all that are in the status, and maybe others."""
    match status:
        case MessageStatus.PENDING:
            return pending_ids(page, mailing_id)
        case MessageStatus.SENDING:
            held = select(func.unnest(Claim.message_ids).label("id")).distinct().subquery()
            return _in_steps(_narrowed(page, mailing_id), select(held.c.id), held.c.id)
        case MessageStatus.SENT:
            tried = select(Attempt.message_id).where(Attempt.number == 1)
            return _in_steps(_narrowed(page, mailing_id), tried, Attempt.message_id)
        case _:
            unsent = select(MessageUnsent.message_id).where(MessageUnsent.status == status)
            if mailing_id is not None:
                unsent = unsent.where(MessageUnsent.mailing_id == mailing_id)
            return _in_steps(page, unsent, MessageUnsent.message_id)


def _in_steps(page: KeysetPage, ids: Rows, column: Column) -> Iterator[Sequence[int]]:
    """The ids of a statement, as many as the page has rows, then twice as many, and so on."""
    while True:
        found = db.session.scalars(page.of(ids, column)).all()
        if found:
            yield found
        if len(found) < page.limit:
            return
        page = page.from_id(found[-1], min(2 * page.limit, MAX_CANDIDATES))


def _narrowed(page: KeysetPage, mailing_id: int | None) -> KeysetPage:
    """The page from the first message of the mailing to its last one."""
    if mailing_id is None:
        return page
    ends = page._replace(limit=1, latest_first=False), page._replace(limit=1, latest_first=True)
    first, last = (rows_of_mailing(select(Message.id), end, mailing_id) for end in ends)
    return page._replace(after=first[0].id - 1, before=last[0].id + 1) if first else page._replace(before=0)


def _among(ids: Sequence[int]) -> ColumnElement[bool]:
    """The condition that a message is among these candidates.

    Where they are close together, it is that of their range: there are no other messages in the status.
    """
    low, high = min(ids), max(ids)
    return Message.id.between(low, high) if high - low < DENSE * len(ids) else Message.id.in_(ids)
