"""The rules of sending that concern all mailings, and the counters that enforce them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.suppressions import KeywordAction
from shared.schema.base import KEYWORD_ACTION, Base, stored

LOCAL_WINDOW_IS_WHOLE = (
    "(local_from IS NULL) = (local_until IS NULL) AND (local_from IS NULL) = (local_weekdays IS NULL) "
    "AND (local_from IS NULL OR local_from BETWEEN 0 AND 1439 AND local_until BETWEEN local_from + 1 AND 1440 "
    "AND local_weekdays BETWEEN 1 AND 127)"
)
"""The constraint of a local window, in `mailing` and `sending_rules`."""

_COUNTER = {"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000}


class HolidayCalendar(Base):
    """A list of days on which local windows are closed."""

    __tablename__ = "holiday_calendar"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="")
    """Where its days are from."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]
    """Since when nothing can take it any more. Mailings that have it keep it: they may run again."""

    __table_args__ = (
        Index("holiday_calendar_name_key", "name", unique=True, postgresql_where=text("removed_at IS NULL")),
    )


class Holiday(Base):
    """A day of a calendar."""

    __tablename__ = "holiday"

    calendar_id: Mapped[int] = mapped_column(ForeignKey("holiday_calendar.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    name: Mapped[str] = mapped_column(server_default="")


class SendingRules(Base):
    """One row: the defaults of new mailings, and what is required of all."""

    __tablename__ = "sending_rules"

    id: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    local_from: Mapped[int | None] = mapped_column(SmallInteger)
    """Of the default local window, as in `mailing`."""
    local_until: Mapped[int | None] = mapped_column(SmallInteger)
    local_weekdays: Mapped[int | None] = mapped_column(SmallInteger)
    holiday_calendar_id: Mapped[int | None] = mapped_column(ForeignKey("holiday_calendar.id"))
    default_timezone: Mapped[str | None]
    requires_consent: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether new marketing mailings require consent unless they say otherwise."""
    requires_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a second person approves each new mailing."""
    daily_spending_limit: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    """What all messages of a day (UTC) may cost, in `spending_currency`."""
    spending_currency: Mapped[str | None]
    replies: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """Texts of replies to keywords, by action and language, that differ from the defaults; null for no reply."""
    reply_language: Mapped[str] = mapped_column(server_default="en")
    """The language of replies to keywords that several languages have."""
    opt_out_secret: Mapped[bytes] = mapped_column(
        server_default=text("sha256((((gen_random_uuid())::text || (gen_random_uuid())::text))::bytea)")
    )
    """Signs opt-out links. Never changed: repeats of a message have the same link."""
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("id", name="sending_rules_are_one_row"),
        CheckConstraint(LOCAL_WINDOW_IS_WHOLE, name="sending_rules_local_window_is_whole"),
        CheckConstraint(
            "(daily_spending_limit IS NULL) = (spending_currency IS NULL)", name="sending_rules_limit_has_a_currency"
        ),
        CheckConstraint("daily_spending_limit >= 0", name="sending_rules_limit_is_not_negative"),
    )


class Reschedule(Base):
    """A mailing whose messages that wait for a local window may be due at another time since a change: a worker
    computes it again, in the order of their ids.
    """

    __tablename__ = "reschedule"

    mailing_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    requested_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_message_id: Mapped[int] = mapped_column(server_default="0")
    """The last message that the worker has passed."""


class MessageCap(Base):
    """At most `messages` marketing messages to one number in any `period_hours`, over all mailings."""

    __tablename__ = "message_cap"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    messages: Mapped[int] = mapped_column(Integer)
    period_hours: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        UniqueConstraint("period_hours", name="message_cap_period_hours_key"),
        CheckConstraint(
            "messages BETWEEN 1 AND 100 AND period_hours BETWEEN 1 AND 8784", name="message_cap_is_positive"
        ),
    )


class NumberUsage(Base):
    """The marketing messages that a number was claimed for within the longest period of a cap. Claims lock the row, so
    that caps hold exactly.
    """

    __tablename__ = "number_usage"

    phone_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    claimed_until: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    """When the lease of the last claim of each ends: its request leaves before."""

    __table_args__ = (
        CheckConstraint(
            "cardinality(message_ids) = cardinality(claimed_until)", name="number_usage_has_a_time_for_each"
        ),
        stored(**_COUNTER),
    )


class Spending(Base):
    """What the messages of a mailing with a spending limit cost, those in flight included."""

    __tablename__ = "spending"

    mailing_id: Mapped[int] = mapped_column(
        ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(20, 6), server_default=text("0"))

    __table_args__ = (stored(**_COUNTER),)


class DailySpending(Base):
    """What all messages of a day (UTC) cost, those in flight included, while there is a daily limit."""

    __tablename__ = "daily_spending"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(20, 6), server_default=text("0"))

    __table_args__ = (stored(**_COUNTER),)


class KeywordReply(Base):
    """The mailing that has the replies of a day to a keyword: each client gets each reply once a day."""

    __tablename__ = "keyword_reply"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    gateway_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action: Mapped[KeywordAction] = mapped_column(KEYWORD_ACTION, primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailing.id", ondelete="CASCADE"))
