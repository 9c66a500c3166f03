"""The dashboard: problems, current mailings, sending speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from api.clients.queries import has_clients
from api.console.alerts import problems_of
from api.console.blueprint import blp, page
from api.console.charts import rate_plot
from api.console.pending_work import pending_work, rate_limit, seconds_left
from api.gateways.queries import gateway_names
from api.mailings.queries import mailings_starting_next, mailings_under_way
from api.messages.counts import message_totals
from api.permissions import requires
from api.statistics.delivery import DAY, MEASURED_HOUR, Speed, speed_by_operator, undelivered_reasons
from api.statistics.queries import mailings_by_status
from api.workers.queries import DASHBOARD_PERIOD, fleet, spans
from shared.domain.delivery import UndeliveredReason
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus

OPERATORS = 5
"""Operator codes that are shown of a gateway: those with the most messages."""

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
    messages = message_totals()
    columns = int(DASHBOARD_PERIOD.total_seconds() / COLUMN_SECONDS)
    values: dict[str, Any] = {
        "fleet": workers,
        "plot": rate_plot(spans(workers.now), workers.now, seconds=COLUMN_SECONDS, columns=columns),
        "messages": messages.by_status,
        "delivery": messages.by_delivery,
        "mailings": mailings,
        # Each list is limited. Ended mailings are listed until their last message is final.
        "more": len(found) > LISTED or mailings[MailingStatus.SCHEDULED.value] > len(next_ones),
        "speeds": speed_table(),
        "undelivered": undelivered_by_reason(),
        "gateway_names": gateway_names(),
        "under_way": under_way,
        "next_ones": next_ones,
        "left": left,
        "has_clients": has_clients(),
        "problems": problems_of(workers, [*under_way, *next_ones], load, rate=rate_limit()),
    }
    return page("dashboard", **values)


def speed_table() -> Sequence[Speed]:
    """How soon messages of the last hour were delivered: a row for each gateway, then those of its operators."""
    rows: list[Speed] = []
    for gateway_id, group in groupby(speed_by_operator(MEASURED_HOUR), attrgetter("gateway_id")):
        operators = sorted(group, key=attrgetter("sent"), reverse=True)
        columns = zip(*(row[2:] for row in operators), strict=True)
        rows.append(Speed(gateway_id, None, *map(sum, columns)))
        rows += operators[:OPERATORS] if len(operators) > 1 else ()
    return rows


def undelivered_by_reason() -> Sequence[tuple[UndeliveredReason, int]]:
    """Why messages of the last 24 hours were not delivered, the most frequent reason first."""
    counts: Counter[UndeliveredReason] = Counter()
    for one in undelivered_reasons(DAY):
        counts[one.reason] += one.messages
    return counts.most_common()
