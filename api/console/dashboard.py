"""The dashboard: problems, current mailings, sending speed."""

from __future__ import annotations

from typing import Any

from api.clients.queries import has_clients
from api.console.alerts import problems_of
from api.console.blueprint import blp, page
from api.console.charts import rate_plot
from api.console.pending_work import pending_work, rate_limit, seconds_left
from api.mailings.queries import mailings_starting_next, mailings_under_way
from api.messages.counts import messages_by_status
from api.permissions import requires
from api.statistics.queries import mailings_by_status
from api.workers.queries import DASHBOARD_PERIOD, fleet, spans
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus

COLUMN_SECONDS = 10.0
LISTED = 20
"""Current mailings that are shown, and a quarter as many of those that start next."""


@blp.get("/")
@requires(Role.VIEWER)
def dashboard() -> str:
    """The start page."""
    workers, mailings = fleet(), mailings_by_status()
    found, next_ones = mailings_under_way(LISTED + 1), mailings_starting_next(LISTED // 4)
    under_way, load = found[:LISTED], pending_work(workers)
    left = {mailing["id"]: seconds_left(mailing, workers, load) for mailing in under_way}
    columns = int(DASHBOARD_PERIOD.total_seconds() / COLUMN_SECONDS)
    values: dict[str, Any] = {
        "fleet": workers,
        "plot": rate_plot(spans(workers.now), workers.now, seconds=COLUMN_SECONDS, columns=columns),
        "messages": messages_by_status(),
        "mailings": mailings,
        # Each list is limited. Ended mailings are listed until their last message is final.
        "more": len(found) > LISTED or mailings[MailingStatus.SCHEDULED.value] > len(next_ones),
        "under_way": under_way,
        "next_ones": next_ones,
        "left": left,
        "has_clients": has_clients(),
        "problems": problems_of(workers, [*under_way, *next_ones], load, rate=rate_limit()),
    }
    return page("dashboard", **values)
