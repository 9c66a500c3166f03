"""Figures of one mailing whose cost does not grow with it: of a large one, they look at a part, and say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, func, literal, select, true, union_all

from api.console.plot import Plot, moments_plot
from api.extensions import db
from api.messages.walks import status_range
from shared.ledger import MessageStatus
from shared.models import Message

LOOK = 2000
"""Messages of each status whose reasons are looked at."""

REASONS = 20
"""Reasons that are shown, the most frequent ones."""

SAMPLE = 400
"""Sent messages that the timeline is drawn from: all, or so many evenly spaced ones."""

COLUMNS = 60

WITH_REASONS = (
    MessageStatus.FAILED,
    MessageStatus.UNKNOWN,
    MessageStatus.EXPIRED,
    MessageStatus.CANCELLED,
    MessageStatus.PENDING,
)


class Reason(NamedTuple):
    """Why so many messages are in a status."""

    status: MessageStatus
    reason: str
    messages: int


def reasons_of(mailing_id: int) -> list[Reason]:
    """Why messages have not been sent, the most frequent reason first: of the first LOOK messages in each status."""
    looks = [
        select(Message.status, Message.reason)
        .where(*_of(mailing_id, status))
        .order_by(Message.status, Message.id)
        .limit(LOOK)
        .subquery()
        for status in WITH_REASONS
    ]
    found = union_all(*(select(look) for look in looks)).subquery()
    messages = func.count().label("messages")
    counted = select(found.c.status, found.c.reason, messages).where(found.c.reason.is_not(None))
    rows = db.session.execute(counted.group_by(found.c.status, found.c.reason).order_by(messages.desc()).limit(REASONS))
    return [Reason(*row) for row in rows]


def timeline_of(mailing_id: int, sent: int) -> Plot | None:
    """How many messages of a mailing were sent a minute, over the time of its sending; none before the first one."""
    moments = _sent_moments(mailing_id)
    return moments_plot(moments, sent / len(moments) if moments else 0.0, columns=COLUMNS)


def _sent_moments(mailing_id: int) -> Sequence[datetime]:
    # Ids go up in the order of sending, by and large: messages that lie evenly among them lie so in time. Each is one
    # step in the index of mailing, status and id.
    ids = select(Message.id).where(*_of(mailing_id, MessageStatus.SENT)).limit(1)
    low = db.session.scalar(ids.order_by(Message.status, Message.id))
    high = db.session.scalar(ids.order_by(Message.status.desc(), Message.id.desc()))
    if low is None or high is None:
        return []
    steps = (
        func.generate_series(
            literal(low, BigInteger), literal(high, BigInteger), literal((high - low) // SAMPLE + 1, BigInteger)
        )
        .table_valued("id")
        .render_derived(name="step")
    )
    found = (
        select(Message.id, Message.sent_at)
        .where(*_of(mailing_id, MessageStatus.SENT, steps.c.id - 1))
        .order_by(Message.status, Message.id)
        .limit(1)
        .lateral("found")
    )
    rows = db.session.execute(select(found.c.id, found.c.sent_at).distinct().select_from(steps).join(found, true()))
    return [sent_at for _, sent_at in rows]


def _of(
    mailing_id: int, status: MessageStatus, after: ColumnElement[int] | None = None
) -> tuple[ColumnElement[bool], ...]:
    # What is on its way is not in the index of a mailing's messages by status.
    in_index = Message.mailing_id == mailing_id, Message.status != MessageStatus.SENDING
    return *in_index, status_range(status, after, None)
