"""The plan of a mailing beside what was sent, as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import Instant, ObjectOrNull
from api.http.schemas import ResponseSchema
from api.mailings.estimate_schemas import (
    CostSchema,
    MessagesBySegmentsSchema,
    MissingSchema,
    ShareSchema,
    UnsentTextsSchema,
)


class PlannedSchema(ResponseSchema):
    """What was planned."""

    audience = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Clients in its audience.", "example": 100}
    )
    is_exact = ma.fields.Boolean(
        required=True,
        metadata={"description": "Whether everybody was counted; otherwise it is an estimate.", "example": True},
    )
    messages = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "Messages that have a text that can be sent.", "example": 97},
    )
    segments = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Their segments.", "example": 119}
    )
    shares = ma.fields.List(
        ma.fields.Nested(ShareSchema),
        required=True,
        metadata={"description": "By gateway, the largest share first."},
    )
    costs = ma.fields.List(
        ma.fields.Nested(CostSchema),
        required=True,
        metadata={"description": "The cost in each currency, of the gateways whose price is known."},
    )
    by_segments = ma.fields.List(
        ma.fields.Nested(MessagesBySegmentsSchema),
        required=True,
        metadata={"description": "Messages by their number of segments, the fewest segments first."},
    )
    missing = ma.fields.List(
        ma.fields.Nested(MissingSchema),
        required=True,
        metadata={"description": "Fields of which clients had no value."},
    )
    too_long = ma.fields.Nested(
        UnsentTextsSchema, required=True, metadata={"description": "Clients for whom the text was too long."}
    )
    empty = ma.fields.Nested(
        UnsentTextsSchema, required=True, metadata={"description": "Clients for whom the text was empty."}
    )


class ActualSchema(ResponseSchema):
    """What gateways accepted."""

    messages = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Messages that they accepted.", "example": 97}
    )
    segments = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Their segments, as far as known.", "example": 119}
    )
    uncounted = ma.fields.Integer(
        required=True,
        metadata={
            "format": "int64",
            "description": "Messages of which the number of segments is not known: personalised ones of gateways "
            "without a `segment_price`, if counting them takes too long.",
            "example": 0,
        },
    )
    shares = ma.fields.List(
        ma.fields.Nested(ShareSchema), required=True, metadata={"description": "By gateway, the largest share first."}
    )
    costs = ma.fields.List(
        ma.fields.Nested(CostSchema),
        required=True,
        metadata={"description": "The cost in each currency, as far as prices are known."},
    )


class MailingPlanSchema(ResponseSchema):
    """The plan of a mailing beside what was sent."""

    mailing_id = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "The mailing.", "example": 1}
    )
    planned_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When it was added or last changed before its launch; null without a plan.",
            "example": "2026-11-29T18:25:43.511Z",
        },
    )
    planned = ObjectOrNull(
        PlannedSchema(),
        required=True,
        metadata={"description": "The plan; null for a test, and for a mailing from before there were plans."},
    )
    actual = ObjectOrNull(
        ActualSchema(),
        required=True,
        metadata={
            "description": "What was sent so far; null once the ledger is removed, or if counting took too long."
        },
    )
    is_final = ma.fields.Boolean(
        required=True, metadata={"description": "Whether all of its messages have ended.", "example": True}
    )
