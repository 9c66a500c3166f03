"""Reads of receipts that match no message, and of those that are not applied yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Float, cast, func, select

from api.extensions import db
from api.gateways.queries import gateway_names
from shared.schema import OrphanReceipt, QueuedReceipt

OrphanRow = OrphanReceipt
"""A receipt that matches no message, as the queries return it."""


class Queue(NamedTuple):
    """The receipts that workers have not applied yet."""

    receipts: int
    oldest_seconds: float
    """Seconds since the oldest of them came; 0 if there is none."""


def orphans_after(after: int, limit: int) -> Sequence[OrphanReceipt]:
    """The receipts without a message that have a greater id, in order."""
    found = select(OrphanReceipt).where(OrphanReceipt.id > after).order_by(OrphanReceipt.id)
    return db.session.scalars(found.limit(limit)).all()


def orphans_before(before: int, limit: int) -> Sequence[OrphanReceipt]:
    """The receipts without a message that have a lesser id, the latest first."""
    found = select(OrphanReceipt).where(OrphanReceipt.id < before).order_by(OrphanReceipt.id.desc())
    return db.session.scalars(found.limit(limit)).all()


def orphans_by_gateway() -> dict[str, int]:
    """How many receipts without a message each gateway has, by its name; only those that have any."""
    counts = select(OrphanReceipt.gateway_id, func.count()).group_by(OrphanReceipt.gateway_id)
    found = db.session.execute(counts.order_by(OrphanReceipt.gateway_id))
    return {gateway_names()[gateway_id].name: int(receipts) for gateway_id, receipts in found}


def receipt_queue() -> Queue:
    """The receipts that have not been applied yet: mostly those of the last second."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(QueuedReceipt.received_at))
    count, oldest = db.session.execute(select(func.count(), cast(age, Float)).select_from(QueuedReceipt)).one()
    return Queue(count, max(oldest or 0.0, 0.0))
