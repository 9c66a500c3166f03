"""Work that workers share: what waits to be sent, and what is claimed. Small tables whose rows come and go."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.schema.base import Base, stored


class QueueBatch(Base):
    """At most 200 pending messages of one mailing and path that become due together. Claims take them in the order of
    mailing, due time and id.

    A trigger on `message` adds a batch for whatever becomes pending or gets another due time or path, in the same
    transaction, so each pending message is in a batch with its due time. A batch may also name messages that have ended
    or moved to another due time since: claims compare, and leave those out.
    """

    __tablename__ = "queue_batch"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int]
    path_id: Mapped[int] = mapped_column(server_default=text("1"))
    """The path of its messages; for messages in doubt that of their gateway."""
    due_at: Mapped[datetime]
    message_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))

    __table_args__ = (
        CheckConstraint("cardinality(message_ids) > 0", name="queue_batch_is_not_empty"),
        Index("queue_batch_due_idx", "mailing_id", "path_id", "due_at", "id"),
        stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, toast_tuple_target=8160),
    )


class Claim(Base):
    """Messages under one lease. The row goes when all of them have been recorded or released."""

    __tablename__ = "claim"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    worker: Mapped[str]
    gateway: Mapped[str]
    claimed_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    poison: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it is the claim of a poison message, of which one at a time is in flight."""
    message_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """Those that it holds have its id as `claim_id` and are sending."""

    __table_args__ = (
        stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, toast_tuple_target=8160),
    )
