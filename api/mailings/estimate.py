"""What a mailing would come to, before it is added: whom it reaches, in how many segments, at what cost, how soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import marshmallow as ma
from flask import current_app
from flask.views import MethodView
from sqlalchemy import Select, func, literal_column, or_, select

from api.clients.schemas import ClientSchema
from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.fields import ObjectOrNull
from api.http.schemas import ResponseSchema, WarningSchema
from api.mailings.backlog import backlog_of, waiting_messages
from api.mailings.schemas import MailingBody
from api.permissions import requires
from shared.domain.estimates import Backlog, EstimateInput, backlog_at, cost, plan_warnings, seconds_needed
from shared.domain.labels import case_variants
from shared.domain.roles import Role
from shared.domain.text_segments import Encoding, segments_of
from shared.schema import Client

blp = Blueprint("Plans", "/v1/mailing", "What a mailing would come to. Anybody may ask: it adds nothing.")

COUNT_LIMIT = 100_000
"""Clients counted one by one: some tens of milliseconds. A larger audience is estimated, as the planner does it."""

SAMPLE = 5

TAGS = 1_000
"""Tags among which those are looked for that differ from a mark only in case: as many as a directory has, mostly. Of
more, the first ones, and those in the cases that people write in: there is no index for others."""


class Audience(NamedTuple):
    """Whom a mark matches."""

    clients: int
    exact: bool
    sample: Sequence[Client]


class PlanBody(MailingBody):
    """A mailing that is being written: any part of what a mailing's body takes."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class NonGsmCharacterSchema(ResponseSchema):
    """The character that made the text UCS-2."""

    character = ma.fields.String(required=True, metadata={"description": "Itself.", "example": "П"})
    name = ma.fields.String(
        required=True, metadata={"description": "Its name in Unicode.", "example": "CYRILLIC CAPITAL LETTER PE"}
    )
    position = ma.fields.Integer(required=True, metadata={"description": "Counted from 1.", "example": 1})


class SegmentsSchema(ResponseSchema):
    """The short messages that one text is sent as."""

    encoding = ma.fields.Enum(
        Encoding,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "GSM 7-bit, or UCS-2 for what is not in its alphabet.", "example": "ucs2"},
    )
    characters = ma.fields.Integer(required=True, metadata={"description": "Of the text.", "example": 7})
    units = ma.fields.Integer(
        required=True, metadata={"description": "Septets, or UTF-16 code units, that they take.", "example": 7}
    )
    count = ma.fields.Integer(
        required=True,
        metadata={"description": "Segments: of 160 septets or 70 units, or of 153 or 67 if several.", "example": 1},
    )
    left = ma.fields.Integer(
        required=True, metadata={"description": "Units until another segment is needed.", "example": 63}
    )
    forced_by = ObjectOrNull(
        NonGsmCharacterSchema(),
        required=True,
        metadata={"description": "The first character that is not in the GSM alphabet; null if all are."},
    )


class PlanSchema(ResponseSchema):
    """What a mailing would come to."""

    audience = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Clients that its mark matches now.", "example": 100}
    )
    audience_is_exact = ma.fields.Boolean(
        required=True, metadata={"description": f"Counted, not estimated: up to {COUNT_LIMIT:,}.", "example": True}
    )
    sample = ma.fields.List(
        ma.fields.Nested(ClientSchema), required=True, metadata={"description": "A few of them, the oldest first."}
    )
    similar_tags = ma.fields.List(
        ma.fields.String(),
        required=True,
        metadata={
            "description": "Tags of other clients that differ from its mark only in upper and lower case.",
            "example": ["VIP"],
        },
    )
    segments = ma.fields.Nested(SegmentsSchema, required=True, metadata={"description": "Of one message."})
    total_segments = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Of all messages.", "example": 100}
    )
    cost = ma.fields.Decimal(
        as_string=True,
        required=True,
        allow_none=True,
        metadata={
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "description": "A decimal number, at `PRICE_PER_SEGMENT`; null when that is not set.",
            "example": "4.50",
        },
    )
    currency = ma.fields.String(required=True, metadata={"description": "Of the cost.", "example": "EUR"})
    seconds_needed = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "At `GATEWAY_RATE`, shared with the mailings that run; null when that is not set.",
            "example": 10.0,
        },
    )
    other_mailings = ma.fields.Integer(
        required=True,
        metadata={"description": "Mailings that run and will not be done when it starts.", "example": 1},
    )
    other_messages = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "What they will have left to send by then.", "example": 1000},
    )
    warnings = ma.fields.List(
        ma.fields.Nested(WarningSchema),
        required=True,
        metadata={
            "description": "`no_window`, `window_closed`, `window_too_short`, `nobody_matches`, `case_differs`: what "
            "to look at before."
        },
    )


