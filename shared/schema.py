"""The tables. Worker SQL and migrations are written against these names."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from shared.domain.client_rules import ClientWarning, warnings_about
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus, MessageStatus, OnUnknown, Outcome
from shared.domain.worker_status import GatewayHealth

INFINITY = datetime.max.replace(tzinfo=UTC)
"""PostgreSQL's 'infinity', as psycopg2 reads it."""


class Base(DeclarativeBase):
    """A plain declarative base, so that the worker needs no Flask; the API binds it to flask-sqlalchemy."""

    registry = registry(
        type_annotation_map={int: BigInteger, str: Text, datetime: DateTime(timezone=True), float: Double}
    )


def _enum(python_enum: type[enum.StrEnum], name: str) -> Enum:
    return Enum(python_enum, name=name, values_callable=lambda members: [member.value for member in members])


MAILING_STATUS = _enum(MailingStatus, "mailing_status")
MESSAGE_STATUS = _enum(MessageStatus, "message_status")
OUTCOME = _enum(Outcome, "outcome")
ON_UNKNOWN = _enum(OnUnknown, "on_unknown")
ROLE = _enum(Role, "role")


def _stored(**options: float) -> dict[str, object]:
    """Storage options of a table (PostgreSQL manual, CREATE TABLE)."""
    return {"postgresql_with": options}


GATEWAY_HEALTH = _enum(GatewayHealth, "gateway_health")


class Client(Base):
    """A person in the directory."""

    __tablename__ = "client"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    phone_number: Mapped[int]
    operator_code: Mapped[str]
    tag: Mapped[str]
    timezone: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("phone_number", name="client_phone_number_key"),
        CheckConstraint("phone_number BETWEEN 1000000 AND 999999999999999", name="client_phone_number_is_e164"),
        CheckConstraint(
            "operator_code ~ '^[0-9]+$' AND position(operator_code in phone_number::text) > 0",
            name="client_operator_code_in_phone_number",
        ),
        # A launch walks its audience in id order, by operator code and by tag.
        Index("client_operator_code_id_idx", "operator_code", "id"),
        Index("client_tag_id_idx", "tag", "id"),
    )

    @property
    def warnings(self) -> list[ClientWarning]:
        """What is legal and probably not meant."""
        return warnings_about(self.phone_number)


