"""Statistics as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import Instant
from api.http.schemas import ResponseSchema
from api.messages.delivery_schemas import DeliveryCounts
from api.messages.schemas import MessageCounts
from api.workers.gateway_state import GatewayState


class MailingCounts(ResponseSchema):
    """How many mailings are in each status."""

    scheduled = ma.fields.Integer(required=True, metadata={"description": "Not started yet.", "example": 3})
    running = ma.fields.Integer(required=True, metadata={"description": "Being sent.", "example": 1})
    paused = ma.fields.Integer(required=True, metadata={"description": "Paused.", "example": 0})
    finished = ma.fields.Integer(required=True, metadata={"description": "All messages are final.", "example": 12})
    cancelled = ma.fields.Integer(required=True, metadata={"description": "Cancelled.", "example": 0})


class GatewayStatus(ResponseSchema):
    """A gateway as the workers see it."""

    gateway = ma.fields.String(
        attribute="name", required=True, metadata={"description": "The gateway's name.", "example": "default"}
    )
    state = ma.fields.Enum(
        GatewayState,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "By the reports of workers and the last request.", "example": "ok"},
    )
    paused = ma.fields.Boolean(
        attribute="is_paused", required=True, metadata={"description": "Whether it is paused.", "example": False}
    )
    available = ma.fields.Boolean(
        attribute="is_available",
        required=True,
        metadata={"description": "Whether routes with several gateways use it now.", "example": True},
    )
    accepted_a_second = ma.fields.Float(
        required=True, metadata={"description": "Messages that it accepts a second, just now.", "example": 52.4}
    )
    answered_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it last responded; null before.", "example": "2022-06-02T18:25:45.273Z"},
    )


class StatisticsSchema(ResponseSchema):
    """Counts of mailings and messages."""

    mailings = ma.fields.Nested(
        MailingCounts, required=True, metadata={"description": "Mailings by status; removed ones are not counted."}
    )
    messages = ma.fields.Nested(
        MessageCounts, required=True, metadata={"description": "All messages of the ledger by status."}
    )
    delivery = ma.fields.Nested(
        DeliveryCounts, required=True, metadata={"description": "The sent messages by delivery: their sum is `sent`."}
    )
    gateways = ma.fields.List(
        ma.fields.Nested(GatewayStatus), required=True, metadata={"description": "The gateways that are not removed."}
    )
