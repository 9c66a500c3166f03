"""What was planned for a mailing beside what was sent: on its page, on a page of its own, and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from flask import Response, render_template, url_for

from api.console.blueprint import blp
from api.console.exports import requested_form
from api.console.preferences import language
from api.http.csv_files import cell, csv_response
from api.mailings.plans import planned_and_actual, stored_plan
from api.mailings.queries import MailingSummary, mailing_by_id
from api.mailings.shares import GatewayShare
from api.permissions import requires
from shared.domain.roles import Role

QUICK = 20_000
"""Messages of a mailing whose attempts are counted on its page, in a fraction of a second."""

COLUMNS = (
    "gateway",
    "planned_messages",
    "actual_messages",
    "planned_segments",
    "actual_segments",
    "planned_cost",
    "actual_cost",
    "currency",
)


class ComparedShare(NamedTuple):
    """The shares of one gateway, or of all in one currency, for which `gateway` is None."""

    gateway: str | None
    planned: GatewayShare
    actual: GatewayShare | None
    """None if it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A plan beside what was sent."""

    planned_at: datetime | None
    plan: Mapping[str, Any] | None
    rows: list[ComparedShare]
    is_counted: bool
    is_final: bool
    uncounted: int


class PlanOnPage(NamedTuple):
    """What the page of a mailing shows of its plan."""

    comparison: Comparison | None
    """None for a large mailing, whose attempts take seconds to count."""


@blp.get("/mailings/<id:mailing_id>/plan/")
@requires(Role.VIEWER)
def mailing_plan(mailing_id: int) -> str:
    """What was planned and what was sent, by gateway, and the texts as they were planned."""
    compared = _compared(planned_and_actual(mailing_id))
    csv = url_for("console.mailing_plan_csv", mailing_id=mailing_id)
    if language() == "ru":  # as Excel expects it there
        csv += "?delimiter=semicolon&bom=true"
    return render_template("console/mailing_plan.html", mailing=mailing_by_id(mailing_id), compared=compared, csv=csv)


@blp.get("/mailings/<id:mailing_id>/plan.csv")
@requires(Role.VIEWER)
def mailing_plan_csv(mailing_id: int) -> Response:
    """The same as CSV, a line for each gateway. The query is CsvFormArguments."""
    form = requested_form()
    rows = [_cells(row) for row in _compared(planned_and_actual(mailing_id)).rows if row.gateway is not None]
    return csv_response([form.beginning + form.lines([COLUMNS, *rows])], f"mailing-{mailing_id}-plan.csv")


def plan_on_page(mailing: MailingSummary) -> PlanOnPage | None:
    """What the page of a mailing shows of its plan; None without a plan."""
    if not stored_plan(mailing["id"]):
        return None
    is_quick = mailing["launch_started_at"] is None or mailing["audience"] <= QUICK
    return PlanOnPage(_compared(planned_and_actual(mailing["id"])) if is_quick else None)


def _compared(found: Mapping[str, Any]) -> Comparison:
    plan, actual = found["planned"], found["actual"]
    planned = {share.gateway: share for share in plan["shares"]} if plan else {}
    sent = {share.gateway: share for share in actual.shares} if actual else {}
    names = [*planned, *(name for name in sent if name not in planned)]

    def share_of(shares: Mapping[str, GatewayShare], name: str) -> GatewayShare:
        return shares.get(name, GatewayShare(name, 0, 0, Decimal(0), (planned | sent)[name].currency))

    rows = [
        ComparedShare(name, share_of(planned, name), share_of(sent, name) if actual is not None else None)
        for name in names
    ]
    if len(rows) > 1:
        total = _total(row.planned for row in rows)
        rows.append(ComparedShare(None, total, _total(sent.values()) if actual is not None else None))
    return Comparison(
        planned_at=found["planned_at"],
        plan=plan,
        rows=rows,
        is_counted=actual is not None,
        is_final=found["is_final"],
        uncounted=actual.uncounted if actual else 0,
    )


def _total(shares: Iterable[GatewayShare]) -> GatewayShare:
    """The sum of shares; its cost is known if all are, in one currency."""
    found = list(shares)
    currencies = {share.currency for share in found}
    costs = [share.cost for share in found if share.cost is not None]
    known = len(currencies) == 1 and len(costs) == len(found)
    return GatewayShare(
        "",
        sum(share.messages for share in found),
        sum(share.segments for share in found),
        sum(costs, Decimal(0)) if known else None,
        currencies.pop() if known else None,
    )


def _cells(row: ComparedShare) -> list[object]:
    planned, actual = row.planned, row.actual
    values = (
        row.gateway,
        planned.messages,
        actual and actual.messages,
        planned.segments,
        actual and actual.segments,
        planned.cost,
        actual and actual.cost,
        planned.currency or (actual and actual.currency),
    )
    return [cell(value) for value in values]
