"""Reasons and timeline of one mailing, at bounded cost: a large mailing is sampled, and the result says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Row, func, literal, select, true, union_all

from api.extensions import db
from api.messages.keyset import status_range
from shared.domain.reasons import Parameters
from shared.domain.statuses import MessageStatus
from shared.schema import Message

MAX_SCANNED = 2000
"""Messages of each status whose reasons are read."""

REASONS = 20
"""Reasons that are shown, the most frequent ones."""

SAMPLE = 400
"""Sent messages that are read for a timeline: all, or an evenly spaced sample."""

WITH_REASONS = (
    MessageStatus.FAILED,
    MessageStatus.UNKNOWN,
    MessageStatus.EXPIRED,
    MessageStatus.CANCELLED,
    MessageStatus.PENDING,
)


class Reason(NamedTuple):
    """A reason, and how many messages in a status have it."""

    status: MessageStatus
    reason_code: str
    reason_params: Parameters | None
    messages: int
    at_least: bool
    """Whether there may be more: not all messages in that status were read."""


class Reasons(NamedTuple):
    """Why messages of a mailing have not been sent, the most frequent reason first."""

    ended: Sequence[Reason]
    waiting: Sequence[Reason]
    """Why pending messages were not sent at their last attempt. They may still be sent."""
    more: bool
    """Whether there are rarer reasons, which are left out."""
    looked_at: Mapping[str, tuple[int, int]]
    """For statuses of which only a part was read: messages read, and all messages."""


def reasons_of(mailing_id: int, messages: Mapping[str, int]) -> Reasons:
    """The reasons of the first MAX_SCANNED messages in each status; `messages` are the counts by status."""
    found = _reasons(mailing_id)
    cut = {name: (MAX_SCANNED, messages[name]) for name in WITH_REASONS if messages[name] > MAX_SCANNED}
    rows = [
        Reason(row.status, row.reason_code, row.reason_params, row.messages, row.status in cut)
        for row in found[:REASONS]
    ]
    return Reasons(
        ended=[row for row in rows if row.status is not MessageStatus.PENDING],
        waiting=[row for row in rows if row.status is MessageStatus.PENDING],
        more=len(found) > REASONS,
        looked_at={name: cut[name] for name in cut if any(row.status == name for row in rows)},
    )


def _reasons(mailing_id: int) -> Sequence[Row[Any]]:
    scans = [
        select(Message.status, Message.reason_code, Message.reason_params)
        .where(*_of(mailing_id, status))
        .order_by(Message.status, Message.id)
        .limit(MAX_SCANNED)
        .subquery()
        for status in WITH_REASONS
    ]
    found = union_all(*(select(scan) for scan in scans)).subquery()
    messages = func.count().label("messages")
    reason = found.c.status, found.c.reason_code, found.c.reason_params
    counted = select(*reason, messages).where(found.c.reason_code.is_not(None)).group_by(*reason)
    ordered = counted.order_by(messages.desc(), found.c.reason_code, found.c.reason_params)
    return db.session.execute(ordered.limit(REASONS + 1)).all()


def sent_moments(mailing_id: int) -> Sequence[datetime]:
    """When messages of a mailing were sent: all of them, or about SAMPLE evenly spaced ones."""
    # Ids are roughly in the order of sending, so messages evenly spaced by id are also spaced in time. Each is one step
    # in the index of mailing, status and id.
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
    return [row.sent_at for row in rows]


def _of(
    mailing_id: int, status: MessageStatus, after: ColumnElement[int] | None = None
) -> tuple[ColumnElement[bool], ...]:
    # A message in flight is not in the index of a mailing's messages by status.
    in_index = Message.mailing_id == mailing_id, Message.status != MessageStatus.SENDING
    return *in_index, status_range(status, after, None)
