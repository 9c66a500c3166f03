"""The estimate of a mailing as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.clients.schemas import ClientSchema
from api.gateways.schemas import Price
from api.http.fields import Instant, ObjectOrNull
from api.http.schemas import ResponseSchema, WarningSchema
from api.mailings.audience_count import COUNT_LIMIT
from api.mailings.capped_clients import COUNT_LIMIT as CAPPED_LIMIT
from api.mailings.rule_effects import SHOWN_ZONES
from api.mailings.schemas import MailingBody
from shared.domain.text_segments import Encoding


class PlanBody(MailingBody):
    """The fields of a mailing that is being written, all optional."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class NonGsmCharacterSchema(ResponseSchema):
    """The character because of which the text needs UCS-2."""

    character = ma.fields.String(required=True, metadata={"description": "The character.", "example": "П"})
    name = ma.fields.String(
        required=True, metadata={"description": "Its name in Unicode.", "example": "CYRILLIC CAPITAL LETTER PE"}
    )
    position = ma.fields.Integer(required=True, metadata={"description": "Counted from 1.", "example": 1})


class SegmentsSchema(ResponseSchema):
    """The segments that one text is sent as."""

    encoding = ma.fields.Enum(
        Encoding,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "GSM 7-bit, or UCS-2 if a character is not in the GSM alphabet.", "example": "ucs2"},
    )
    characters = ma.fields.Integer(
        required=True, metadata={"description": "Number of characters in the text.", "example": 7}
    )
    units = ma.fields.Integer(
        required=True,
        metadata={"description": "Septets (GSM), or UTF-16 code units (UCS-2), of the text.", "example": 7},
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


class LookAlikeSchema(ResponseSchema):
    """A character that is not in the GSM alphabet, and looks like one that is."""

    character = ma.fields.String(
        required=True, metadata={"description": "The character, with its combining marks.", "example": "а"}
    )
    name = ma.fields.String(
        required=True, metadata={"description": "Its name in Unicode.", "example": "CYRILLIC SMALL LETTER A"}
    )
    position = ma.fields.Integer(required=True, metadata={"description": "Counted from 1.", "example": 2})
    replacement = ma.fields.String(
        required=True,
        metadata={"description": "What looks like it; empty for a character that is not seen.", "example": "a"},
    )


class MessagesBySegmentsSchema(ResponseSchema):
    """How many messages have a number of segments."""

    segments = ma.fields.Integer(required=True, metadata={"description": "Segments of one message.", "example": 1})
    messages = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Messages of so many segments.", "example": 78}
    )


class ExampleSchema(ResponseSchema):
    """The text for one client."""

    client_id = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Whom it is for.", "example": 7}
    )
    text = ma.fields.String(required=True, metadata={"description": "The text.", "example": "Hello, Maria!"})
    segments = ma.fields.Integer(required=True, metadata={"description": "Its segments.", "example": 1})


class UnsentTextsSchema(ResponseSchema):
    """Clients who get no message, since there is no text for them that can be sent."""

    clients = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "How many there are.", "example": 3}
    )
    first_clients = ma.fields.List(
        ma.fields.Integer(metadata={"format": "int64"}),
        required=True,
        metadata={"description": "The ids of up to 5 of them.", "example": [7, 12, 40]},
    )


class MissingSchema(UnsentTextsSchema):
    """Clients who get no message, since they have no value of a field."""

    field = ma.fields.String(required=True, metadata={"description": "The field.", "example": "name"})


class DistributionSchema(ResponseSchema):
    """The texts that a template makes for the clients of the audience."""

    is_sample = ma.fields.Boolean(
        required=True,
        metadata={"description": "Whether the counts are estimated from a sample of the audience.", "example": False},
    )
    sample_size = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "The texts that were made to count them.", "example": 100},
    )
    timed_out = ma.fields.Boolean(
        required=True,
        metadata={
            "description": "Whether fewer were made than would have been, since that took too long.",
            "example": False,
        },
    )
    by_segments = ma.fields.List(
        ma.fields.Nested(MessagesBySegmentsSchema),
        required=True,
        metadata={"description": "Messages by their number of segments, the fewest segments first."},
    )
    ucs2 = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Messages that need UCS-2.", "example": 0}
    )
    longest = ObjectOrNull(
        ExampleSchema(), required=True, metadata={"description": "The longest text; null if there is none."}
    )
    shortest = ObjectOrNull(
        ExampleSchema(), required=True, metadata={"description": "The shortest text; null if there is none."}
    )
    missing = ma.fields.List(
        ma.fields.Nested(MissingSchema),
        required=True,
        metadata={"description": "Fields of which clients have no value, those that most clients lack first."},
    )
    too_long = ma.fields.Nested(
        UnsentTextsSchema,
        required=True,
        metadata={"description": "Clients for whom the text is too long for a message, or for its gateway."},
    )
    empty = ma.fields.Nested(
        UnsentTextsSchema, required=True, metadata={"description": "Clients for whom the text is empty."}
    )


class CostSchema(ResponseSchema):
    """A cost in one currency."""

    cost = Price(required=True, metadata={"description": "A decimal number.", "example": "4.50"})
    currency = ma.fields.String(required=True, metadata={"description": "Its currency.", "example": "EUR"})


class ShareSchema(ResponseSchema):
    """The share of a mailing that one gateway gets."""

    gateway = ma.fields.String(required=True, metadata={"description": "The gateway's name.", "example": "default"})
    messages = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Its messages.", "example": 100}
    )
    segments = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Their segments.", "example": 100}
    )
    cost = Price(required=True, metadata={"description": "Their cost; null if the price is not known."})
    currency = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The currency of the cost.", "example": "EUR"}
    )


