"""Mailings, their texts, drafts and history."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.field_types import FieldType
from shared.domain.statuses import MailingKind, MailingStatus, OnUnknown, OverCap
from shared.schema.base import (
    FIELD_TYPE,
    MAILING_KIND,
    MAILING_STATUS,
    ON_UNKNOWN,
    OVER_CAP,
    Base,
    stored,
)
from shared.schema.sending_rules import LOCAL_WINDOW_IS_WHOLE


class Mailing(Base):
    """One text to all clients that `mark` or a segment matches, inside the window [start_datetime, end_datetime)."""

    __tablename__ = "mailing"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mark: Mapped[str]
    """Empty if its audience is a segment."""
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segment.id"))
    """The saved segment that is its audience."""
    segment: Mapped[str | None]
    """The segment that is its audience: typed for this mailing alone, or as the saved one was at the launch."""
    segment_tree: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The syntax tree of `segment`."""
    excluded_segment_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """The saved segments whose clients are left out of its audience."""
    excluded_trees: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    """Their `id` and `tree`, as they were at the launch."""
    audience_frozen_at: Mapped[datetime | None]
    """When its audience was listed in `mailing_audience`; None for a mark alone, and before."""
    audience_failed_at: Mapped[datetime | None]
    """When its audience could not be listed, for the reason in its history; None once it is resumed."""
    start_datetime: Mapped[datetime]
    end_datetime: Mapped[datetime]
    status: Mapped[MailingStatus] = mapped_column(MAILING_STATUS, server_default=MailingStatus.SCHEDULED)
    on_unknown: Mapped[OnUnknown] = mapped_column(ON_UNKNOWN, server_default=OnUnknown.RESEND)
    route_id: Mapped[int | None] = mapped_column(ForeignKey("route.id"))
    """The route of its messages; None for the one that each number has."""
    gateway_id: Mapped[int | None] = mapped_column(ForeignKey("gateway.id"))
    """The only gateway that its messages may take, for the test of a gateway."""
    exclude_unknown_after: Mapped[int | None] = mapped_column(Integer)
    """Clients whose number so many receipts in a row called unknown are left out of its audience; None for nobody."""
    kind: Mapped[MailingKind] = mapped_column(MAILING_KIND, server_default=MailingKind.MARKETING)
    local_from: Mapped[int | None] = mapped_column(SmallInteger)
    """The minute of the day from which its messages may be sent, in the time zone of each client; None without a local
    window."""
    local_until: Mapped[int | None] = mapped_column(SmallInteger)
    """The minute of the day from which they may not be sent any more; 1440 for midnight."""
    local_weekdays: Mapped[int | None] = mapped_column(SmallInteger)
    """The days of the week on which they may be sent: bit 0 is Monday, bit 6 is Sunday."""
    holiday_calendar_id: Mapped[int | None] = mapped_column(ForeignKey("holiday_calendar.id"))
    """The days on which they may not be sent."""
    default_timezone: Mapped[str | None]
    """The time zone of clients whose own is not known; None to write to none of them."""
    requires_consent: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether only numbers with a consent to marketing are written to."""
    over_cap: Mapped[OverCap] = mapped_column(OVER_CAP, server_default=OverCap.WAIT)
    spending_limit: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    """What its messages may cost, in `spending_currency`; None for no limit."""
    spending_currency: Mapped[str | None]
    requires_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a second person approves it before it starts."""
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    """The name of who approved it."""
    created_by: Mapped[str | None]
    """The actor who added it, as in the audit; None for a command and for one of an earlier version."""
    edited_by: Mapped[str | None]
    """The actor who changed it last."""
    text_revision: Mapped[int] = mapped_column(Integer, server_default="1")
    personalised: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether any of its texts is a template: claims of its messages fix the values of clients."""
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
        CheckConstraint(
            "(mark = '') = (segment_id IS NOT NULL OR segment IS NOT NULL)", name="mailing_takes_a_mark_or_a_segment"
        ),
        CheckConstraint("(segment IS NULL) = (segment_tree IS NULL)", name="mailing_segment_has_a_tree"),
        # A worker of an earlier version, which knows neither segments nor exclusions, must not launch such a mailing.
        CheckConstraint(
            "(mark <> '' AND excluded_segment_ids = '{}') OR audience_frozen_at IS NOT NULL "
            "OR (audience = 0 AND launched_at IS NULL)",
            name="mailing_audience_is_listed_before_messages",
        ),
        CheckConstraint(LOCAL_WINDOW_IS_WHOLE, name="mailing_local_window_is_whole"),
        CheckConstraint("(spending_limit IS NULL) = (spending_currency IS NULL)", name="mailing_limit_has_a_currency"),
        CheckConstraint("spending_limit >= 0", name="mailing_limit_is_not_negative"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="mailing_approved_by_somebody"),
        CheckConstraint(
            "NOT requires_approval OR approved_at IS NOT NULL OR status <> 'running'",
            name="mailing_runs_only_while_it_is_approved",
        ),
        Index("mailing_segment_id_idx", "segment_id", postgresql_where=text("segment_id IS NOT NULL")),
        CheckConstraint("exclude_unknown_after > 0", name="mailing_exclude_unknown_after_is_positive"),
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
    fields: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """The fields of clients that the template uses, in the order of `message.text_values`; None for a plain text."""
    field_types: Mapped[list[FieldType] | None] = mapped_column(ARRAY(FIELD_TYPE))
    """The types of `fields`."""
    template_id: Mapped[int | None] = mapped_column(ForeignKey("template.id", ondelete="SET NULL"))
    """The saved template that it was made from."""
    template_revision: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("cardinality(fields) > 0", name="mailing_text_fields_are_some"),
        CheckConstraint(
            "NOT cardinality(fields) IS DISTINCT FROM cardinality(field_types)", name="mailing_text_fields_have_types"
        ),
        Index(
            "mailing_text_template_id_idx", "template_id", postgresql_where=literal_column("template_id IS NOT NULL")
        ),
        # In bytes, of which a character has up to 4, since what a character is depends on the database's encoding.
        CheckConstraint("octet_length(text) BETWEEN 1 AND 6400", name="mailing_text_is_1_to_1600_characters"),
    )


class MailingAudience(Base):
    """The clients of an audience that is a segment, or has excluded ones, as they were at its launch, until they are
    messages.

    It has no foreign key: the check would lock the mailing's row for the rest of the transaction that lists them.
    """

    __tablename__ = "mailing_audience"

    mailing_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_client_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """In order; no more than a launch takes in one transaction."""

    __table_args__ = (stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),)


class MailingPlan(Base):
    """What the plan of a mailing said, to be compared with what was sent."""

    __tablename__ = "mailing_plan"

    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True)
    planned_at: Mapped[datetime] = mapped_column(server_default=func.now())
    plan: Mapped[dict[str, Any]] = mapped_column(JSONB)


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
    """An action on a mailing: edited, paused, resumed, cancelled, retried. Rows are only added.

    Mostly those of people; workers add why an audience could not be listed.
    """

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
