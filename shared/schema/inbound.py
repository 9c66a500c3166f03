"""Inbound messages: what recipients write to us."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Integer, SmallInteger, Uuid, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.suppressions import InboundDecision, KeywordAction
from shared.schema.base import INBOUND_DECISION, KEYWORD_ACTION, Base


class InboundMessage(Base):
    """A message of a recipient, put together of its parts. Workers make it of `inbound_part`."""

    __tablename__ = "inbound_message"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    gateway_id: Mapped[int] = mapped_column(Integer)
    sender: Mapped[str]
    """Who wrote it, as the provider wrote the phone number."""
    phone_number: Mapped[int | None]
    """The sender's phone number; None if it is none, such as a name."""
    recipient: Mapped[str]
    """Our number that it was written to."""
    text: Mapped[str]
    parts: Mapped[int] = mapped_column(SmallInteger)
    parts_received: Mapped[int] = mapped_column(SmallInteger)
    """Fewer than `parts` while some are missing."""
    sent_at: Mapped[datetime | None]
    """As the provider says."""
    received_at: Mapped[datetime]
    """When its first part came."""
    client_id: Mapped[int | None]
    """The client with that phone number, when it came. They may have been removed since."""
    message_id: Mapped[int | None]
    """The last message that was sent to that number before, through this gateway if there is one. It may be gone."""
    read_at: Mapped[datetime | None]
    read_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answer_message_id: Mapped[int | None]
    """The last answer to it."""
    keyword: Mapped[str | None]
    """The keyword that it is or contains, in its normal form (shared/domain/keywords.py)."""
    keyword_action: Mapped[KeywordAction | None] = mapped_column(KEYWORD_ACTION)
    """What the keyword does."""
    keyword_is_exact: Mapped[bool | None]
    """Whether it is nothing but the keyword. Otherwise a person decides."""
    decision: Mapped[InboundDecision | None] = mapped_column(INBOUND_DECISION)
    """What was done: the keyword's action, or what a person decided last."""
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    """The name of the person; None for a worker."""

    __table_args__ = (
        CheckConstraint("(read_at IS NULL) = (read_by IS NULL)", name="inbound_message_read_by_somebody"),
        CheckConstraint(
            "(answered_at IS NULL) = (answer_message_id IS NULL)", name="inbound_message_answered_by_a_message"
        ),
        CheckConstraint(
            "(keyword IS NULL) = (keyword_action IS NULL) AND (keyword IS NULL) = (keyword_is_exact IS NULL)",
            name="inbound_message_keyword_is_whole",
        ),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="inbound_message_decided_at_a_time"),
        Index(
            "inbound_message_undecided_idx",
            "id",
            postgresql_where=sql("keyword_action IN ('stop', 'start') AND decided_at IS NULL"),
        ),
        Index("inbound_message_unread_idx", "id", postgresql_where=sql("read_at IS NULL")),
        Index("inbound_message_phone_number_idx", "phone_number", "id"),
        Index("inbound_message_client_id_idx", "client_id", "id"),
        Index("inbound_message_gateway_id_idx", "gateway_id", "id"),
    )


class InboundPart(Base):
    """What a provider forwarded in one callback: a message or a part of one. A repeated callback adds nothing."""

    __tablename__ = "inbound_part"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    gateway_id: Mapped[int] = mapped_column(Integer)
    fingerprint: Mapped[UUID] = mapped_column(Uuid)
    """A hash of the provider's id, the part and what was written; without an id, of all that it said."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sender: Mapped[str]
    recipient: Mapped[str]
    text: Mapped[str]
    provider_message_id: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    reference: Mapped[str | None]
    """What the parts of one message have in common."""
    part: Mapped[int] = mapped_column(SmallInteger)
    parts: Mapped[int] = mapped_column(SmallInteger)
    inbound_message_id: Mapped[int | None] = mapped_column(ForeignKey("inbound_message.id", ondelete="CASCADE"))

    __table_args__ = (
        CheckConstraint("part BETWEEN 1 AND parts", name="inbound_part_is_one_of_its_parts"),
        Index("inbound_part_fingerprint_key", "gateway_id", "fingerprint", unique=True),
        Index("inbound_part_unassembled_idx", "id", postgresql_where=sql("inbound_message_id IS NULL")),
        Index("inbound_part_inbound_message_id_idx", "inbound_message_id"),
        # The other parts of a message.
        Index("inbound_part_sender_idx", "sender", "received_at", postgresql_where=sql("parts > 1")),
    )
