"""The dashboard: what is wrong, what is under way, how fast it goes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from api.console.alerts import problems_of
from api.console.blueprint import blp, page
from api.console.charts import rate_plot
from api.console.load import load_of, rate_limit, seconds_left
from api.extensions import db
from api.mailings.queries import Report, reports_of
from api.statistics.queries import mailings_by_status, messages_by_status
from api.workers.queries import WATCHED, fleet, spans
from shared.domain.statuses import MailingStatus
from shared.schema import Client, Mailing

COLUMN_SECONDS = 10.0
LISTED = 20
"""Mailings under way that are shown; the next ones to start are a quarter of that."""


@blp.get("/")
def dashboard() -> str:
    """What an operator looks at first."""
    workers, found, next_ones, mailings = fleet(), _under_way(), _next_ones(), mailings_by_status()
    under_way, load = found[:LISTED], load_of(workers)
    left = {one["id"]: seconds_left(one, workers, load) for one in under_way}
    columns = int(WATCHED.total_seconds() / COLUMN_SECONDS)
    values: dict[str, Any] = {
        "fleet": workers,
        "plot": rate_plot(spans(workers.now), workers.now, seconds=COLUMN_SECONDS, columns=columns),
        "messages": messages_by_status(),
        "mailings": mailings,
        # Each list is cut. Ended mailings are under way too until their last message has an end.
        "more": len(found) > LISTED or mailings[MailingStatus.SCHEDULED.value] > len(next_ones),
        "under_way": under_way,
        "next_ones": next_ones,
        "left": left,
        "somebody": db.session.scalar(select(Client.id).limit(1)) is not None,
        "problems": problems_of(workers, [*under_way, *next_ones], load, rate=rate_limit()),
    }
    return page("dashboard", **values)


def _under_way() -> list[Report]:
    """The mailings that are launched and not over, the latest first, and one more than are listed."""
    going = select(Mailing).where(
        Mailing.launch_started_at.is_not(None), Mailing.settled_at.is_(None), Mailing.deleted_at.is_(None)
    )
    return reports_of(going.order_by(Mailing.id.desc()).limit(LISTED + 1))[::-1]


def _next_ones() -> list[Report]:
    """The mailings that start next."""
    coming = select(Mailing).where(Mailing.status == MailingStatus.SCHEDULED, Mailing.deleted_at.is_(None))
    reports = reports_of(coming.order_by(Mailing.start_datetime).limit(LISTED // 4))
    return sorted(reports, key=lambda report: report["start_datetime"])
