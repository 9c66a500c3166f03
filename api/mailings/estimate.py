"""The estimate of a mailing before it is added: audience, segments, cost, and the time that sending takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from flask import current_app

from api.clock import now
from api.mailings.audience import Audience, count_audience, similar_tags_of
from api.mailings.backlog import backlog_of, waiting_messages
from shared.domain.estimates import Backlog, EstimateInput, backlog_at, cost, plan_warnings, seconds_needed
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
    if existing and existing.waiting is not None:
        mark, audience = "", Audience(existing.waiting, True, ())
    else:
        audience = count_audience(mark, exact=exact)
    similar_tags = similar_tags_of(mark)
    segments = segments_of(fields.get("text", ""))
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
        "cost": cost(audience.clients, segments, config["PRICE_PER_SEGMENT"]),
        "currency": config["PRICE_CURRENCY"],
        "seconds_needed": seconds_needed(audience.clients, draft.rate, draft.backlog),
        "other_mailings": draft.backlog.mailings,
        "other_messages": draft.backlog.messages,
        "is_measured": is_measured,
        "warnings": plan_warnings(draft),
    }


def _backlog(start: datetime | None, *, apart_from: int | None) -> Backlog:
    """The pending messages of other running mailings, without those whose window closes before the start."""
    waiting = waiting_messages()
    others = {
        mailing_id: messages
        for mailing_id, messages in waiting.items()
        if start is None or messages.end_datetime > start
    }
    return backlog_of(others, apart_from=apart_from)
