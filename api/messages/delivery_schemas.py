"""Deliveries and receipts as JSON: what became of a message after its gateway accepted it."""

from __future__ import annotations

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.http.fields import Instant
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

_REASONS = " ".join(f"`{reason.value}`: {meaning}." for reason, meaning in UNDELIVERED_MEANINGS.items())

DELIVERY = ma.fields.Enum(
    Delivery,
    by_value=ma.fields.String,
    metadata={
        "description": "Only sent messages with this delivery. "
        + " ".join(f"`{delivery.value}`: {meaning}" for delivery, meaning in DELIVERY_MEANINGS.items()),
        "example": "undelivered",
    },
)
"""The filter of lists of messages."""


class DeliveryCounts(ResponseSchema):
    """How many sent messages have each delivery: their sum is the number of sent messages."""

    awaiting, delivered, undelivered, no_receipt = (
        ma.fields.Integer(
            required=True,
            metadata={"format": "int64", "description": DELIVERY_MEANINGS[delivery], "example": 0},
        )
        for delivery in Delivery
    )


class DeliveryFields(ResponseSchema):
    """What became of a message after its gateway accepted it."""

    delivery = ma.fields.Enum(
        Delivery,
        by_value=ma.fields.String,
        attribute="known_delivery",
        required=True,
        allow_none=True,
        metadata={
            "description": "What its receipts say; null unless it is sent. "
            + " ".join(f"`{delivery.value}`: {meaning}" for delivery, meaning in DELIVERY_MEANINGS.items()),
            "example": "delivered",
        },
    )
    delivery_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When that happened, as the provider says, else when the receipt came; null before.",
            "example": "2022-06-02T18:25:49.000Z",
        },
    )
    delivery_reason = ma.fields.Enum(
        UndeliveredReason,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={"description": f"Why it was not delivered; null otherwise. {_REASONS}", "example": None},
    )
    delivery_code = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The provider's own code of the deciding receipt.", "example": "DELIVRD"},
    )
    delivery_conflicting = ma.fields.Boolean(
        required=True, metadata={"description": "Whether its receipts contradict each other.", "example": False}
    )
    parts = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The number of its parts, if receipts are about single ones.", "example": None},
    )
    parts_delivered = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "How many of these were delivered.", "example": None}
    )


class ReceiptFields(ResponseSchema):
    """What a provider said about a message."""

    received_at = Instant(
        required=True, metadata={"description": "When it came.", "example": "2022-06-02T18:25:50.120Z"}
    )
    gateway = NameOfGateway(
        attribute="gateway_id",
        required=True,
        metadata={"description": "The gateway that it came from.", "example": "default"},
    )
    provider_message_id = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The provider's id of the message, if it named it."}
    )
    state = ma.fields.Enum(
        ReceiptState,
        by_value=ma.fields.String,
        required=True,
        metadata={
            "description": "`accepted`: on its way. `unknown`: the provider expects to learn no more. `undelivered`, "
            "`delivered`: final.",
            "example": "delivered",
        },
    )
    reason = ma.fields.Enum(
        UndeliveredReason,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={"description": f"Why it was not delivered; null otherwise. {_REASONS}", "example": None},
    )
    code = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The provider's own code.", "example": "DELIVRD"}
    )
    words = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The provider's words.", "example": None}
    )
    event_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it happened, as the provider says.", "example": "2022-06-02T18:25:49.000Z"},
    )
    part = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The part that it is about; null for the whole message.", "example": None},
    )
    repeats = ma.fields.Integer(required=True, metadata={"description": "How often the same came again.", "example": 0})


class ReceiptSchema(ReceiptFields):
    """A receipt of a message."""


class OrphanReceiptSchema(ReceiptFields):
    """A receipt that matches no message."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Sequential id.", "example": 1})
    message_id = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "format": "int64",
            "description": "The id that the provider gave as ours; null if it gave none.",
            "example": None,
        },
    )
    recipient = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The recipient's phone number as the provider wrote it.", "example": "79161234567"},
    )
