"""Statistics of deliveries as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.http.fields import WholeNumber
from api.http.response_fields import choice, int64, objects, string
from api.http.schemas import ResponseSchema
from api.statistics.delivery import MAX_EXAMINED
from shared.domain.delivery import UndeliveredReason

KEPT_HOURS = 35 * 24
"""For how long it is kept how soon messages were delivered."""


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

    gateway = NameOfGateway("The gateway's name.")
    operator_code = string("The clients' operator code; empty if they had been removed.", "916")
    sent = int64("Messages sent that awaited a receipt, and are measured: at least ten minutes old.", 1000)
    within_1 = int64("Delivered within 1 minute.", 900)
    within_5 = int64("Delivered within 5 minutes.", 950)
    within_10 = int64("Delivered within 10 minutes.", 960)
    undelivered = int64("Reported as not delivered within 10 minutes.", 20)


class UndeliveredReasonSchema(ResponseSchema):
    """How many messages were not delivered for a reason."""

    gateway = NameOfGateway("The gateway's name.", allow_none=True)
    reason = choice(UndeliveredReason, "The reason, as `delivery_reason` of a message.", "unknown_subscriber")
    messages = int64("Messages.", 12)


class OrphanCountSchema(ResponseSchema):
    """How many receipts of a gateway match no message."""

    gateway = string("The gateway's name.", "default")
    receipts = int64("Receipts.", 3)


class DeliveryStatisticsSchema(ResponseSchema):
    """What became of messages after gateways had accepted them."""

    speed = objects(DeliverySpeedSchema, "How soon messages were delivered, by gateway and operator code.")
    undelivered_reasons = objects(
        UndeliveredReasonSchema,
        "Why messages were not delivered, the most frequent reason first, among the latest "
        f"{MAX_EXAMINED:,} of all that were not delivered.",
    )
    orphan_receipts = objects(OrphanCountSchema, "Receipts that match no message, of gateways that have any.")
