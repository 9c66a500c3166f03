"""What the workers' reports say: who is alive, how the gateway is, and how fast messages go."""

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

WATCHED = timedelta(minutes=10)
"""How far back the dashboard looks."""

LATELY = timedelta(seconds=20)
"""Over which the present speed is reckoned: some four reports of each worker."""

ACCEPTED = WorkerReport.accepted + WorkerReport.duplicate
NOT_ACCEPTED = sum(
    (getattr(WorkerReport, result.value) for result in Result if result not in TAKEN | {Result.REFUSED}),
    WorkerReport.refused,
)


class Since(NamedTuple):
    """When something began."""

    at: datetime
    at_least: bool
    """Whether it may have begun earlier: there are no reports of before."""


class Span(NamedTuple):
    """So many of each kind, spread over some seconds, the last of which is `ago` seconds ago."""

    ago: float
    seconds: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers as they are now."""

    now: datetime
    reports: Sequence[WorkerReport]
    """The last one of each worker on each gateway, of those that have reported within WATCHED, the liveliest first."""
    accepted_a_second: float
    """Over the time that the reports of LATELY are of."""
    contact: GatewayContact | None = None
    """The last requests to the gateway; none before the first."""
    last_report: datetime | None = None
    """When a worker last reported, within the hour that reports are kept."""
    trouble_since: Since | None = None
    """Since when the worker that has the most trouble with the gateway reports it."""

    def is_alive(self, report: WorkerReport) -> bool:
        """Whether its worker is still there, as far as anybody can tell."""
        return not report.stopped and (self.now - report.at).total_seconds() <= ALIVE_TIMEOUT

    @property
    def alive(self) -> list[WorkerReport]:
        """The last reports of those that live."""
        return [report for report in self.reports if self.is_alive(report)]

    @property
    def gateway(self) -> Gateway:
        """What is known of the gateway."""
        return gateway_of(self.alive, self.contact, self.now)


def fleet() -> Fleet:
    """The workers, by their reports of the last minutes."""
    # A report from the future was written before the database's clock was put back: its worker may be dead.
    recent = WorkerReport.at.between(func.now() - WATCHED, func.clock_timestamp())
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
    in_trouble = worst is not None and worst.gateway_state is not GatewayHealth.OK
    return replace(seen, trouble_since=_since(worst)) if worst and in_trouble else seen


def present_speed() -> float:
    """Messages a second that all workers have had accepted lately."""
    return db.session.scalar(select(_speed())) or 0.0


def _speed() -> ScalarSelect[float | None]:
    speeds = select((func.sum(ACCEPTED) / func.sum(WorkerReport.interval_seconds)).label("speed"))
    lately = WorkerReport.at.between(func.now() - LATELY, func.clock_timestamp())
    each = speeds.where(lately).group_by(WorkerReport.worker, WorkerReport.gateway).subquery()
    return select(func.sum(each.c.speed)).scalar_subquery()


def _since(report: WorkerReport) -> Since:
    """Since when the worker has reported of the gateway what it last did, and nothing else."""
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
    """What was accepted and what was not, report by report, over the last minutes."""
    rows = db.session.execute(
        select(WorkerReport.at, WorkerReport.interval_seconds, ACCEPTED, NOT_ACCEPTED).where(
            WorkerReport.at.between(now - WATCHED, now), ACCEPTED + NOT_ACCEPTED > 0
        )
    )
    return [Span((now - at).total_seconds(), seconds, (taken, other)) for at, seconds, taken, other in rows]
