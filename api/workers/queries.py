"""Reads of the workers' reports: the workers that are alive, the state of the gateway, the sending speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ScalarSelect, func, select, tuple_

from api.extensions import db
from api.workers.gateway_state import Gateway, gateway_of, worst_of
from shared.domain.results import TAKEN, Result
from shared.domain.worker_status import ALIVE_TIMEOUT, GatewayHealth
from shared.gateways.base import DEFAULT_GATEWAY
from shared.schema import GatewayContact, WorkerReport

DASHBOARD_PERIOD = timedelta(minutes=10)
"""The period that the dashboard shows."""

SPEED_PERIOD = timedelta(seconds=20)
"""The period that the present speed is computed over: about four reports of each worker."""

ACCEPTED = WorkerReport.accepted + WorkerReport.duplicate
NOT_ACCEPTED = sum(
    (getattr(WorkerReport, result.value) for result in Result if result not in TAKEN | {Result.REFUSED}),
    WorkerReport.refused,
)


class Since(NamedTuple):
    """When something began."""

    at: datetime
    at_least: bool
    """Whether it may have begun earlier: older reports are not kept."""


class Span(NamedTuple):
    """Counts by kind over a period of `seconds`, which ended `ago` seconds ago."""

    ago: float
    seconds: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers as they are now."""

    now: datetime
    reports: Sequence[WorkerReport]
    """The last report of each worker on each gateway within DASHBOARD_PERIOD, running workers first."""
    accepted_a_second: float
    """Over the reports of SPEED_PERIOD."""
    contact: GatewayContact | None = None
    """The last requests to the gateway; none before the first."""
    last_report: datetime | None = None
    """When a worker last reported. Reports are kept for an hour."""
    state_since: Since | None = None
    """Since when the worker with the worst gateway state has reported that state."""

    def is_alive(self, report: WorkerReport) -> bool:
        """Whether its worker is alive, by the age of the report."""
        return not report.stopped and (self.now - report.at).total_seconds() <= ALIVE_TIMEOUT

    @property
    def alive(self) -> list[WorkerReport]:
        """The last reports of the workers that are alive."""
        return [report for report in self.reports if self.is_alive(report)]

    @property
    def gateway(self) -> Gateway:
        """The state of the gateway."""
        return gateway_of(self.alive, self.contact, self.now)


def fleet() -> Fleet:
    """The workers, by their reports of the last minutes."""
    # A report from the future was written before the database's clock was set back: its worker may have ended.
    recent = WorkerReport.at.between(func.now() - DASHBOARD_PERIOD, func.clock_timestamp())
    last = (
        select(func.max(WorkerReport.at), WorkerReport.worker, WorkerReport.gateway)
        .where(recent)
        .group_by(WorkerReport.worker, WorkerReport.gateway)
    )
    reports = db.session.scalars(
        select(WorkerReport).where(tuple_(WorkerReport.at, WorkerReport.worker, WorkerReport.gateway).in_(last))
    ).all()
    written = select(func.max(WorkerReport.at)).where(WorkerReport.at <= func.clock_timestamp()).scalar_subquery()
    now, speed, last_report = db.session.execute(select(func.now(), _speed(), written)).one()
    ordered = sorted(reports, key=lambda report: (report.stopped, report.worker, report.gateway))
    seen = Fleet(now, ordered, speed or 0.0, db.session.get(GatewayContact, DEFAULT_GATEWAY), last_report)
    worst = worst_of(seen.alive)
    is_impaired = worst is not None and worst.gateway_state is not GatewayHealth.OK
    return replace(seen, state_since=_since(worst)) if worst and is_impaired else seen


def present_speed() -> float:
    """Messages a second that the gateway has accepted from all workers within SPEED_PERIOD."""
    return db.session.scalar(select(_speed())) or 0.0


def _speed() -> ScalarSelect[float | None]:
    speeds = select((func.sum(ACCEPTED) / func.sum(WorkerReport.interval_seconds)).label("speed"))
    lately = WorkerReport.at.between(func.now() - SPEED_PERIOD, func.clock_timestamp())
    each = speeds.where(lately).group_by(WorkerReport.worker, WorkerReport.gateway).subquery()
    return select(func.sum(each.c.speed)).scalar_subquery()


def _since(report: WorkerReport) -> Since:
    """Since when the worker has reported its present gateway state without interruption."""
    of_worker = (
        WorkerReport.worker == report.worker,
        WorkerReport.gateway == report.gateway,
        WorkerReport.at <= report.at,
    )
    other = select(func.max(WorkerReport.at)).where(*of_worker, WorkerReport.gateway_state != report.gateway_state)
    before: datetime | None = db.session.scalar(other)
    first = select(func.min(WorkerReport.at)).where(*of_worker, *([WorkerReport.at > before] if before else []))
    return Since(db.session.scalars(first).one() or report.at, at_least=before is None)


def spans(now: datetime) -> list[Span]:
    """Accepted and other results by report, within DASHBOARD_PERIOD."""
    rows = db.session.execute(
        select(WorkerReport.at, WorkerReport.interval_seconds, ACCEPTED, NOT_ACCEPTED).where(
            WorkerReport.at.between(now - DASHBOARD_PERIOD, now), ACCEPTED + NOT_ACCEPTED > 0
        )
    )
    return [Span((now - at).total_seconds(), seconds, (taken, other)) for at, seconds, taken, other in rows]