class Mailing(Base):
    """One text to everybody whom `mark` matches, inside the window [start_datetime, end_datetime)."""

    __tablename__ = "mailing"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mark: Mapped[str]
    start_datetime: Mapped[datetime]
    end_datetime: Mapped[datetime]
    status: Mapped[MailingStatus] = mapped_column(MAILING_STATUS, server_default=MailingStatus.SCHEDULED)
    on_unknown: Mapped[OnUnknown] = mapped_column(ON_UNKNOWN, server_default=OnUnknown.RESEND)
    text_revision: Mapped[int] = mapped_column(Integer, server_default="1")
    audience: Mapped[int] = mapped_column(server_default="0")
    """Clients turned into messages so far: counted by the launch, so that it can be compared with the messages."""
    launch_started_at: Mapped[datetime | None]
    launch_cursor: Mapped[int] = mapped_column(server_default="0")
    """The last client id that the launch has passed."""
    launch_ceiling: Mapped[int | None]
    """The last client id that existed when the launch began: who joins the directory later is not in the audience."""
    launched_at: Mapped[datetime | None]
    """When the whole audience had become messages."""
    ended_at: Mapped[datetime | None]
    """When it was finished or cancelled."""
    settled_at: Mapped[datetime | None]
    """When the last of its messages had an end: there is nothing left for a worker to do."""
    removed_at: Mapped[datetime | None]
    """Since when it is hidden from the API. The ledger keeps it."""
    ledger_closed_at: Mapped[datetime | None]
    """Since when its ledger is being removed, since it is older than RETENTION_DAYS: its counts are what remains."""
    ledger_removed_at: Mapped[datetime | None]
    """When none of its messages and attempts were left."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("end_datetime > start_datetime", name="mailing_window_ends_after_its_start"),
        CheckConstraint(
            "(status IN ('finished', 'cancelled')) = (ended_at IS NOT NULL)",
            name="mailing_end_has_a_timestamp",
        ),
        CheckConstraint(
            "launched_at IS NULL OR launch_started_at IS NOT NULL",
            name="mailing_launch_began_before_it_ended",
        ),
        CheckConstraint("(launch_started_at IS NULL) = (launch_ceiling IS NULL)", name="mailing_launch_has_a_ceiling"),
        CheckConstraint("settled_at IS NULL OR ended_at IS NOT NULL", name="mailing_settled_after_its_end"),
        # What a worker looks at in every tick: few rows, however many mailings there have been.
        Index("mailing_scheduled_idx", "start_datetime", postgresql_where=text("status = 'scheduled'")),
        Index(
            "mailing_unsettled_idx",
            "id",
            postgresql_where=text("launch_started_at IS NOT NULL AND settled_at IS NULL"),
        ),
        Index("mailing_listed_idx", "id", postgresql_where=text("removed_at IS NULL")),
        Index(
            "mailing_ledger_idx",
            "settled_at",
            postgresql_where=text("settled_at IS NOT NULL AND ledger_removed_at IS NULL"),
        ),
        # Launches and states change a mailing in place: none of its indexed columns, mostly.
        _stored(fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )

    @property
    def launch_began(self) -> bool:
        """Whether its audience has begun to become messages: from then on its mark and start are history."""
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


class Message(Base):
    """One mailing to one client. Its id is the gateway's `msgId`, for ever.

    `client_id` has no foreign key on purpose: the ledger survives a client's removal. That of `mailing_id` is guarded
    by triggers, once a statement: a foreign key would look at the same mailing a million times in a launch.
    """

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int]
    client_id: Mapped[int]
    phone_number: Mapped[int]
    status: Mapped[MessageStatus] = mapped_column(MESSAGE_STATUS, server_default=MessageStatus.PENDING)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    """Attempts so far, counted at claim. With the id it names one claim: nobody else ever holds that pair."""
    attempts_spared: Mapped[int] = mapped_column(Integer, server_default="0")
    """Those of them that spoke of the gateway and not of the message: they don't count towards the limit."""
    in_doubt: Mapped[bool] = mapped_column(server_default=text("false"))
    """An attempt may have landed, and no answer has told."""
    text_revision: Mapped[int | None] = mapped_column(Integer)
    """The text it carries, set at its first claim and never changed."""
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it may be claimed; INFINITY for a suspect, whose last two attempts ended with lapsed leases: it is claimed
    by itself (worker/lanes/poison_messages.py)."""
    claimed_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_worker: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        # Client first: it also answers "what did we send to this person?"; a mailing's list has its own index.
        UniqueConstraint("client_id", "mailing_id", name="message_client_id_mailing_id_key"),
        CheckConstraint("(status = 'sending') = (lease_until IS NOT NULL)", name="message_sending_has_a_lease"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="message_sent_has_a_timestamp"),
        CheckConstraint("(status IN ('pending', 'sending')) = (ended_at IS NULL)", name="message_end_has_a_timestamp"),
        CheckConstraint("attempts_spared BETWEEN 0 AND attempts", name="message_attempts_spared_are_attempts"),
        Index("message_due_idx", "mailing_id", "due_at", "id", postgresql_where=text("status = 'pending'")),
        Index("message_lease_idx", "lease_until", postgresql_where=text("status = 'sending'")),
        # Every change of a message adds an entry to every index that has its new state. So what is listed by status is
        # in them as little as can be: those in workers' hands, which are few, are found by their leases.
        Index("message_listed_idx", "mailing_id", "status", "id", postgresql_where=text("status <> 'sending'")),
        Index("message_ended_idx", "status", "id", postgresql_where=text("status NOT IN ('pending', 'sending')")),
        Index("message_phone_number_idx", "phone_number", "id"),
        # Half of each page is left free for the claimed row, and then, in place of the one before, for the recorded
        # one: a message stays on its page for life, and the write-ahead log gets differences.
        _stored(
            fillfactor=50,
            autovacuum_vacuum_scale_factor=0.02,
            autovacuum_vacuum_threshold=10000,
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_analyze_scale_factor=0.02,
            autovacuum_vacuum_cost_limit=2000,
        ),
    )


class Attempt(Base):
    """One request to the gateway for one message, and what came of it. Never changed, only completed."""

    __tablename__ = "attempt"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    duration: Mapped[float | None]
    """Seconds from the request's start to its answer; none when nobody lived to see one."""
    outcome: Mapped[Outcome] = mapped_column(OUTCOME)
    http_status: Mapped[int | None] = mapped_column(SmallInteger)
    detail: Mapped[str | None]
    worker: Mapped[str]

    __table_args__ = (
        # Attempts are added in the order of time, or nearly: a few bytes for each hundred pages find those of a day.
        Index("attempt_started_at_idx", "started_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        # Only added to.
        _stored(autovacuum_vacuum_insert_scale_factor=0.05, autovacuum_analyze_scale_factor=0.02),
    )


class MessageTally(Base):
    """How many messages of a mailing are in a status, as a sum of signed rows.

    A trigger on `message` adds a row for every change in the same transaction, so the sums are exact in every
    snapshot and nobody waits for a counter's row lock; a worker folds the rows together now and then. Those of a
    settled mailing it folds into its final counts (`in_total`) and adds to the total, which are the rows of no mailing:
    all messages ever are the sum of what is not `in_total`.
    """

    __tablename__ = "message_tally"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int | None]
    """None for the total of settled mailings."""
    status: Mapped[MessageStatus] = mapped_column(MESSAGE_STATUS)
    messages: Mapped[int]
    in_total: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("message_tally_mailing_id_idx", "mailing_id", "status"),
        Index("message_tally_current_idx", "mailing_id", postgresql_where=text("NOT in_total")),
        # Final counts of messages without an end: a sound ledger has none (api/statistics/queries.py).
        Index(
            "message_tally_unended_idx",
            "mailing_id",
            postgresql_where=text("in_total AND status IN ('pending', 'sending')"),
        ),
        # Rows come and go.
        _stored(autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000),
    )