@blp.route("/plan/")
class MailingPlan(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("planMailing")
    @blp.arguments(PlanBody())
    @blp.response(200, PlanSchema())
    def post(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Plan a mailing

        Adds nothing. Every field is optional: what is not known yet is left out of the reckoning.
        """
        return plan(fields)


class Existing(NamedTuple):
    """A mailing that exists, of which a change is planned."""

    id: int
    waiting: int | None
    """Its messages that wait, once it has been launched: it gets no others."""


def plan(
    fields: Mapping[str, Any], *, exact: bool = False, speed: float = 0.0, existing: Existing | None = None
) -> dict[str, Any]:
    """What a mailing of these fields would come to, as PlanSchema names it, and whether its time `is_measured`.

    `exact` counts every client, however many they are. `speed` is how many messages a second are sent at present: while
    others are being sent that is what there is to share, if it is less than the rate limit.
    """
    mark, config = fields.get("mark", ""), current_app.config
    if existing and existing.waiting is not None:
        mark, audience = "", Audience(existing.waiting, True, ())
    else:
        audience = count_audience(mark, exact=exact)
    similar_tags = similar_tags_of(mark)
    segments = segments_of(fields.get("text", ""))
    now, start = db.session.scalars(select(func.now())).one(), fields.get("start_datetime")
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
        now=now,
        backlog=backlog_at(start, now, rate, backlog),
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


def count_audience(mark: str, *, exact: bool = False) -> Audience:
    """The clients that a mark matches now, and some of them. Beyond COUNT_LIMIT they are counted only if `exact`."""
    count_limit = None if exact else COUNT_LIMIT
    if not mark:
        return Audience(0, True, ())
    found: Select[Any] = select(literal_column("1")).select_from(Client)
    by_tag = found.where(Client.tag == mark).limit(count_limit)
    by_code = found.where(Client.operator_code == mark, Client.tag != mark).limit(count_limit)
    both = by_tag.subquery("by_tag"), by_code.subquery("by_code")
    counts = [select(func.count()).select_from(one).scalar_subquery() for one in both]
    clients = db.session.scalars(select(counts[0] + counts[1])).one()
    if count_limit is None or clients < count_limit:
        return Audience(clients, True, _sample(mark))
    return Audience(max(clients, _estimate(mark)), False, _sample(mark))


def similar_tags_of(mark: str) -> list[str]:
    """The tags that clients have and that differ from the mark only in case, in order; see TAGS."""
    if not mark:
        return []
    first = select(Client.tag).order_by(Client.tag).limit(1).cte("tags", recursive=True)
    following = select(Client.tag).where(Client.tag > first.c.tag).order_by(Client.tag).limit(1).scalar_subquery()
    tags = first.union_all(select(following).where(first.c.tag.is_not(None)))
    each = db.session.scalars(select(tags.c.tag).limit(TAGS))  # one step in the index for each
    variants = db.session.scalars(select(Client.tag).where(Client.tag.in_(case_variants(mark))).distinct())
    return sorted({tag for tag in (*each, *variants) if tag and tag != mark and tag.casefold() == mark.casefold()})


def _backlog(start: datetime | None, *, apart_from: int | None) -> Backlog:
    """What other mailings that run have waiting, those whose window closes before the start left out."""
    waiting = waiting_messages()
    beside = {one: left for one, left in waiting.items() if start is None or left.end_datetime > start}
    return backlog_of(beside, apart_from=apart_from)


def _sample(mark: str) -> Sequence[Client]:
    # The first of each index; an OR over both might walk the whole directory in the order of its ids.
    by_each = (
        db.session.scalars(select(Client).where(column == mark).order_by(column, Client.id).limit(SAMPLE))
        for column in (Client.tag, Client.operator_code)
    )
    clients = {client.id: client for found in by_each for client in found}
    return [clients[id_] for id_ in sorted(clients)[:SAMPLE]]


def _estimate(mark: str) -> int:
    """How many rows the planner expects: from the statistics that autovacuum keeps, at no cost."""
    matching = select(Client.id).where(or_(Client.tag == mark, Client.operator_code == mark))
    compiled = matching.compile(dialect=db.engine.dialect)
    ((plan,),) = db.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    return int(plan[0]["Plan"]["Plan Rows"])
