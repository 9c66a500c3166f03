"""Deliveries and receipts as JSON: what became of a message after its gateway accepted it."""

from __future__ import annotations

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.http.response_fields import boolean, choice, instant, int64, integer, string
from api.http.schemas import ResponseSchema
from shared.domain.delivery import Delivery, ReceiptState, UndeliveredReason

DELIVERY_MEANINGS = {
    Delivery.AWAITING: "Accepted by the gateway; its receipt is awaited.",
    Delivery.DELIVERED: "Delivered, as the gateway reports.",
    Delivery.UNDELIVERED: "Not delivered, as the gateway reports.",
    Delivery.NO_RECEIPT: "Accepted by the gateway; no receipt says whether it was delivered.",
}
"""The meaning of each delivery of a sent message, in the OpenAPI document and, translated, in the console."""

UNDELIVERED_MEANINGS = {
    UndeliveredReason.EXPIRED: "The phone was not reached in time",
    UndeliveredReason.BLOCKED: "The operator, a filter or the phone blocks it",
    UndeliveredReason.UNKNOWN_SUBSCRIBER: "The number is not in service, or cannot receive text messages",
    UndeliveredReason.OPTED_OUT: "The recipient has opted out",
    UndeliveredReason.REJECTED: "The provider or the operator rejected it",
    UndeliveredReason.OTHER: "The provider gives another reason, or none",
}
"""Why a message was not delivered, likewise: sentences without their full stop."""

_MEANINGS = " ".join(f"`{delivery.value}`: {meaning}" for delivery, meaning in DELIVERY_MEANINGS.items())
_REASONS = " ".join(f"`{reason.value}`: {meaning}." for reason, meaning in UNDELIVERED_MEANINGS.items())

DELIVERY = ma.fields.Enum(
    Delivery,
    by_value=ma.fields.String,
    metadata={
        "description": f"Only sent messages with this delivery. {_MEANINGS}",
        "example": "undelivered",
    },
)
"""The filter of lists of messages."""


class DeliveryCounts(ResponseSchema):
    """How many sent messages have each delivery: their sum is the number of sent messages."""

    awaiting, delivered, undelivered, no_receipt = (int64(DELIVERY_MEANINGS[delivery], 0) for delivery in Delivery)


class DeliveryFields(ResponseSchema):
    """What became of a message after its gateway accepted it."""

    delivery = choice(
        Delivery,
        f"What its receipts say; null unless it is sent. {_MEANINGS}",
        "delivered",
        allow_none=True,
        attribute="known_delivery",
    )
    delivery_at = instant(
        "When that happened, as the provider says, else when the receipt came; null before.",
        "2022-06-02T18:25:49.000Z",
        allow_none=True,
    )
    delivery_reason = choice(
        UndeliveredReason, f"Why it was not delivered; null otherwise. {_REASONS}", None, allow_none=True
    )
    delivery_code = string("The provider's own code of the deciding receipt.", "DELIVRD", allow_none=True)
    delivery_conflicting = boolean("Whether its receipts contradict each other.", False)
    parts = integer("The number of its parts, if receipts are about single ones.", None, allow_none=True)
    parts_delivered = integer("How many of these were delivered.", None, allow_none=True)


class ReceiptFields(ResponseSchema):
    """What a provider said about a message."""

    received_at = instant("When it came.", "2022-06-02T18:25:50.120Z")
    gateway = NameOfGateway("The gateway that it came from.")
    provider_message_id = string("The provider's id of the message, if it named it.", allow_none=True)
    state = choice(
        ReceiptState,
        "`accepted`: on its way. `unknown`: the provider expects to learn no more. `undelivered`, `delivered`: final.",
        "delivered",
    )
    reason = choice(UndeliveredReason, f"Why it was not delivered; null otherwise. {_REASONS}", None, allow_none=True)
    code = string("The provider's own code.", "DELIVRD", allow_none=True)
    words = string("The provider's words.", None, allow_none=True)
    event_at = instant("When it happened, as the provider says.", "2022-06-02T18:25:49.000Z", allow_none=True)
    part = string("The part that it is about; null for the whole message.", None, allow_none=True)
    repeats = integer("How often the same came again.", 0)


class ReceiptSchema(ReceiptFields):
    """A receipt of a message."""


class OrphanReceiptSchema(ReceiptFields):
    """A receipt that matches no message."""

    id = int64("Sequential id.", 1)
    message_id = int64("The id that the provider gave as ours; null if it gave none.", None, allow_none=True)
    recipient = string("The recipient's phone number as the provider wrote it.", "79161234567", allow_none=True)
