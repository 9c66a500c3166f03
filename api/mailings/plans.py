"""The plan of a mailing as it was when the mailing was added or last changed before its launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from api.extensions import db
from api.mailings.actual_costs import actual_costs
from api.mailings.audience_texts import STORED_PLAN_LIMITS
from api.mailings.estimate import plan_audience
from api.mailings.queries import check_mailing, mailing_row
from api.mailings.shares import GatewayShare, costs_of
from api.mailings.text_plan import Distribution, TextPlan, UnsentTexts
from shared.domain.mailing_rules import MailingFields
from shared.schema import Mailing, MailingPlan, MailingText

_TEXT = (
    select(MailingText)
    .join(Mailing, (Mailing.id == MailingText.mailing_id) & (Mailing.text_revision == MailingText.revision))
    .where(Mailing.id == bindparam("mailing_id"))
)


class StoredPlan(NamedTuple):
    """A stored plan, as PlannedSchema has it, and when it was made."""

    planned_at: datetime
    plan: Mapping[str, Any]


def plan_mailing(mailing_id: int, fields: MailingFields) -> None:
    """Makes and stores the plan of a mailing that has not been launched, with its text as it is stored.

    Quick for a plain text; for a template it takes some seconds at most (STORED_PLAN_LIMITS).
    """
    text = db.session.scalars(_TEXT, {"mailing_id": mailing_id}).one()
    audience, plan = plan_audience(asdict(fields), STORED_PLAN_LIMITS, is_plain=text.fields is None)
    store_plan(mailing_id, audience.clients, plan, is_exact=audience.exact)


def store_plan(mailing_id: int, audience: int, plan: TextPlan, *, is_exact: bool) -> None:
    """Stores a plan for an audience of so many clients, in place of an earlier one."""
    values = {"plan": _as_json(audience, plan, is_exact=is_exact), "planned_at": func.now()}
    added = insert(MailingPlan).values(mailing_id=mailing_id, **values)
    db.session.execute(added.on_conflict_do_update(index_elements=["mailing_id"], set_=values))


def stored_plan(mailing_id: int) -> StoredPlan | None:
    """The plan of a mailing; None for one that was added before there were plans, and for a test."""
    row = db.session.execute(select(MailingPlan).where(MailingPlan.mailing_id == mailing_id)).scalar_one_or_none()
    if row is None:
        return None
    shares = [
        GatewayShare(**{**share, "cost": None if share["cost"] is None else Decimal(share["cost"])})
        for share in row.plan["shares"]
    ]
    return StoredPlan(row.planned_at, {**row.plan, "shares": shares, "costs": costs_of(shares)})


def planned_and_actual(mailing_id: int) -> dict[str, Any]:
    """The plan of a mailing beside what was sent, as MailingPlanSchema has it. Raises NotFound."""
    check_mailing(mailing_id)
    mailing, stored = mailing_row(mailing_id), stored_plan(mailing_id)
    return {
        "mailing_id": mailing_id,
        "planned_at": stored and stored.planned_at,
        "planned": stored and dict(stored.plan),
        "actual": None if mailing.purge_started_at else actual_costs(mailing_id),
        "is_final": mailing.settled_at is not None,
    }


def _as_json(audience: int, plan: TextPlan, *, is_exact: bool) -> dict[str, Any]:
    distribution, no_clients = plan.distribution, UnsentTexts(0, [])
    unsent = distribution.unsent if distribution else plan.too_long
    shares = [{**share._asdict(), "cost": None if share.cost is None else str(share.cost)} for share in plan.shares]
    return {
        "audience": audience,
        "is_exact": is_exact and not (distribution and distribution.is_sample),
        "messages": audience - unsent,
        "segments": plan.total_segments,
        "shares": shares,
        "by_segments": _by_segments(audience - unsent, plan, distribution),
        "missing": [asdict(one) for one in distribution.missing] if distribution else [],
        "too_long": asdict(distribution.too_long if distribution else UnsentTexts(plan.too_long, [])),
        "empty": asdict(distribution.empty if distribution else no_clients),
    }


def _by_segments(messages: int, plan: TextPlan, distribution: Distribution | None) -> list[dict[str, int]]:
    return distribution.by_segments if distribution else [{"segments": plan.segments.count, "messages": messages}]
