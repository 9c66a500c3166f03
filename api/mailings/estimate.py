"""The estimate of a mailing before it is added: audience, segments, cost, and the time that sending takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from flask import current_app

from api.clock import now
from api.mailings.audience_count import Audience, count_audience, similar_tags_of
from api.mailings.audience_rows import rows_of_audience, rows_of_unattempted
from api.mailings.audience_texts import STORED_PLAN_LIMITS, TextLimits
from api.mailings.audiences import recipients_of
from api.mailings.capped_clients import capped_clients
from api.mailings.gateway_choice import GatewayChoice
from api.mailings.rule_defaults import with_default_rules
from api.mailings.rule_effects import RuleEffects, rule_effects
from api.mailings.shares import GatewayShare, costs_of, messages_of_audience, messages_waiting, spending_of
from api.mailings.text_plan import TextPlan, plan_plain, plan_template
from api.mailings.texts import template_of
from api.mailings.waiting_messages import backlog_of, waiting_messages
from api.message_routes.queries import matching_routes
from shared.domain.estimates import (
    Backlog,
    EstimateInput,
    TextProblems,
    backlog_at,
    limit_warnings,
    plan_warnings,
    seconds_needed,
    text_warnings,
)
from shared.domain.lookalikes import is_ucs2_avoidable, lookalikes, replace_lookalikes
from shared.domain.statuses import MailingKind


class Existing(NamedTuple):
    """An existing mailing, a change of which is estimated."""

    id: int
    waiting: int | None
    """Its pending messages, if it has been launched; None before."""
    plain_text: str = ""
    """Its text, if that is sent as it is, though it may have braces."""


def estimate(
    fields: Mapping[str, Any],
    limits: TextLimits,
    *,
    exact: bool = False,
    speed: float = 0.0,
    existing: Existing | None = None,
) -> dict[str, Any]:
    """The estimate of a mailing with these fields, as PlanSchema has it, its `text_plan`, and whether its time
    `is_measured`.

    `exact` counts every client, however many there are. `speed` is the present number of messages sent a second: while
    other mailings are being sent it is the capacity to share, if it is less than the rate limit. Of a template, at most
    as many texts are made as `limits` says. Raises TemplateError.
    """
    mark, text, config = fields.get("mark", ""), fields.get("text", ""), current_app.config
    by_segments, effects = False, RuleEffects()
    if existing and existing.waiting is not None:
        mark, audience = "", Audience(existing.waiting, True, ())
        plan = _plan_of_waiting(existing, text, limits)
    else:
        is_plain = existing is not None and text == existing.plain_text
        audience, plan = plan_audience(fields, limits, exact=exact, is_plain=is_plain)
        by_segments = any(fields.get(name) for name in ("segment", "segment_id", "excluded_segment_ids"))
    shares = plan.shares
    similar_tags = similar_tags_of(mark)
    time, start = now(), fields.get("start_datetime")
    if existing is None:
        ruled = with_default_rules(fields)
        begins = max(filter(None, (start, time)))
        effects = rule_effects(ruled, rows_of_audience(recipients_of(ruled)), begins, limits.seconds)
    limit = config["GATEWAY_RATE"]
    backlog = _backlog(start, apart_from=existing.id if existing else None)
    is_measured = bool(speed and backlog.messages and (not limit or speed < limit))
    rate = speed if is_measured else limit
    draft = EstimateInput(
        mark=mark,
        by_segments=by_segments,
        start=start,
        end=fields.get("end_datetime"),
        audience=audience.clients,
        left_out=audience.left_out,
        similar_tags=similar_tags,
        rate=rate,
        is_measured=is_measured,
        now=time,
        backlog=backlog_at(start, time, rate, backlog),
    )
    capped = None
    if (existing is None or existing.waiting is None) and fields.get("kind", MailingKind.MARKETING) == "marketing":
        capped = capped_clients(recipients_of(fields), audience.clients, start)
    similar = lookalikes(text)
    return {
        "audience": audience.clients,
        "audience_is_exact": audience.exact,
        "left_out": audience.left_out,
        "excluded": [{"segment_id": one, "clients": clients} for one, clients in audience.excluded],
        "sample": audience.sample,
        "similar_tags": similar_tags,
        "text_plan": plan,
        "segments": {**asdict(plan.segments), "forced_by": plan.segments.forced_by},
        "distribution": plan.distribution,
        "lookalikes": similar,
        "replaced_text": replace_lookalikes(text) if similar else None,
        "total_segments": plan.total_segments,
        **_cost(shares),
        "shares": shares,
        "seconds_needed": seconds_needed(audience.clients, draft.rate, draft.backlog),
        "other_mailings": draft.backlog.mailings,
        "other_messages": draft.backlog.messages,
        "is_measured": is_measured,
        "over_cap": capped,
        **effects._asdict(),
        "warnings": [
            *plan_warnings(draft),
            *(effects.local_times.warnings if effects.local_times else ()),
            *text_warnings(_problems_of(plan, avoidable=is_ucs2_avoidable(text))),
            *limit_warnings(
                capped=capped is not None and capped.clients > 0,
                spending=spending_of(shares, fields.get("spending_limit"), fields.get("spending_currency")),
            ),
        ],
    }


def plan_audience(
    fields: Mapping[str, Any], limits: TextLimits, *, exact: bool = False, is_plain: bool = False
) -> tuple[Audience, TextPlan]:
    """The audience of a mailing that has not been launched, and the plan of its text.

    `is_plain` is for a text that is sent as it is, also with braces in it. Raises TemplateError otherwise.
    """
    text, route = fields.get("text", ""), fields.get("route")
    template = None if is_plain else template_of(text)
    recipients = recipients_of(fields)
    audience = count_audience(recipients, exact=exact)
    if template is None:
        messages = messages_of_audience(
            recipients, audience.clients, route, exact=exact or limits is STORED_PLAN_LIMITS
        )
        return audience, plan_plain(text, messages, audience.clients)
    choice = GatewayChoice(matching_routes(route))
    plan = plan_template(template, rows_of_audience(recipients), audience.clients, choice, limits)
    if plan.audience is not None:
        audience = audience._replace(clients=plan.audience, exact=True)
    return audience, plan


def _plan_of_waiting(existing: Existing, text: str, limits: TextLimits) -> TextPlan:
    waiting, template = existing.waiting or 0, None if text == existing.plain_text else template_of(text)
    if template is None:
        return plan_plain(text, messages_waiting(existing.id), waiting)
    return plan_template(template, rows_of_unattempted(existing.id), waiting, GatewayChoice(()), limits)


def _problems_of(plan: TextPlan, *, avoidable: bool) -> TextProblems:
    distribution = plan.distribution
    sent = sum(one["messages"] for one in distribution.by_segments) if distribution else 0
    return TextProblems(
        missing=sum(one.clients for one in distribution.missing) if distribution else 0,
        too_long=plan.too_long,
        empty=distribution.empty.clients if distribution else 0,
        forced_ucs2=avoidable or bool(distribution and 0 < distribution.ucs2 < sent),
    )


def _cost(shares: Sequence[GatewayShare]) -> dict[str, Any]:
    """The `cost` of all shares with its `currency`, if it is known and in one; and `costs` in each currency."""
    config, costs = current_app.config, costs_of(shares)
    if not shares:
        cost, currency = Decimal(0) if config["PRICE_PER_SEGMENT"] else None, config["PRICE_CURRENCY"]
    elif len(costs) == 1 and all(share.cost is not None for share in shares):
        ((cost, currency),) = costs
    else:
        cost, currency = None, config["PRICE_CURRENCY"]
    return {"cost": cost, "currency": currency, "costs": costs}


def _backlog(start: datetime | None, *, apart_from: int | None) -> Backlog:
    """The pending messages of other running mailings, without those whose window closes before the start."""
    waiting = waiting_messages()
    others = {
        mailing_id: messages
        for mailing_id, messages in waiting.items()
        if start is None or messages.end_datetime > start
    }
    return backlog_of(others, apart_from=apart_from)
