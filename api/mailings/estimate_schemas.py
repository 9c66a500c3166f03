"""The estimate of a mailing as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.clients.schemas import ClientSchema
from api.gateways.schemas import Price
from api.http.fields import ObjectOrNull
from api.http.schemas import ResponseSchema, WarningSchema
from api.mailings.audience_count import COUNT_LIMIT
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


class PlanSchema(ResponseSchema):
    """The estimate of a mailing."""

    audience = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Clients that its mark matches now.", "example": 100}
    )
    audience_is_exact = ma.fields.Boolean(
        required=True,
        metadata={"description": f"Whether it was counted, not estimated: up to {COUNT_LIMIT:,}.", "example": True},
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
    segments = ma.fields.Nested(SegmentsSchema, required=True, metadata={"description": "The segments of one message."})
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
    warnings = ma.fields.List(
        ma.fields.Nested(WarningSchema),
        required=True,
        metadata={
            "description": "`no_window`, `window_closed`, `window_too_short`, `nobody_matches`, `case_differs`: "
            "check before sending."
        },
    )
