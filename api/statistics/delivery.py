"""How soon messages are delivered, and why others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, cast, func, select

from api.extensions import db
from shared.domain.delivery import UndeliveredReason
from shared.schema import DeliverySpeed, Message, MessageUndelivered

DAY = timedelta(days=1)

MEASURED_HOUR = timedelta(minutes=70)
"""The period with one hour of measured messages: they are measured when they are ten minutes old."""

MAX_EXAMINED = 2_000
"""The latest undelivered messages whose reasons are counted."""


class Speed(NamedTuple):
    """How soon messages were delivered."""

    gateway_id: int
    operator_code: str | None
    """None for the messages of a gateway together."""
    sent: int
    within_1: int
    within_5: int
    within_10: int
    undelivered: int
    """Reported as not delivered within ten minutes."""


class UndeliveredReasonCount(NamedTuple):
    """How many messages of a gateway were not delivered for a reason."""

    gateway_id: int | None
    reason: UndeliveredReason
    messages: int


def speed_by_operator(period: timedelta) -> Sequence[Speed]:
    """The messages sent within the last `period`, by gateway and operator code; those of the last ten minutes are not
    measured yet.
    """
    key = DeliverySpeed.gateway_id, DeliverySpeed.operator_code
    found = select(*key, *_sums()).where(DeliverySpeed.minute >= func.now() - period).group_by(*key).order_by(*key)
    rows = db.session.execute(found)
    return [Speed(gateway_id, operator_code, *sums) for gateway_id, operator_code, *sums in rows]


def speed_by_gateway(period: timedelta) -> Sequence[Speed]:
    """The same by gateway."""
    gateway = DeliverySpeed.gateway_id
    found = select(gateway, *_sums()).where(DeliverySpeed.minute >= func.now() - period)
    rows = db.session.execute(found.group_by(gateway).order_by(gateway))
    return [Speed(gateway_id, None, *sums) for gateway_id, *sums in rows]


def undelivered_reasons(period: timedelta) -> Sequence[UndeliveredReasonCount]:
    """Why messages sent within the last `period` were not delivered, the most frequent reason first.

    Of the latest MAX_EXAMINED undelivered ones.
    """
    listed = select(MessageUndelivered.message_id).order_by(MessageUndelivered.message_id.desc()).limit(MAX_EXAMINED)
    ids = db.session.scalars(listed).all()
    if not ids:
        return []
    messages = func.count().label("messages")
    key = Message.gateway_id, Message.delivery_reason
    found = select(*key, messages).where(Message.id.in_(ids), Message.delivery_reason.is_not(None))
    recent = found.where(Message.sent_at >= func.now() - period).group_by(*key).order_by(messages.desc(), *key)
    rows = db.session.execute(recent)
    return [UndeliveredReasonCount(gateway_id, reason, number) for gateway_id, reason, number in rows if reason]


def delivery_statistics(hours: int, orphans: Mapping[str, int]) -> dict[str, Any]:
    """What DeliveryStatisticsSchema shows, of messages sent within the last `hours`."""
    period = timedelta(hours=hours)
    return {
        "speed": speed_by_operator(period),
        "undelivered_reasons": undelivered_reasons(period),
        "orphan_receipts": [{"gateway": name, "receipts": receipts} for name, receipts in orphans.items()],
    }


def _sums() -> list[ColumnElement[int]]:
    counted = (
        DeliverySpeed.sent,
        DeliverySpeed.within_1,
        DeliverySpeed.within_5,
        DeliverySpeed.within_10,
        DeliverySpeed.undelivered,
    )
    return [cast(func.sum(column), BigInteger) for column in counted]