class ExcludedSchema(ResponseSchema):
    """An excluded segment."""

    segment_id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Its id.", "example": 8})
    clients = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "Clients of the audience whom it leaves out.", "example": 12},
    )


class CappedClientsSchema(ResponseSchema):
    """Clients who have had as many messages as the caps allow, as things are now."""

    clients = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "Those who are at a cap when it starts.", "example": 12},
    )
    exact = ma.fields.Boolean(
        required=True,
        metadata={
            "description": f"Whether all clients were looked at; otherwise {CAPPED_LIMIT:,} stand for all.",
            "example": True,
        },
    )
    half_free_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When half of them can get a message; null if there are none."},
    )
    all_free_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When the last of them can get a message; null if there are none."},
    )


class ZoneOpeningSchema(ResponseSchema):
    """The clients of an audience in one time zone."""

    timezone = ma.fields.String(required=True, metadata={"description": "Its name.", "example": "Europe/Moscow"})
    clients = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Clients who have it.", "example": 100}
    )
    opens_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When their local window opens first; null if not before the end.",
            "example": "2026-06-02T06:00:00.000Z",
        },
    )


class LocalTimesSchema(ResponseSchema):
    """The local window of a mailing in the time zones of its audience."""

    zones = ma.fields.List(
        ma.fields.Nested(ZoneOpeningSchema),
        required=True,
        metadata={"description": f"The known time zones, {SHOWN_ZONES} at most, those with most clients first."},
    )
    last_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When the local window opens for those for whom it opens last; null if for nobody.",
            "example": "2026-06-02T18:00:00.000Z",
        },
    )
    no_time = ma.fields.Integer(
        required=True,
        metadata={
            "format": "int64",
            "description": "Clients for whom it does not open before the end: they get no message.",
            "example": 0,
        },
    )
    unknown_timezone = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "Clients whose time zone is not known.", "example": 0},
    )
    default_timezone = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The time zone that counts for them; null: they get no message.", "example": None},
    )


class PlanSchema(ResponseSchema):
    """The estimate of a mailing."""

    audience = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Clients that would get it now.", "example": 100}
    )
    audience_is_exact = ma.fields.Boolean(
        required=True,
        metadata={
            "description": f"Whether it was counted, not estimated: up to {COUNT_LIMIT:,}; a segment, "
            "unless that takes longer than `SEGMENT_TIMEOUT`.",
            "example": True,
        },
    )
    left_out = ma.fields.Integer(
        required=True,
        metadata={
            "format": "int64",
            "description": "Clients that its mark matches, and who are left out by `exclude_unknown_after`.",
            "example": 0,
        },
    )
    excluded = ma.fields.List(
        ma.fields.Nested(ExcludedSchema),
        required=True,
        metadata={"description": "The excluded segments. A client whom several leave out is counted in each."},
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
    segments = ma.fields.Nested(
        SegmentsSchema,
        required=True,
        metadata={"description": "The segments of one message; of a template, those of its longest text."},
    )
    distribution = ObjectOrNull(
        DistributionSchema(),
        required=True,
        metadata={"description": "The texts for the clients of the audience; null for a plain text."},
    )
    lookalikes = ma.fields.List(
        ma.fields.Nested(LookAlikeSchema),
        required=True,
        metadata={
            "description": "The characters that make the text UCS-2, if it would be GSM 7-bit without them; otherwise "
            "only those that are not seen."
        },
    )
    replaced_text = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The text with all of them replaced; null if there are none.", "example": None},
    )
    total_segments = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Segments of all messages.", "example": 100}
    )
    cost = ma.fields.Decimal(
        as_string=True,
        required=True,
        allow_none=True,
        metadata={
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "description": "A decimal number; null when a price is not known, or prices are in several currencies. A "
            "gateway without a price of its own has `PRICE_PER_SEGMENT`.",
            "example": "4.50",
        },
    )
    currency = ma.fields.String(required=True, metadata={"description": "Currency of the cost.", "example": "EUR"})
    costs = ma.fields.List(
        ma.fields.Nested(CostSchema),
        required=True,
        metadata={"description": "The cost in each currency, of the gateways whose price is known."},
    )
    shares = ma.fields.List(
        ma.fields.Nested(ShareSchema),
        required=True,
        metadata={"description": "The gateways that would get its messages now, the largest share first."},
    )
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
        metadata={"description": "Running mailings that will not have finished when it starts.", "example": 1},
    )
    other_messages = ma.fields.Integer(
        required=True,
        metadata={
            "format": "int64",
            "description": "Messages that these will still have to send then.",
            "example": 1000,
        },
    )
    over_cap = ObjectOrNull(
        CappedClientsSchema(),
        required=True,
        metadata={"description": "Clients who are at a cap; null without caps, and for what caps do not count."},
    )
    local_times = ObjectOrNull(
        LocalTimesSchema(),
        required=True,
        metadata={
            "description": "Its local window in the time zones of the audience; null without one, without an end, for "
            "a change of a mailing, and if counting took too long."
        },
    )
    suppressed = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "format": "int64",
            "description": "Clients of the audience whose numbers must not get it; null if counting took too long.",
            "example": 0,
        },
    )
    without_consent = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "format": "int64",
            "description": "Clients of the audience who have not consented; null if it requires no consent, and if "
            "counting took too long.",
            "example": None,
        },
    )
    warnings = ma.fields.List(
        ma.fields.Nested(WarningSchema),
        required=True,
        metadata={
            "description": "`no_window`, `window_closed`, `window_too_short`, `nobody_matches`, `case_differs`, "
            "`no_local_time`, `timezone_unknown`, `missing_values`, `too_long`, `empty_texts`, `forced_ucs2`, "
            "`over_cap`, `over_spending_limit`, `spending_unknown`: check before sending."
        },
    )