class Pace(Base):
    """The fleet's pace: one row, which says from when on the next slot for a request is free."""

    __tablename__ = "pace"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    next_slot: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("id = 1", name="pace_is_one_row"),
        # One row, changed with every claim, in place.
        _stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class JournalEntry(Base):
    """What a person did to a mailing: edited, paused, resumed, cancelled, retried. Only ever added to."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    action: Mapped[str]
    detail: Mapped[str | None]
    actor_name: Mapped[str | None]
    """Their name then; none for a command, and for what was done before this was kept."""
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Of an edit: the terms that it changed, each before and after; of the text, the two revisions."""

    __table_args__ = (Index("journal_mailing_id_id_idx", "mailing_id", "id"),)


class KeptAnswer(Base):
    """The answer to a request that carried an Idempotency-Key, written with what the request did, in one commit."""

    __tablename__ = "kept_answer"

    key: Mapped[str] = mapped_column(primary_key=True)
    """Who sent it, and the Idempotency-Key: two people's are two."""
    request_hash: Mapped[bytes]
    """Of method, path and body: the same key with another one is a mistake."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("kept_answer_created_at_idx", "created_at"),)


class MailingDraft(Base):
    """A mailing that is being written in the console: it may be incomplete, and no worker knows of it.

    One that was sent names its mailing and keeps no fields: to undo the sending, the mailing becomes this draft again.
    """

    __tablename__ = "mailing_draft"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    """What was typed, by the names of a mailing's terms; dates in UTC, as RFC 3339 writes them."""
    created_by: Mapped[str]
    """Who wrote it, as in the audit."""
    created_by_name: Mapped[str]
    updated_by_name: Mapped[str | None]
    """Who wrote what stands in it now; none as long as nobody has changed it."""
    mailing_id: Mapped[int | None] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("mailing_id", name="mailing_draft_mailing_id_key"),
        Index("mailing_draft_unsent_idx", "id", postgresql_where=text("mailing_id IS NULL")),
    )

    @property
    def written_by_name(self) -> str:
        """Who wrote what stands in it now."""
        return self.updated_by_name or self.created_by_name


class MailingDraftVersion(Base):
    """What stood in a draft before a change, with who had written it and when. It goes with the draft."""

    __tablename__ = "mailing_draft_version"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("mailing_draft.id", ondelete="CASCADE"))
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    written_at: Mapped[datetime]
    written_by_name: Mapped[str]

    __table_args__ = (Index("mailing_draft_version_draft_id_id_idx", "draft_id", "id"),)


