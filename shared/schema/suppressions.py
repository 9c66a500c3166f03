"""Who must not be written to, and who consented: records by phone number, which outlive clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.statuses import MailingKind
from shared.domain.suppressions import (
    COVER_SENTENCES,
    COVERED_KINDS,
    RecordSource,
    SuppressionReason,
    SuppressionScope,
)
from shared.schema.base import RECORD_SOURCE, SUPPRESSION_REASON, SUPPRESSION_SCOPE, Base


class Suppression(Base):
    """A number that must not be written to. Never deleted: one that does not hold any more has `lifted_at`."""

    __tablename__ = "suppression"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    phone_number: Mapped[int | None]
    """None once it was erased. It is set again if a client with that number is added."""
    number_hash: Mapped[bytes | None]
    """A keyed hash of an erased number."""
    scope: Mapped[SuppressionScope] = mapped_column(SUPPRESSION_SCOPE)
    gateway_id: Mapped[int | None] = mapped_column(ForeignKey("gateway.id"))
    """The gateway whose messages it forbids, for the scope `gateway`."""
    reason: Mapped[SuppressionReason] = mapped_column(SUPPRESSION_REASON)
    source: Mapped[RecordSource] = mapped_column(RECORD_SOURCE)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """What proves it: a note, the inbound message, the message whose link was followed."""
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    recorded_by: Mapped[str | None]
    """The name of who recorded it; None for a worker and for the recipient."""
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lift_evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What proves that the person wants messages again."""

    @property
    def covers(self) -> Sequence[MailingKind]:
        """The kinds of mailings whose messages it forbids while it is in force."""
        return COVERED_KINDS[self.scope]

    @property
    def covers_text(self) -> str:
        """The same as a sentence."""
        return COVER_SENTENCES[self.scope]

    __table_args__ = (
        CheckConstraint("phone_number IS NOT NULL OR number_hash IS NOT NULL", name="suppression_has_a_number"),
        CheckConstraint("(scope = 'gateway') = (gateway_id IS NOT NULL)", name="suppression_of_a_gateway_names_it"),
        CheckConstraint("(lifted_at IS NULL) = (lift_evidence IS NULL)", name="suppression_lift_has_evidence"),
        # Claims look numbers up in it.
        Index(
            "suppression_in_force_key",
            "phone_number",
            "scope",
            literal_column("COALESCE(gateway_id, 0)"),
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        Index("suppression_phone_number_idx", "phone_number", "id"),
        Index("suppression_number_hash_idx", "number_hash", postgresql_where=text("number_hash IS NOT NULL")),
    )


class Consent(Base):
    """A consent of the person with a phone number: to what, when, how, to which wording. Never deleted or changed but
    for its withdrawal.
    """

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    phone_number: Mapped[int | None]
    """None once it was erased."""
    number_hash: Mapped[bytes | None]
    """A keyed hash of an erased number."""
    purpose: Mapped[str] = mapped_column(server_default="marketing")
    """What was consented to. Mailings that require consent need one with the purpose `marketing`."""
    given_at: Mapped[datetime]
    method: Mapped[str]
    """How it was given, such as `web form` or `paper form`."""
    wording: Mapped[str]
    """The text that was consented to."""
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    source: Mapped[RecordSource] = mapped_column(RECORD_SOURCE)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    recorded_by: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawal_recorded_at: Mapped[datetime | None]
    withdrawal_recorded_by: Mapped[str | None]
    withdrawal_evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (
        CheckConstraint("phone_number IS NOT NULL OR number_hash IS NOT NULL", name="consent_has_a_number"),
        CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawal_evidence IS NULL) "
            "AND (withdrawn_at IS NULL) = (withdrawal_recorded_at IS NULL)",
            name="consent_withdrawal_has_evidence",
        ),
        Index("consent_in_force_idx", "phone_number", postgresql_where=text("withdrawn_at IS NULL")),
        Index("consent_phone_number_idx", "phone_number", "id"),
        Index("consent_number_hash_idx", "number_hash", postgresql_where=text("number_hash IS NOT NULL")),
    )
