"""Reads of the workers' reports: the workers that are alive, the states of gateways, the sending speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, func, select, tuple_

from api.extensions import db
from api.workers.gateway_state import ConfiguredGateway, Gateway, Since, gateway_of, worst_of
from shared.domain.results import TAKEN, Result
from shared.domain.worker_status import ALIVE_TIMEOUT, GatewayHealth
from shared.gateways.base import DEFAULT_GATEWAY
from shared.schema import Gateway as GatewayRow
from shared.schema import GatewayAvailability, GatewayContact, WorkerReport

DASHBOARD_PERIOD = timedelta(minutes=10)
"""The period that the dashboard shows."""

SPEED_PERIOD = timedelta(seconds=20)
"""The period that the present speed is computed over: about four reports of each worker."""

ACCEPTED = WorkerReport.accepted + WorkerReport.duplicate
NOT_ACCEPTED = sum(
    (getattr(WorkerReport, result.value) for result in Result if result not in TAKEN | {Result.REFUSED}),
    WorkerReport.refused,
)


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
    contacts: Mapping[str, GatewayContact] = field(default_factory=dict)
    """The last requests to each gateway; none before the first."""
    last_report: datetime | None = None
    """When a worker last reported. Reports are kept for an hour."""
    since: Mapping[str, Since] = field(default_factory=dict)
    """By gateway: since when the worker with the worst state of it has reported that."""
    configured: Sequence[ConfiguredGateway] = (ConfiguredGateway(DEFAULT_GATEWAY),)
    """The gateways that are not removed."""
    speeds: Mapping[str, float] = field(default_factory=dict)
    """`accepted_a_second` by gateway."""

    def is_alive(self, report: WorkerReport) -> bool:
        """Whether its worker is alive, by the age of the report."""
        return not report.stopped and (self.now - report.at).total_seconds() <= ALIVE_TIMEOUT

    @property
    def alive(self) -> list[WorkerReport]:
        """The last reports of the workers that are alive, on each gateway."""
        return [report for report in self.reports if self.is_alive(report)]

    @property
    def workers_alive(self) -> int:
        """The number of workers that are alive."""
        return len({report.worker for report in self.alive})

    @property
    def silent(self) -> list[WorkerReport]:
        """The last report of each worker that has stopped reporting without having ended."""
        last: dict[str, WorkerReport] = {}
        for report in self.reports:
            if report.worker not in last or last[report.worker].at < report.at:
                last[report.worker] = report
        return [report for report in last.values() if not report.stopped and not self.is_alive(report)]

    @property
    def gateways(self) -> list[Gateway]:
        """The state of each gateway, in the order in which they were added."""
        return [self._gateway(one) for one in self.configured]

    def _gateway(self, one: ConfiguredGateway) -> Gateway:
        reports = [report for report in self.alive if report.gateway == one.name]
        return replace(
            gateway_of(reports, self.contacts.get(one.name), self.now),
            name=one.name,
            is_paused=one.is_paused,
            is_available=one.is_available,
            accepted_a_second=self.speeds.get(one.name, 0.0),
            state_since=self.since.get(one.name),
            reports=len(reports),
        )


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
    now, last_report = db.session.execute(select(func.now(), written)).one()
    speeds = {row.gateway: row.speed for row in db.session.execute(_speeds())}
    seen = Fleet(
        now,
        sorted(reports, key=lambda report: (report.stopped, report.worker, report.gateway)),
        sum(speeds.values()),
        {contact.gateway: contact for contact in db.session.scalars(select(GatewayContact))},
        last_report,
        configured=_configured(),
        speeds=speeds,
    )
    return replace(seen, since=_impaired_since(seen))


def _configured() -> list[ConfiguredGateway]:
    columns = select(GatewayRow.name, GatewayRow.paused_at.is_not(None), GatewayAvailability.available)
    joined = columns.join(GatewayAvailability, GatewayAvailability.gateway_id == GatewayRow.id)
    found = db.session.execute(joined.where(GatewayRow.removed_at.is_(None)).order_by(GatewayRow.id))
    return [ConfiguredGateway(*row) for row in found]


def _impaired_since(seen: Fleet) -> dict[str, Since]:
    since = {}
    for one in seen.configured:
        worst = worst_of([report for report in seen.alive if report.gateway == one.name])
        if worst is not None and worst.gateway_state is not GatewayHealth.OK:
            since[one.name] = _since(worst)
    return since


def present_speed() -> float:
    """Messages a second that gateways have accepted from all workers within SPEED_PERIOD."""
    return sum((row.speed for row in db.session.execute(_speeds())), 0.0)


def _speeds() -> Select[str, float]:
    """Messages a second that each gateway has accepted, of all workers together."""
    speed = (func.sum(ACCEPTED) / func.sum(WorkerReport.interval_seconds)).label("speed")
    lately = WorkerReport.at.between(func.now() - SPEED_PERIOD, func.clock_timestamp())
    each = select(WorkerReport.gateway, speed).where(lately)
    of_worker = each.group_by(WorkerReport.worker, WorkerReport.gateway).subquery()
    return select(of_worker.c.gateway, func.sum(of_worker.c.speed).label("speed")).group_by(of_worker.c.gateway)


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
