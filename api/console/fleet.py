"""What the workers' reports tell: who is alive, how the gateway is, and how fast messages go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, tuple_

from api.console.plot import Span
from api.extensions import db
from shared.ledger import Outcome
from shared.models import WorkerReport
from shared.reports import ALIVE, GatewayHealth

WATCHED = timedelta(minutes=10)
"""How far back the dashboard looks."""

LATELY = timedelta(seconds=20)
"""Over which the present speed is reckoned: some four reports of each worker."""

TROUBLES = tuple(outcome for outcome in Outcome if outcome is not Outcome.ACCEPTED)
WORST_FIRST = tuple(reversed(GatewayHealth))


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers as they are now."""

    now: datetime
    reports: Sequence[WorkerReport]
    """The last one of each worker that has reported within WATCHED, the liveliest first."""
    accepted_a_second: float
    """Over the time that the reports of LATELY are of."""

    def is_alive(self, report: WorkerReport) -> bool:
        """Whether its worker is still there, as far as anybody can tell."""
        return not report.stopped and (self.now - report.at).total_seconds() <= ALIVE

    @property
    def alive(self) -> list[WorkerReport]:
        """The last reports of those that live."""
        return [report for report in self.reports if self.is_alive(report)]

    @property
    def gateway(self) -> WorkerReport | None:
        """The report of whoever has the most trouble with the gateway; none when nobody lives to tell."""
        return min(self.alive, key=lambda report: WORST_FIRST.index(report.gateway), default=None)


def fleet() -> Fleet:
    """The workers, by their reports of the last minutes."""
    # A report from the future was written before the database's clock was put back: its worker may be dead.
    recent = WorkerReport.at.between(func.now() - WATCHED, func.clock_timestamp())
    last = select(func.max(WorkerReport.at), WorkerReport.worker).where(recent).group_by(WorkerReport.worker)
    reports = db.session.scalars(
        select(WorkerReport).where(tuple_(WorkerReport.at, WorkerReport.worker).in_(last))
    ).all()
    speeds = select((func.sum(WorkerReport.accepted) / func.sum(WorkerReport.seconds)).label("speed"))
    lately = WorkerReport.at.between(func.now() - LATELY, func.clock_timestamp())
    each = speeds.where(lately).group_by(WorkerReport.worker).subquery()
    now, speed = db.session.execute(select(func.now(), select(func.sum(each.c.speed)).scalar_subquery())).one()
    return Fleet(now, sorted(reports, key=lambda one: (one.stopped, one.worker)), speed or 0.0)


def spans(now: datetime) -> list[Span]:
    """What was accepted and what was not, report by report, over the last minutes."""
    troubles = sum((getattr(WorkerReport, outcome.value) for outcome in TROUBLES[1:]), WorkerReport.refused)
    rows = db.session.execute(
        select(WorkerReport.at, WorkerReport.seconds, WorkerReport.accepted, troubles).where(
            WorkerReport.at.between(now - WATCHED, now), WorkerReport.accepted + troubles > 0
        )
    )
    return [Span((now - at).total_seconds(), seconds, (accepted, trouble)) for at, seconds, accepted, trouble in rows]
