"""The plan of a mailing beside what was sent, as JSON."""

from __future__ import annotations

from api.http.fields import ObjectOrNull
from api.http.response_fields import boolean, instant, int64, nested, objects
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

    audience = int64("Clients in its audience.", 100)
    is_exact = boolean("Whether everybody was counted; otherwise it is an estimate.", True)
    messages = int64("Messages that have a text that can be sent.", 97)
    segments = int64("Their segments.", 119)
    shares = objects(ShareSchema, "By gateway, the largest share first.")
    costs = objects(CostSchema, "The cost in each currency, of the gateways whose price is known.")
    by_segments = objects(MessagesBySegmentsSchema, "Messages by their number of segments, the fewest segments first.")
    missing = objects(MissingSchema, "Fields of which clients had no value.")
    too_long = nested(UnsentTextsSchema, "Clients for whom the text was too long.")
    empty = nested(UnsentTextsSchema, "Clients for whom the text was empty.")


class ActualSchema(ResponseSchema):
    """What gateways accepted."""

    messages = int64("Messages that they accepted.", 97)
    segments = int64("Their segments, as far as known.", 119)
    uncounted = int64(
        "Messages of which the number of segments is not known: personalised ones of gateways without a "
        "`segment_price`, if counting them takes too long.",
        0,
    )
    shares = objects(ShareSchema, "By gateway, the largest share first.")
    costs = objects(CostSchema, "The cost in each currency, as far as prices are known.")


class MailingPlanSchema(ResponseSchema):
    """The plan of a mailing beside what was sent."""

    mailing_id = int64("The mailing.", 1)
    planned_at = instant(
        "When it was added or last changed before its launch; null without a plan.",
        "2026-11-29T18:25:43.511Z",
        allow_none=True,
    )
    planned = ObjectOrNull(
        PlannedSchema(), "The plan; null for a test, and for a mailing from before there were plans."
    )
    actual = ObjectOrNull(
        ActualSchema(), "What was sent so far; null once the ledger is removed, or if counting took too long."
    )
    is_final = boolean("Whether all of its messages have ended.", True)
