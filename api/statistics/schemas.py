"""Statistics as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.response_fields import boolean, choice, instant, integer, nested, objects, string
from api.http.schemas import ResponseSchema
from api.messages.delivery_schemas import DeliveryCounts
from api.messages.schemas import MessageCounts
from api.workers.gateway_state import GatewayState


class MailingCounts(ResponseSchema):
    """How many mailings are in each status."""

    scheduled = integer("Not started yet.", 3)
    running = integer("Being sent.", 1)
    paused = integer("Paused.", 0)
    finished = integer("All messages are final.", 12)
    cancelled = integer("Cancelled.", 0)


class GatewayStatus(ResponseSchema):
    """A gateway as the workers see it."""

    gateway = string("The gateway's name.", "default", attribute="name")
    state = choice(GatewayState, "By the reports of workers and the last request.", "ok")
    paused = boolean("Whether it is paused.", False, attribute="is_paused")
    available = boolean("Whether routes with several gateways use it now.", True, attribute="is_available")
    accepted_a_second = ma.fields.Float(
        required=True, metadata={"description": "Messages that it accepts a second, just now.", "example": 52.4}
    )
    answered_at = instant("When it last responded; null before.", "2022-06-02T18:25:45.273Z", allow_none=True)


class StatisticsSchema(ResponseSchema):
    """Counts of mailings and messages."""

    mailings = nested(MailingCounts, "Mailings by status; removed ones are not counted.")
    messages = nested(MessageCounts, "All messages of the ledger by status.")
    delivery = nested(DeliveryCounts, "The sent messages by delivery: their sum is `sent`.")
    gateways = objects(GatewayStatus, "The gateways that are not removed.")
