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
from api.mailings.shares import GatewayShare, costs_of, shares_of_audience, shares_of_waiting
from api.mailings.waiting_messages import backlog_of, waiting_messages
from shared.domain.estimates import Backlog, EstimateInput, backlog_at, plan_warnings, seconds_needed
from shared.domain.text_segments import segments_of


class Existing(NamedTuple):
    """An existing mailing, a change of which is estimated."""

    id: int
    waiting: int | None
    """Its pending messages, if it has been launched; None before."""


def estimate(
    fields: Mapping[str, Any], *, exact: bool = False, speed: float = 0.0, existing: Existing | None = None
) -> dict[str, Any]:
    """The estimate of a mailing with these fields, as PlanSchema has it, and whether its time `is_measured`.

    `exact` counts every client, however many there are. `speed` is the present number of messages sent a second: while
    other mailings are being sent it is the capacity to share, if it is less than the rate limit.
    """
    mark, config = fields.get("mark", ""), current_app.config
    segments = segments_of(fields.get("text", ""))
    if existing and existing.waiting is not None:
        mark, audience = "", Audience(existing.waiting, True, ())
        shares = shares_of_waiting(existing.id, segments.count)
    else:
        audience = count_audience(mark, exact=exact)
        shares = shares_of_audience(mark, audience.clients, fields.get("route"), segments.count)
    similar_tags = similar_tags_of(mark)
    time, start = now(), fields.get("start_datetime")
    limit = config["GATEWAY_RATE"]
    backlog = _backlog(start, apart_from=existing.id if existing else None)
    is_measured = bool(speed and backlog.messages and (not limit or speed < limit))
    rate = speed if is_measured else limit
    draft = EstimateInput(
        mark=mark,
        start=start,
        end=fields.get("end_datetime"),
        audience=audience.clients,
        similar_tags=similar_tags,
        rate=rate,
        is_measured=is_measured,
        now=time,
        backlog=backlog_at(start, time, rate, backlog),
    )
    return {
        "audience": audience.clients,
        "audience_is_exact": audience.exact,
        "sample": audience.sample,
        "similar_tags": similar_tags,
        "segments": {**asdict(segments), "forced_by": segments.forced_by},
        "total_segments": audience.clients * segments.count,
        **_cost(shares),
        "shares": shares,
        "seconds_needed": seconds_needed(audience.clients, draft.rate, draft.backlog),
        "other_mailings": draft.backlog.mailings,
        "other_messages": draft.backlog.messages,
        "is_measured": is_measured,
        "warnings": plan_warnings(draft),
    }


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
