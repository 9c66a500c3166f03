"""Messages in one status. No index of `message` names the status, so others say which messages may be in it.

| status | candidates |
|---|---|
| pending | the messages of queue batches |
| sending | the messages of claims |
| sent | those that have an attempt; all, where nearly all have one |
| the others | `message_unsent`, which lists exactly those |

Candidates are read in the order of the page until it is full, and each is compared. So a page of what is sent takes
long where it lies behind many messages that have failed. Everything else costs what a page does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from api.extensions import db
from api.messages.counts import messages_by_status
from api.messages.keyset import Column, KeysetPage, Rows, rows_of_mailing
from api.messages.pending_ids import pending_ids
from shared.domain.statuses import MessageStatus
from shared.schema import Attempt, Claim, Message, MessageUnsent

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
    rows = rows.where(Message.status == status)
    if status is MessageStatus.SENT:
        counts = messages_by_status(mailing_id)
        if not counts[status]:
            return []
        if sum(counts[one] for one in UNTRIED) < MANY + sum(counts[one] for one in TRIED):
            return _filtered(rows, page, mailing_id)
    if mailing_id is not None:
        rows = rows.where(Message.mailing_id == mailing_id)
    found: list[Any] = []
    for ids in _candidates(page, status, mailing_id):
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
