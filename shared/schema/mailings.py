"""Mailings, their texts, drafts and history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.statuses import MailingStatus, OnUnknown
from shared.schema.base import (
    MAILING_STATUS,
    ON_UNKNOWN,
    Base,
    stored,
)


class Mailing(Base):
    """One text to all clients that `mark` matches, inside the window [start_datetime, end_datetime)."""

    __tablename__ = "mailing"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mark: Mapped[str]
    start_datetime: Mapped[datetime]
    end_datetime: Mapped[datetime]
    status: Mapped[MailingStatus] = mapped_column(MAILING_STATUS, server_default=MailingStatus.SCHEDULED)
    on_unknown: Mapped[OnUnknown] = mapped_column(ON_UNKNOWN, server_default=OnUnknown.RESEND)
    route_id: Mapped[int | None] = mapped_column(ForeignKey("route.id"))
    """The route of its messages; None for the one that each number has."""
    gateway_id: Mapped[int | None] = mapped_column(ForeignKey("gateway.id"))
    """The only gateway that its messages may take, for the test of a gateway."""
    text_revision: Mapped[int] = mapped_column(Integer, server_default="1")
    audience: Mapped[int] = mapped_column(server_default="0")
    """Clients turned into messages so far. The launch counts them, so that they can be compared with the messages."""
    launch_started_at: Mapped[datetime | None]
    last_client_id: Mapped[int] = mapped_column(server_default="0")
    """The last client id that the launch has passed."""
    max_client_id: Mapped[int | None]
    """The last client id that existed when the launch began: later clients are not in the audience."""
    launched_at: Mapped[datetime | None]
    """When the whole audience had become messages."""
    ended_at: Mapped[datetime | None]
    """When it was finished or cancelled."""
    settled_at: Mapped[datetime | None]
    """When the last of its messages ended: there is nothing left for a worker to do."""
    deleted_at: Mapped[datetime | None]
    """Since when it is hidden from the API. The ledger keeps it."""
    purge_started_at: Mapped[datetime | None]
    """When the purge of its messages began, after RETENTION_DAYS: only its counts remain."""
    purged_at: Mapped[datetime | None]
    """When none of its messages and attempts were left."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("route_id IS NULL OR gateway_id IS NULL", name="mailing_takes_a_route_or_a_gateway"),
        CheckConstraint("end_datetime > start_datetime", name="mailing_window_ends_after_its_start"),
        CheckConstraint(
            "(status IN ('finished', 'cancelled')) = (ended_at IS NOT NULL)",
            name="mailing_end_has_a_timestamp",
        ),
        CheckConstraint(
            "launched_at IS NULL OR launch_started_at IS NOT NULL",
            name="mailing_launch_began_before_it_ended",
        ),
        CheckConstraint(
            "(launch_started_at IS NULL) = (max_client_id IS NULL)", name="mailing_launch_has_a_max_client_id"
        ),
        CheckConstraint("settled_at IS NULL OR ended_at IS NOT NULL", name="mailing_settled_after_its_end"),
        # For the queries of every tick: few rows, however many mailings there have been.
        Index("mailing_scheduled_idx", "start_datetime", postgresql_where=text("status = 'scheduled'")),
        Index(
            "mailing_unsettled_idx",
            "id",
            postgresql_where=text("launch_started_at IS NOT NULL AND settled_at IS NULL"),
        ),
        Index("mailing_listed_idx", "id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "mailing_unpurged_idx",
            "settled_at",
            postgresql_where=text("settled_at IS NOT NULL AND purged_at IS NULL"),
        ),
        # Launches and states change a mailing in place: none of its indexed columns, mostly.
        stored(fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )

    @property
    def launch_began(self) -> bool:
        """Whether the launch has begun: from then on its mark and start cannot be changed."""
        return self.launch_started_at is not None


class MailingText(Base):
    """The texts of a mailing, one per revision. A message that was attempted keeps its revision for every repeat."""

    __tablename__ = "mailing_text"

    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        # In bytes, of which a character has up to 4, since what a character is depends on the database's encoding.
        CheckConstraint("octet_length(text) BETWEEN 1 AND 6400", name="mailing_text_is_1_to_1600_characters"),
    )


class MailingDraft(Base):
    """A mailing that is being written in the console: it may be incomplete, and workers do not read it.

    A submitted draft refers to its mailing and has no fields: if that is undone, the mailing becomes this draft again.
    """

    __tablename__ = "mailing_draft"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    """What was typed, by the names of a mailing's fields; dates in UTC, in the format of RFC 3339."""
    created_by: Mapped[str]
    """The author, as in the audit."""
    created_by_name: Mapped[str]
    updated_by_name: Mapped[str | None]
    """The author of the current contents; None until the draft is changed for the first time."""
    mailing_id: Mapped[int | None] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("mailing_id", name="mailing_draft_mailing_id_key"),
        Index("mailing_draft_unsent_idx", "id", postgresql_where=text("mailing_id IS NULL")),
    )

    @property
    def written_by_name(self) -> str:
        """The author of the current contents."""
        return self.updated_by_name or self.created_by_name


class MailingDraftVersion(Base):
    """The contents of a draft before a change, with their author and date. Deleted with the draft."""

    __tablename__ = "mailing_draft_version"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("mailing_draft.id", ondelete="CASCADE"))
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    written_at: Mapped[datetime]
    written_by_name: Mapped[str]

    __table_args__ = (Index("mailing_draft_version_draft_id_id_idx", "draft_id", "id"),)


class MailingEvent(Base):
    """An action of a person on a mailing: edited, paused, resumed, cancelled, retried. Rows are only added."""

    __tablename__ = "mailing_event"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    action: Mapped[str]
    detail: Mapped[str | None]
    """The English sentence of `detail_code`; alone in entries that a version before 0015 has written since."""
    detail_code: Mapped[str | None]
    """One of EventDetail (shared/domain/sentences.py)."""
    detail_params: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    actor_name: Mapped[str | None]
    """The actor's name at that time; None for a command, and for events from before names were stored."""
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """For an edit: the changed fields with old and new values; for the text, the two revisions."""

    __table_args__ = (Index("mailing_event_mailing_id_id_idx", "mailing_id", "id"),)
