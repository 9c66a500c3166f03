"""Receipts: what providers say later about messages that they accepted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, Integer, SmallInteger, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.schema.base import RECEIPT_STATE, UNDELIVERED_REASON, Base, stored

_UNDELIVERED_HAS_A_REASON = "(reason IS NOT NULL) = (state = 'undelivered')"


class _Said:
    """The columns of what a provider said, in all tables of receipts."""

    gateway_id: Mapped[int] = mapped_column(Integer)
    """The gateway whose provider said it."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    provider_message_id: Mapped[str | None]
    part: Mapped[str | None]
    """The part that it is about; None if it is about the whole message."""
    parts: Mapped[int | None] = mapped_column(SmallInteger)
    state: Mapped[ReceiptState] = mapped_column(RECEIPT_STATE)
    reason: Mapped[UndeliveredReason | None] = mapped_column(UNDELIVERED_REASON)
    code: Mapped[str | None]
    """The provider's code."""
    words: Mapped[str | None]
    """The provider's words: one line, masked."""
    event_at: Mapped[datetime | None]
    """When it happened, as the provider says."""
    raw: Mapped[str | None]
    """The callback as it came, masked and shortened."""


class Receipt(_Said, Base):
    """A receipt of a message. Equal ones are one row: the fingerprint is a hash of all that the provider said."""

    __tablename__ = "receipt"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    repeats: Mapped[int] = mapped_column(Integer, server_default="0")
    """How often it came again."""

    __table_args__: Any = (
        CheckConstraint(_UNDELIVERED_HAS_A_REASON, name="receipt_undelivered_has_a_reason"),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )


class QueuedReceipt(_Said, Base):
    """A receipt that has not been applied yet: added by the API before it answers a callback, taken by workers."""

    __tablename__ = "receipt_queue"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    message_id: Mapped[int | None]
    """Our id as the provider returned it: there may be no such message."""
    recipient: Mapped[str | None]
    """The recipient's phone number as the provider wrote it."""
    fingerprint: Mapped[UUID] = mapped_column(Uuid)
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """When it is to be applied: later, while the message is being sent."""

    __table_args__: Any = (
        CheckConstraint(
            "message_id IS NOT NULL OR provider_message_id IS NOT NULL", name="receipt_queue_names_a_message"
        ),
        CheckConstraint(_UNDELIVERED_HAS_A_REASON, name="receipt_queue_undelivered_has_a_reason"),
        Index("receipt_queue_due_idx", "due_at", "id"),
        stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class OrphanReceipt(_Said, Base):
    """A receipt that matches no message. Adopted in the commit that records its provider's id."""

    __tablename__ = "receipt_orphan"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    message_id: Mapped[int | None]
    recipient: Mapped[str | None]
    fingerprint: Mapped[UUID] = mapped_column(Uuid)
    repeats: Mapped[int] = mapped_column(Integer, server_default="0")

    __table_args__: Any = (
        Index("receipt_orphan_fingerprint_key", "gateway_id", "fingerprint", unique=True),
        Index("receipt_orphan_provider_message_id_idx", "gateway_id", "provider_message_id"),
        Index("receipt_orphan_received_at_idx", "received_at"),
    )


class ReceiptWait(Base):
    """Messages that became `awaiting` together, for their deadline, for polls and for measurements.

    A trigger on `message` adds it. It may also name messages that have got their receipts since.
    """

    __tablename__ = "receipt_wait"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    gateway_id: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    message_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    measured: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it has been counted how many of them were delivered in time."""
    polls: Mapped[int] = mapped_column(Integer, server_default="0")
    """How often the provider has been asked."""
    poll_at: Mapped[datetime | None]
    """When it is to be asked again; None if it is not."""

    __table_args__ = (
        CheckConstraint("cardinality(message_ids) > 0", name="receipt_wait_is_not_empty"),
        Index("receipt_wait_since_idx", "gateway_id", "since"),
        Index("receipt_wait_unmeasured_idx", "since", postgresql_where=text("NOT measured")),
        Index("receipt_wait_poll_idx", "poll_at", postgresql_where=text("poll_at IS NOT NULL")),
        stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, toast_tuple_target=8160),
    )


class DeliverySpeed(Base):
    """How many messages of a gateway and operator code, sent in one minute, were delivered how soon."""

    __tablename__ = "delivery_speed"

    gateway_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    operator_code: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    """When they were sent."""
    sent: Mapped[int] = mapped_column(Integer)
    within_1: Mapped[int] = mapped_column(Integer)
    """Delivered within one minute."""
    within_5: Mapped[int] = mapped_column(Integer)
    within_10: Mapped[int] = mapped_column(Integer)
    undelivered: Mapped[int] = mapped_column(Integer)
    """Reported as not delivered within ten minutes."""

    __table_args__ = (Index("delivery_speed_minute_idx", "minute"),)
