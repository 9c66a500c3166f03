"""The ledger: messages, attempts, and their counts. What is queued and claimed is in shared/schema/queue.py."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.delivery import Delivery, UndeliveredReason, known_delivery
from shared.domain.reasons import Parameters, sentence
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.schema.base import (
    ATTEMPT_RESULT,
    DELIVERY,
    MESSAGE_STATUS,
    UNDELIVERED_REASON,
    Base,
    stored,
)


class Message(Base):
    """One mailing to one client. Its id is the gateway's `msgId`, and never changes.

    `client_id` has no foreign key on purpose: the ledger survives a client's removal. That of `mailing_id` is checked
    by triggers, once per statement: a foreign key would check the same mailing a million times in a launch.
    """

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int]
    client_id: Mapped[int]
    phone_number: Mapped[int]
    status: Mapped[MessageStatus] = mapped_column(MESSAGE_STATUS, server_default=MessageStatus.PENDING)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    """Attempts so far, counted at claim. With the id it identifies one claim: no other claim has that pair."""
    uncounted_attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    """Those whose result concerned the gateway and not the message: they don't count towards the limit."""
    in_doubt: Mapped[bool] = mapped_column(server_default=text("false"))
    """An attempt may have been accepted, and no response has settled it."""
    text_revision: Mapped[int | None] = mapped_column(Integer)
    """The text it carries, set at its first claim and never changed."""
    text_values: Mapped[list[str | None]] = mapped_column(ARRAY(Text), nullable=True)
    """The values of the fields of its text, fixed with it; None for a plain text."""
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it may be claimed; INFINITY for a poison message, whose last two attempts ended with expired leases: it is
    claimed alone (worker/lanes/poison_messages.py)."""
    claim_id: Mapped[int | None]
    """The claim that holds it while it is sending; afterwards the last one that did."""
    path_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """The gateways that it may take, chosen at launch."""
    gateway_id: Mapped[int | None] = mapped_column(Integer)
    """The gateway that it was last claimed for. A message in doubt goes to no other one."""
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason_code: Mapped[str | None]
    """Why it has this status (shared/domain/reasons.py); while it is pending, the reason of its last attempt."""
    reason_params: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivery: Mapped[Delivery | None] = mapped_column(DELIVERY)
    """What its receipts say (shared/domain/delivery.py), once it is sent. None means the same as `no_receipt`: nothing
    is awaited, as with gateways that send no receipts."""
    delivery_at: Mapped[datetime | None]
    """When it was delivered or not, as the provider says, else when the receipt came."""
    delivery_reason: Mapped[UndeliveredReason | None] = mapped_column(UNDELIVERED_REASON)
    delivery_code: Mapped[str | None]
    """The provider's code of the deciding receipt."""
    delivery_conflicting: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether receipts contradict each other."""
    parts: Mapped[int | None] = mapped_column(SmallInteger)
    """The number of its parts, if receipts are about single ones."""
    parts_delivered: Mapped[int | None] = mapped_column(SmallInteger)

    __table_args__ = (
        CheckConstraint("delivery IS NULL OR status = 'sent'", name="message_delivery_is_of_a_sent_one"),
        CheckConstraint(
            "(delivery_reason IS NOT NULL) = (delivery IS NOT DISTINCT FROM 'undelivered')",
            name="message_undelivered_has_a_reason",
        ),
        CheckConstraint("status <> 'sending' OR claim_id IS NOT NULL", name="message_sending_has_a_claim"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="message_sent_has_a_timestamp"),
        CheckConstraint("(status IN ('pending', 'sending')) = (ended_at IS NULL)", name="message_end_has_a_timestamp"),
        CheckConstraint("uncounted_attempts BETWEEN 0 AND attempts", name="message_uncounted_attempts_are_attempts"),
        # No index names a column that an attempt changes, so that the new version of a row needs no index entry (HOT).
        # Each partition has one more, unique: (client_id, mailing_id). Across partitions the launch ensures that.
        Index("message_mailing_id_id_idx", "mailing_id", "id"),
        Index("message_phone_number_idx", "phone_number", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    @property
    def known_delivery(self) -> Delivery | None:
        """Its delivery as it is shown; None unless it is sent."""
        return known_delivery(self.status, self.delivery)

    @property
    def reason(self) -> str | None:
        """The English sentence of its reason."""
        return None if self.reason_code is None else sentence(self.reason_code, self.reason_params)


class Attempt(Base):
    """One submission of one message to one gateway, and its result. Never changed, only completed."""

    __tablename__ = "attempt"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    duration: Mapped[float | None]
    """Seconds from the request's start to its result; None when its worker recorded none."""
    gateway: Mapped[str]
    """The gateway's name."""
    result: Mapped[Result] = mapped_column(ATTEMPT_RESULT)
    provider_code: Mapped[str | None]
    """The provider's code: an HTTP status, or a code of its contract; None without a response."""
    reason_code: Mapped[str | None]
    reason_params: Mapped[Parameters | None] = mapped_column(JSONB(none_as_null=True))
    """A ReasonCode and its parameters (shared/domain/reasons.py)."""
    provider_message_id: Mapped[str | None]
    """The provider's id of the message, which its receipts refer to."""
    worker: Mapped[str]
    segments: Mapped[int | None] = mapped_column(SmallInteger)
    """Segments that were charged; None if nothing is known about prices, or nothing was accepted."""
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    """In the currency of the gateway."""

    @property
    def reason(self) -> str | None:
        """The reason as an English sentence."""
        return None if self.reason_code is None else sentence(self.reason_code, self.reason_params)

    __table_args__ = (
        # Attempts are added roughly in order of time: a few bytes per hundred pages are enough to find those of a day.
        Index("attempt_started_at_idx", "started_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        # Receipts that name no id of ours.
        Index(
            "attempt_provider_message_id_idx",
            "provider_message_id",
            postgresql_where=text("provider_message_id IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )


class MessageUnsent(Base):
    """The messages that ended otherwise than sent, by mailing and status. A trigger on `message` keeps it."""

    __tablename__ = "message_unsent"

    mailing_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[MessageStatus] = mapped_column(MESSAGE_STATUS, primary_key=True)
    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    __table_args__ = (
        Index("message_unsent_status_message_id_idx", "status", "message_id"),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )


class MessageUndelivered(Base):
    """The messages that were not delivered, by mailing. A trigger on `message` keeps it."""

    __tablename__ = "message_undelivered"

    mailing_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    __table_args__ = (
        Index("message_undelivered_message_id_idx", "message_id"),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )


class LedgerPartition(Base):
    """A partition of `message`, `attempt`, `receipt` and the lists of messages: the messages with ids of one range.

    `make_ledger_partition` adds the tables, which are named `message_{number}` and so on. Workers make partitions ahead
    and drop old ones (worker/maintenance).
    """

    __tablename__ = "ledger_partition"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_message_id: Mapped[int]
    end_message_id: Mapped[int]
    """The first id that is not in it any more."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("first_message_id < end_message_id", name="ledger_partition_is_not_empty"),)


class MessageCountDelta(Base):
    """How many messages of a mailing have a status and a delivery, as a sum of signed rows.

    A trigger on `message` adds a row for every change in the same transaction, so the sums are exact in every snapshot
    and no transaction waits for a row lock on a counter. Workers compact the rows regularly. Those of a settled mailing
    become its final counts (`compacted`), and are added to the total, which are the rows of no mailing: all messages
    ever are the sum of what is not `compacted`.
    """

    __tablename__ = "message_count_delta"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int | None]
    """None for the total of all settled mailings."""
    status: Mapped[MessageStatus] = mapped_column(MESSAGE_STATUS)
    delivery: Mapped[Delivery | None] = mapped_column(DELIVERY)
    """That of its messages; of sent ones, none means `no_receipt`."""
    delta: Mapped[int]
    compacted: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("message_count_delta_mailing_id_idx", "mailing_id", "status"),
        Index("message_count_delta_current_idx", "mailing_id", postgresql_where=text("NOT compacted")),
        # Final counts of messages that have not ended: a consistent ledger has none (api/statistics/queries.py).
        Index(
            "message_count_delta_unended_idx",
            "mailing_id",
            postgresql_where=text("compacted AND status IN ('pending', 'sending')"),
        ),
        # Rows come and go.
        stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000),
    )