class ApiKey(Base):
    """A key to the API. What is kept of it is enough to recognise it, and not to use it. Never deleted."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    prefix: Mapped[str]
    """The part of the key that everybody may see."""
    key_hash: Mapped[bytes]
    """SHA-256 of the whole key."""
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(ROLE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str]
    last_used_at: Mapped[datetime | None]
    """To the minute or so."""
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("prefix", name="api_key_prefix_key"),)


class SignInLink(Base):
    """A link that signs a browser in, once and soon."""

    __tablename__ = "sign_in_link"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    actor: Mapped[str]
    """Whom it signs in, as in the audit."""
    expires_at: Mapped[datetime]


class BrowserSession(Base):
    """Somebody who is signed in with a browser: its cookie holds the token."""

    __tablename__ = "browser_session"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    actor: Mapped[str]
    """Who it is, as in the audit."""
    name: Mapped[str]
    role: Mapped[Role | None] = mapped_column(ROLE)
    """What the provider said at the sign-in; none for a key, whose role is looked up."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    """When it is over unless it is used before."""

    __table_args__ = (Index("browser_session_expires_at_idx", "expires_at"),)


class CookieSecret(Base):
    """What cookies are signed with when the environment has no SECRET_KEY: one row, made by the migration."""

    __tablename__ = "cookie_secret"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    secret: Mapped[bytes]

    __table_args__ = (CheckConstraint("id = 1", name="cookie_secret_is_one_row"),)


class AuditEntry(Base):
    """Who did what, from where, to what. Written with what was done, in one commit; triggers refuse all but adding."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    """`key:` and its prefix, `oidc:` and a subject, `environment:` and a fingerprint of API_KEY, `system:` and a user;
    `nobody` for a sign-in that failed."""
    actor_name: Mapped[str]
    role: Mapped[Role | None] = mapped_column(ROLE)
    address: Mapped[str | None]
    operation: Mapped[str]
    """The operationId of the OpenAPI document, or what a sign-in or a command did."""
    object: Mapped[str | None]
    object_id: Mapped[int | None]
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What changed, from what to what; no texts and no whole phone numbers, since nothing here can be erased."""
    request_id: Mapped[str | None]

    __table_args__ = (
        Index("audit_entry_at_idx", "at"),
        Index("audit_entry_actor_id_idx", "actor", "id"),
        Index("audit_entry_operation_id_idx", "operation", "id"),
        Index("audit_entry_object_id_idx", "object", "object_id", "id"),
    )


class WorkerReport(Base):
    """What a worker did since its last report, and how it stands. Kept for an hour."""

    __tablename__ = "worker_report"

    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    worker: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[float]
    """How long a time the counts are of."""
    accepted: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    throttled: Mapped[int] = mapped_column(Integer)
    unreachable: Mapped[int] = mapped_column(Integer)
    unauthorized: Mapped[int] = mapped_column(Integer)
    ambiguous: Mapped[int] = mapped_column(Integer)
    in_hand: Mapped[int] = mapped_column(Integer)
    """Messages claimed and not recorded yet."""
    send_limit: Mapped[int] = mapped_column(Integer)
    """Requests at a time that the worker allows itself just now."""
    gateway: Mapped[GatewayHealth] = mapped_column(GATEWAY_HEALTH)
    detail: Mapped[str | None]
    """What the gateway or the network last said, while there is trouble."""
    stopped: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether this is the last one: the worker was told to stop."""


class GatewayContact(Base):
    """The last requests to the gateway and what came of them: one row, written with workers' reports.

    There is none before the first request.
    """

    __tablename__ = "gateway_contact"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    asked_at: Mapped[datetime]
    """When the last request ended, with an answer or without."""
    answered_at: Mapped[datetime | None]
    """When one last ended with an answer, whatever it said."""
    accepted_at: Mapped[datetime | None]
    """When it last accepted a message."""
    outcome: Mapped[Outcome] = mapped_column(OUTCOME)
    """Of the last request."""
    detail: Mapped[str | None]
    """What was said of it, if it was not accepted."""

    __table_args__ = (
        CheckConstraint("id = 1", name="gateway_contact_is_one_row"),
        # Changed every few seconds, in place.
        _stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class DailyReport(Base):
    """The daily report on a day: who sends it holds it until `lease_until`."""

    __tablename__ = "daily_report"

    day: Mapped[date] = mapped_column(primary_key=True)
    lease_until: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, server_default="1")
    sent_at: Mapped[datetime | None]
