"""What workers share and report."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    Integer,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.statuses import Outcome
from shared.domain.worker_status import GatewayHealth
from shared.schema.base import (
    GATEWAY_HEALTH,
    OUTCOME,
    Base,
    stored,
)


class RateLimit(Base):
    """The fleet's pace: one row, which says from when on the next slot for a request is free."""

    __tablename__ = "pace"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    next_slot: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("id = 1", name="pace_is_one_row"),
        # One row, changed with every claim, in place.
        stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
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
        stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class DailyReport(Base):
    """The daily report on a day: who sends it holds it until `lease_until`."""

    __tablename__ = "daily_report"

    day: Mapped[date] = mapped_column(primary_key=True)
    lease_until: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, server_default="1")
    sent_at: Mapped[datetime | None]
