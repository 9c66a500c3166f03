"""The ledger: messages, attempts, and their counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.reasons import Parameters, sentence
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.schema.base import (
    ATTEMPT_RESULT,
    MESSAGE_STATUS,
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
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it may be claimed; INFINITY for a poison message, whose last two attempts ended with expired leases: it is
    claimed alone (worker/lanes/poison_messages.py)."""
    claimed_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_worker: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason_code: Mapped[str | None]
    """Why it has this status (shared/domain/reasons.py); while it is pending, the reason of its last attempt."""
    reason_params: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        # Client first: it also serves the list of messages to one client; the list of a mailing has its own index.
        UniqueConstraint("client_id", "mailing_id", name="message_client_id_mailing_id_key"),
        CheckConstraint("(status = 'sending') = (lease_until IS NOT NULL)", name="message_sending_has_a_lease"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="message_sent_has_a_timestamp"),
        CheckConstraint("(status IN ('pending', 'sending')) = (ended_at IS NULL)", name="message_end_has_a_timestamp"),
        CheckConstraint("uncounted_attempts BETWEEN 0 AND attempts", name="message_uncounted_attempts_are_attempts"),
        Index("message_due_idx", "mailing_id", "due_at", "id", postgresql_where=text("status = 'pending'")),
        Index("message_lease_idx", "lease_until", postgresql_where=text("status = 'sending'")),
        # Every change of a message adds an entry to every index that contains its new state. So the indexes by status
        # omit what they can: messages in flight, which are few, are found by their leases.
        Index("message_listed_idx", "mailing_id", "status", "id", postgresql_where=text("status <> 'sending'")),
        Index("message_ended_idx", "status", "id", postgresql_where=text("status NOT IN ('pending', 'sending')")),
        Index("message_phone_number_idx", "phone_number", "id"),
        # Half of each page is left free for the new versions of its rows: a message stays on its page through claim and
        # result, and the write-ahead log gets only differences.
        stored(
            fillfactor=50,
            autovacuum_vacuum_scale_factor=0.02,
            autovacuum_vacuum_threshold=10000,
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_analyze_scale_factor=0.02,
            autovacuum_vacuum_cost_limit=2000,
        ),
    )

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

    @property
    def reason(self) -> str | None:
        """The reason as an English sentence."""
        return None if self.reason_code is None else sentence(self.reason_code, self.reason_params)

    __table_args__ = (
        # Attempts are added roughly in order of time: a few bytes per hundred pages are enough to find those of a day.
        Index("attempt_started_at_idx", "started_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        # Only added to.
        stored(autovacuum_vacuum_insert_scale_factor=0.05, autovacuum_analyze_scale_factor=0.02),
    )


class MessageCountDelta(Base):
    """How many messages of a mailing are in a status, as a sum of signed rows.

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
