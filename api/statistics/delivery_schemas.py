"""Statistics of deliveries as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.http.fields import WholeNumber
from api.http.schemas import ResponseSchema
from api.statistics.delivery import MAX_EXAMINED
from shared.domain.delivery import UndeliveredReason

KEPT_HOURS = 35 * 24
"""For how long it is kept how soon messages were delivered."""


def _count(description: str, example: int) -> ma.fields.Integer:
    return ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": description, "example": example}
    )


class DeliveryStatisticsArguments(ma.Schema):
    """The period of the statistics of deliveries."""

    hours = WholeNumber(
        minimum=1,
        maximum=KEPT_HOURS,
        load_default=24,
        metadata={"description": "Messages sent within the last so many hours.", "example": 24},
    )


class DeliverySpeedSchema(ResponseSchema):
    """How soon the messages of a gateway to numbers with an operator code were delivered."""

    gateway = NameOfGateway(
        attribute="gateway_id",
        required=True,
        metadata={"description": "The gateway's name.", "example": "default"},
    )
    operator_code = ma.fields.String(
        required=True,
        metadata={"description": "The clients' operator code; empty if they had been removed.", "example": "916"},
    )
    sent = _count("Messages sent that awaited a receipt, and are measured: at least ten minutes old.", 1000)
    within_1 = _count("Delivered within 1 minute.", 900)
    within_5 = _count("Delivered within 5 minutes.", 950)
    within_10 = _count("Delivered within 10 minutes.", 960)
    undelivered = _count("Reported as not delivered within 10 minutes.", 20)


class UndeliveredReasonSchema(ResponseSchema):
    """How many messages were not delivered for a reason."""

    gateway = NameOfGateway(
        attribute="gateway_id",
        required=True,
        allow_none=True,
        metadata={"description": "The gateway's name.", "example": "default"},
    )
    reason = ma.fields.Enum(
        UndeliveredReason,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "The reason, as `delivery_reason` of a message.", "example": "unknown_subscriber"},
    )
    messages = _count("Messages.", 12)


class OrphanCountSchema(ResponseSchema):
    """How many receipts of a gateway match no message."""

    gateway = ma.fields.String(required=True, metadata={"description": "The gateway's name.", "example": "default"})
    receipts = _count("Receipts.", 3)


class DeliveryStatisticsSchema(ResponseSchema):
    """What became of messages after gateways had accepted them."""

    speed = ma.fields.List(
        ma.fields.Nested(DeliverySpeedSchema),
        required=True,
        metadata={"description": "How soon messages were delivered, by gateway and operator code."},
    )
    undelivered_reasons = ma.fields.List(
        ma.fields.Nested(UndeliveredReasonSchema),
        required=True,
        metadata={
            "description": "Why messages were not delivered, the most frequent reason first, among the latest "
            f"{MAX_EXAMINED:,} of all that were not delivered."
        },
    )
    orphan_receipts = ma.fields.List(
        ma.fields.Nested(OrphanCountSchema),
        required=True,
        metadata={"description": "Receipts that match no message, of gateways that have any."},
    )
