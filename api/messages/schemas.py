"""Messages and attempts as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.gateways.schemas import Price
from api.http.fields import MAX_ID, ErasableNumber, Instant, WholeNumber, WrittenPhoneNumber
from api.http.paging import PageArguments
from api.http.response_fields import boolean, choice, instant, int64, integer, objects, string
from api.http.schemas import ResponseSchema
from api.messages.delivery_schemas import DELIVERY, DeliveryFields, ReceiptSchema
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.schema import INFINITY

MEANINGS = {
    MessageStatus.PENDING: "Waiting to be sent.",
    MessageStatus.SENDING: "Being sent by a worker.",
    MessageStatus.SENT: "Accepted by the gateway; this does not confirm delivery to the phone.",
    MessageStatus.FAILED: "Refused by the gateway, or out of attempts.",
    MessageStatus.EXPIRED: "The mailing's window closed before it was sent.",
    MessageStatus.CANCELLED: "The mailing was cancelled, or the client removed, before it was sent.",
    MessageStatus.UNKNOWN: "A request was sent, and no response shows whether the gateway accepted it.",
}
"""The meaning of each status, in the OpenAPI document and, translated, in the console."""

# Built from the enum: a class can't declare `unknown`, which marshmallow uses itself.
MessageCounts = ResponseSchema.from_dict(
    {status.value: int64(meaning, 0) for status, meaning in MEANINGS.items()},
    name="MessageCounts",
)


class DueAt(Instant):
    """When a message is due: null for a suspected poison message, which has no such time."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value == INFINITY else super()._serialize(value, attr, obj, **kwargs)


class AttemptSchema(ResponseSchema):
    """One submission of one message to a gateway, and its result."""

    number = integer("Counted from 1.", 1)
    started_at = instant("When the request began.", "2022-06-02T18:25:45.120Z")
    duration = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Seconds to the result; null when its worker recorded none.", "example": 0.153},
    )
    gateway = string("The gateway's name.", "default")
    result = choice(Result, "Its result, whatever the provider.", "accepted")
    provider_code = string(
        "The provider's own code, such as an HTTP status; null when there was no response.", "200", allow_none=True
    )
    provider_message_id = string("The provider's id of the message, if it gave one.", allow_none=True)
    segments = integer("Segments that were charged; null if nothing was accepted, or it is not known.", allow_none=True)
    price = Price(required=True, metadata={"description": "What it cost; null if it is not known.", "example": "0.045"})
    currency = string("The currency of the gateway's prices.", "EUR", allow_none=True)
    reason = string("The reason as a sentence; null if there is none.", allow_none=True)
    reason_code = string("The reason as a code, which never changes its meaning.", "provider_said", allow_none=True)
    reason_params = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={
            "description": "The parameters of the code. `words` is the text of the provider or the system; "
            "`late_result` is a result that arrived after the lease had expired."
        },
    )
    worker = string("The name of the worker that made it.", "host-7-3f9a")


class MessageSchema(DeliveryFields):
    """One mailing to one client."""

    id = int64("Permanent. Also its `msgId` at the gateway.", 1)
    mailing_id = int64("The mailing whose text it has.", 1)
    client_id = int64("The client may have been removed since.", 1)
    phone_number = ErasableNumber(
        required=True,
        allow_none=True,
        metadata={
            "description": "The number that it is sent to; null if the data about it was erased.",
            "example": 79161234567,
        },
    )
    gateway = NameOfGateway("The gateway that it was last claimed for; null before.", allow_none=True)
    status = choice(MessageStatus, "What became of it so far.", "sent")
    reason = string(
        "Why it has this status, if there is a reason; while pending, that of its last attempt. The English sentence "
        "of `reason_code`.",
        "The window closed",
        allow_none=True,
    )
    reason_code = string(
        "The same as a code, which does not change: compare this. Later versions may have more: "
        + ", ".join(f"`{code.value}`" for code in ReasonCode)
        + ".",
        "window_closed",
        allow_none=True,
    )
    reason_params = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={
            "description": "The parameters of the code: `words` is the text of the provider or the system.",
            "example": {"words": "code 7: blocked"},
        },
    )
    attempts_made = integer("Attempts so far.", 1, attribute="attempts")
    in_doubt = boolean("Whether an attempt may have been delivered without a response.")
    text_revision = integer(
        "The revision of the mailing's text that it has; null before the first attempt.", allow_none=True
    )
    due_at = DueAt(
        required=True,
        allow_none=True,
        metadata={
            "description": "When it may be sent, or retried; null for one that is sent alone because its last "
            "two leases expired.",
            "example": "2022-06-02T18:25:43.511Z",
        },
    )
    sent_at = instant("When the gateway accepted it; null before.", "2022-06-02T18:25:45.273Z", allow_none=True)
    ended_at = instant(
        "When it became final, in whichever status; null before.", "2022-06-02T18:25:45.273Z", allow_none=True
    )
    created_at = instant("When the launch made it.", "2022-06-02T18:25:43.900Z")


class MessageWithAttempts(MessageSchema):
    """One mailing to one client, with all attempts and receipts."""

    text = string(
        "The text that it was sent with, or would be if it were sent now. With fields of clients it is fixed at the "
        "first attempt: null before, and if it has no text because a value is missing.",
        "Hello, Anna!",
        allow_none=True,
    )
    attempts = objects(AttemptSchema, "Every submission of it.", attribute="made")
    receipts = objects(ReceiptSchema, "What providers have reported about it, in the order in which it came.")


class MailingMessagesArguments(PageArguments):
    """Filters of a mailing's messages."""

    status = ma.fields.Enum(
        MessageStatus,
        by_value=ma.fields.String,
        metadata={"description": "Only messages in this status.", "example": "failed"},
    )
    delivery = DELIVERY


class MessagesArguments(MailingMessagesArguments):
    """Filters of the list of messages."""

    mailing_id = WholeNumber(
        minimum=1, maximum=MAX_ID, metadata={"description": "Only messages of this mailing.", "example": 1}
    )
    client_id = WholeNumber(
        minimum=1, maximum=MAX_ID, metadata={"description": "Only messages to this client.", "example": 1}
    )
    phone_number = WrittenPhoneNumber(
        doubtful=True, metadata={"description": "Only messages to this phone number.", "example": 79161234567}
    )
