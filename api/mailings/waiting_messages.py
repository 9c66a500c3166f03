"""Pending messages and overdue mailings, with which a new mailing shares the workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, or_, select

from api.extensions import db
from api.mailings.audience_count import Recipients
from shared.domain.estimates import Backlog
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.schema import Mailing, MessageCountDelta, QueueBatch


class Waiting(NamedTuple):
    """The pending messages of a running mailing, and when its window closes."""

    messages: int
    end_datetime: datetime


class Overdue(NamedTuple):
    """Mailings whose start has passed, but that no worker has started."""

    mailings: int
    since: datetime | None
    """When the first of them should have started."""
    recipients: Mapping[int, Recipients]
    """Those of the first few of them, by mailing id."""


class Later(NamedTuple):
    """Pending messages of a mailing that are not due yet."""

    messages: int
    """About how many: some may have ended since they were queued."""
    first_at: datetime
    """When the first of them is due."""


LATER = timedelta(minutes=1)
"""What is due within this time is not called later: a message waits as long between two attempts."""

NONE_OVERDUE = Overdue(0, None, {})

FIRST_OVERDUE = 5
"""Overdue mailings whose clients are counted: each count takes some tens of milliseconds."""


def waiting_messages() -> dict[int, Waiting]:
    """The pending messages of running mailings that have any, by mailing id."""
    running = select(Mailing.id, Mailing.end_datetime).where(
        Mailing.status == MailingStatus.RUNNING, Mailing.settled_at.is_(None), Mailing.launch_started_at.is_not(None)
    )
    ends = {row.id: row.end_datetime for row in db.session.execute(running)}
    pending = MessageCountDelta.mailing_id.in_(ends), MessageCountDelta.status == MessageStatus.PENDING
    sums = select(MessageCountDelta.mailing_id, func.sum(MessageCountDelta.delta).label("messages")).where(*pending)
    found = db.session.execute(sums.group_by(MessageCountDelta.mailing_id))
    return {
        row.mailing_id: Waiting(int(row.messages), ends[row.mailing_id])
        for row in found
        if row.mailing_id and row.messages > 0
    }


def due_later(mailing_id: int) -> Later | None:
    """The messages of a mailing that are due later than LATER, such as when their local window opens; None without."""
    waiting = select(func.sum(func.cardinality(QueueBatch.message_ids)), func.min(QueueBatch.due_at))
    waiting = waiting.where(QueueBatch.mailing_id == mailing_id, QueueBatch.due_at > func.now() + LATER)
    messages, first_at = db.session.execute(waiting).one()
    return Later(int(messages), first_at) if messages else None


def backlog_of(waiting: Mapping[int, Waiting], *, apart_from: int | None = None) -> Backlog:
    """The backlog of these mailings, without the mailing `apart_from`."""
    return Backlog(tuple(left.messages for mailing_id, left in waiting.items() if mailing_id != apart_from))


def overdue_mailings() -> Overdue:
    """The overdue mailings, by a partial index. One that waits for approval is none."""
    scheduled = Mailing.status == MailingStatus.SCHEDULED, Mailing.deleted_at.is_(None)
    may_run = or_(~Mailing.requires_approval, Mailing.approved_at.is_not(None))
    overdue = *scheduled, may_run, Mailing.start_datetime <= func.now()
    count, since = db.session.execute(select(func.count(), func.min(Mailing.start_datetime)).where(*overdue)).one()
    if not count:
        return NONE_OVERDUE
    columns = select(Mailing.id, Mailing.mark, Mailing.exclude_unknown_after)
    first = db.session.execute(columns.where(*overdue).order_by(Mailing.start_datetime).limit(FIRST_OVERDUE))
    return Overdue(count, since, {row.id: Recipients(row.mark, row.exclude_unknown_after) for row in first})
