"""Reasons and timeline of one mailing, at bounded cost: a large mailing is sampled, and the result says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, func, literal, select, true

from api.extensions import db
from api.messages.by_status import rows_in_status, rows_with_delivery
from api.messages.keyset import KeysetPage
from shared.domain.delivery import Delivery, UndeliveredReason
from shared.domain.reasons import Parameters
from shared.domain.statuses import MessageStatus
from shared.schema import Message

MAX_SCANNED = 2000
"""Messages of each status whose reasons are read."""

REASONS = 20
"""Reasons that are shown, the most frequent ones."""

SAMPLE = 400
"""Sent messages that are read for a timeline: all, or an evenly spaced sample."""

NEIGHBOURS = 10
"""Ids that are read for each message of a sample, to find one that was sent."""

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


class UndeliveredCount(NamedTuple):
    """How many messages were not delivered for a reason."""

    reason: UndeliveredReason
    messages: int
    at_least: bool
    """Whether there may be more: not all messages were read."""


def reasons_of(mailing_id: int, messages: Mapping[str, int]) -> Reasons:
    """The reasons of the first MAX_SCANNED messages in each status; `messages` are the counts by status."""
    found = _reasons(mailing_id, messages)
    cut = {name: (MAX_SCANNED, messages[name]) for name in WITH_REASONS if messages[name] > MAX_SCANNED}
    rows = [reason._replace(at_least=reason.status in cut) for reason in found[:REASONS]]
    return Reasons(
        ended=[row for row in rows if row.status is not MessageStatus.PENDING],
        waiting=[row for row in rows if row.status is MessageStatus.PENDING],
        more=len(found) > REASONS,
        looked_at={name: cut[name] for name in cut if any(row.status == name for row in rows)},
    )


def undelivered_reasons_of(mailing_id: int, undelivered: int) -> Sequence[UndeliveredCount]:
    """Why messages were not delivered, the most frequent reason first; `undelivered` is how many there are.

    The first MAX_SCANNED of them are read.
    """
    if not undelivered:
        return []
    found = rows_with_delivery(
        select(Message.delivery_reason), KeysetPage(MAX_SCANNED), Delivery.UNDELIVERED, mailing_id
    )
    at_least = undelivered > MAX_SCANNED
    counted = Counter(row.delivery_reason for row in found)
    return [UndeliveredCount(reason, messages, at_least) for reason, messages in counted.most_common()]


def _reasons(mailing_id: int, messages: Mapping[str, int]) -> list[Reason]:
    """The reasons by status, the most frequent one first."""
    columns = select(Message.reason_code, Message.reason_params)
    counted = Counter(
        (status, row.reason_code, json.dumps(row.reason_params, sort_keys=True))
        for status in WITH_REASONS
        if messages[status]
        for row in rows_in_status(columns, KeysetPage(MAX_SCANNED), status, mailing_id)
        if row.reason_code is not None
    )
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0][1:]))
    return [
        Reason(status, code, json.loads(params), number, at_least=False) for (status, code, params), number in ordered
    ]


def sent_moments(mailing_id: int) -> Sequence[datetime]:
    """When messages of a mailing were sent: all of them, or about SAMPLE evenly spaced ones."""
    columns = select(Message.id, Message.sent_at)
    first = rows_in_status(columns, KeysetPage(SAMPLE + 1), MessageStatus.SENT, mailing_id)
    if len(first) <= SAMPLE:
        return [row.sent_at for row in first]
    last = rows_in_status(columns, KeysetPage(1, latest_first=True), MessageStatus.SENT, mailing_id)
    return _sample(mailing_id, first[0].id, last[0].id)


def _sample(mailing_id: int, low: int, high: int) -> Sequence[datetime]:
    # Ids are roughly in the order of sending, so messages evenly spaced by id are also spaced in time.
    steps = (
        func.generate_series(
            literal(low, BigInteger), literal(high, BigInteger), literal((high - low) // SAMPLE + 1, BigInteger)
        )
        .table_valued("id")
        .render_derived(name="step")
    )
    found = (
        select(Message.id, Message.sent_at)
        .where(
            Message.id >= steps.c.id,
            Message.id < steps.c.id + NEIGHBOURS,
            Message.mailing_id == mailing_id,
            Message.status == MessageStatus.SENT,
        )
        .order_by(Message.id)
        .limit(1)
        .lateral("found")
    )
    rows = db.session.execute(select(found.c.id, found.c.sent_at).distinct().select_from(steps).join(found, true()))
    return [row.sent_at for row in rows]
