"""Statistics as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.schemas import ResponseSchema
from api.messages.schemas import MessageCounts


class MailingCounts(ResponseSchema):
    """How many mailings are in each status."""

    scheduled = ma.fields.Integer(required=True, metadata={"description": "Not started yet.", "example": 3})
    running = ma.fields.Integer(required=True, metadata={"description": "Being sent.", "example": 1})
    paused = ma.fields.Integer(required=True, metadata={"description": "Paused.", "example": 0})
    finished = ma.fields.Integer(required=True, metadata={"description": "All messages are final.", "example": 12})
    cancelled = ma.fields.Integer(required=True, metadata={"description": "Cancelled.", "example": 0})


class StatisticsSchema(ResponseSchema):
    """Counts of mailings and messages."""

    mailings = ma.fields.Nested(
        MailingCounts, required=True, metadata={"description": "Mailings by status; removed ones are not counted."}
    )
    messages = ma.fields.Nested(
        MessageCounts, required=True, metadata={"description": "All messages of the ledger by status."}
    )
