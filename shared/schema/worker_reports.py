"""Rate limits, workers' reports, gateway contacts, daily reports."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    Integer,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.reasons import Parameters
from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.schema.base import (
    ATTEMPT_RESULT,
    GATEWAY_HEALTH,
    Base,
    stored,
)


class RateLimit(Base):
    """A gateway's rate limit: when the next slot for a request to it begins."""

    __tablename__ = "rate_limit"

    gateway: Mapped[str] = mapped_column(primary_key=True)
    next_slot_at: Mapped[datetime]

    __table_args__ = (
        # Few rows, changed with every claim, in place.
        stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class WorkerReport(Base):
    """What a worker did at a gateway since its last report, and its status. Deleted after an hour."""

    __tablename__ = "worker_report"

    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    worker: Mapped[str] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(primary_key=True)
    """The gateway's name."""
    interval_seconds: Mapped[float]
    """Seconds that the counts cover."""
    accepted: Mapped[int] = mapped_column(Integer)
    duplicate: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    retriable: Mapped[int] = mapped_column(Integer)
    opted_out: Mapped[int] = mapped_column(Integer)
    throttled: Mapped[int] = mapped_column(Integer)
    unreachable: Mapped[int] = mapped_column(Integer)
    misconfigured: Mapped[int] = mapped_column(Integer)
    no_credit: Mapped[int] = mapped_column(Integer)
    ambiguous: Mapped[int] = mapped_column(Integer)
    in_flight: Mapped[int] = mapped_column(Integer)
    """Messages claimed and not recorded yet."""
    concurrency_limit: Mapped[int] = mapped_column(Integer)
    """The current limit of concurrent requests."""
    gateway_state: Mapped[GatewayHealth] = mapped_column(GATEWAY_HEALTH)
    provider_code: Mapped[str | None]
    reason_code: Mapped[str | None]
    reason_params: Mapped[Parameters | None] = mapped_column(JSONB(none_as_null=True))
    """The reason of the last failure; None while the gateway is healthy."""
    stopped: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether this is the last report of a worker that was stopped."""


class GatewayContact(Base):
    """The last requests to a gateway and their results, written with workers' reports.

    There is no row before the first request.
    """

    __tablename__ = "gateway_contact"

    gateway: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
    """When the last request ended, with a response or without."""
    answered_at: Mapped[datetime | None]
    """When a request last ended with any response."""
    accepted_at: Mapped[datetime | None]
    """When it last accepted a message."""
    result: Mapped[Result] = mapped_column(ATTEMPT_RESULT)
    """Of the last request."""
    provider_code: Mapped[str | None]
    reason_code: Mapped[str | None]
    reason_params: Mapped[Parameters | None] = mapped_column(JSONB(none_as_null=True))
    """The reason, if it was not accepted."""

    __table_args__ = (
        # Changed every few seconds, in place.
        stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class DailyReport(Base):
    """The daily report about one day: the worker that sends it has a lease until `lease_until`."""

    __tablename__ = "daily_report"

    day: Mapped[date] = mapped_column(primary_key=True)
    lease_until: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, server_default="1")
    sent_at: Mapped[datetime | None]
