"""Inbound messages as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.gateways.fields import NameOfGateway
from api.http.fields import (
    MAX_ID,
    NO_NUL,
    PHONE_NUMBER,
    Instant,
    PhoneNumber,
    PlainText,
    TrueOrFalse,
    WholeNumber,
    WrittenPhoneNumber,
)
from api.http.paging import PageLimit
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.inbound import MISSING
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import InboundDecision, KeywordAction

ID = {"format": "int64"}

DECISIONS = (InboundDecision.STOP, InboundDecision.START, InboundDecision.NOTHING)
"""What a person can decide."""


class InboundMessageSchema(ResponseSchema):
    """A message of a recipient to us."""

    id = ma.fields.Integer(required=True, metadata={**ID, "description": "Permanent.", "example": 1})
    gateway = NameOfGateway(
        attribute="gateway_id",
        required=True,
        metadata={"description": "The gateway by which it came.", "example": "default"},
    )
    sender = ma.fields.String(
        required=True, metadata={"description": "Who wrote it, as the provider says.", "example": "+79161234567"}
    )
    phone_number = PhoneNumber(
        required=True,
        allow_none=True,
        metadata={
            **PHONE_NUMBER,
            "description": "The sender's phone number; null for a name or a short code.",
            "example": 79161234567,
        },
    )
    recipient = ma.fields.String(
        required=True,
        metadata={"description": "Our number that it was written to; empty if it is not known.", "example": "1001"},
    )
    text = ma.fields.String(
        required=True,
        metadata={
            "description": f"The text. While parts of it are missing, `{MISSING}` stands for them.",
            "example": "Yes, please",
        },
    )
    parts = ma.fields.Integer(required=True, metadata={"description": "How many parts it was sent in.", "example": 1})
    parts_received = ma.fields.Integer(
        required=True,
        metadata={"description": "How many of them have come. A late part completes the text.", "example": 1},
    )
    sent_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it was sent, as the provider says.", "example": "2022-06-02T18:30:12.000Z"},
    )
    received_at = Instant(
        required=True, metadata={"description": "When its first part came.", "example": "2022-06-02T18:30:14.211Z"}
    )
    client_id = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            **ID,
            "description": "The client who had that phone number then, and may have been removed since; null if there "
            "was none.",
            "example": 1,
        },
    )
    message_id = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            **ID,
            "description": "The last message that was sent to that number before, through the same gateway if there is "
            "one; null if there is none.",
            "example": 1,
        },
    )
    read_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it was marked as read; null while it is unread.", "example": None},
    )
    read_by = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name of the person who marked it as read.", "example": None},
    )
    answered_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it was last answered; null before.", "example": None},
    )
    answer_message_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={**ID, "description": "The last answer to it.", "example": None}
    )
    keyword = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The keyword that the text is or contains, in small letters; null if there is none.",
            "example": None,
        },
    )
    keyword_action = ma.fields.Enum(
        KeywordAction,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={
            "description": "What the keyword asks for: `stop`, `start` or `help`; null without a keyword.",
            "example": None,
        },
    )
    keyword_is_exact = ma.fields.Boolean(
        required=True,
        allow_none=True,
        metadata={
            "description": "Whether the text is the keyword and nothing else: then it was carried out at once.",
            "example": None,
        },
    )
    decision = ma.fields.Enum(
        InboundDecision,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={
            "description": "What was done: `stop` (the sender is suppressed), `start` (refusals of the sender were "
            "lifted), `help`, or `nothing`, as a person has decided; null if there was nothing to do, or nobody has "
            "decided yet.",
            "example": None,
        },
    )
    decided_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it was done, or decided last; null before.", "example": None},
    )
    decided_by = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name of the person who decided; null for a keyword.", "example": None},
    )


class InboundMessagesArguments(PageLimit):
    """Filters of the list of inbound messages, and its page."""

    before = WholeNumber(
        minimum=1,
        maximum=MAX_ID,
        load_default=None,
        metadata={"description": "Only rows with a smaller id: the last id of the previous page.", "example": 100},
    )
    unread = TrueOrFalse(
        metadata={"description": "`true`: only unread messages; `false`: only those that are read.", "example": True}
    )
    undecided = TrueOrFalse(
        metadata={
            "description": "`true`: only messages that contain a keyword for STOP or START among other words, about "
            "which nobody has decided; `false`: only others.",
            "example": True,
        }
    )
    client_id = WholeNumber(
        minimum=1, maximum=MAX_ID, metadata={"description": "Only messages of this client.", "example": 1}
    )
    phone_number = WrittenPhoneNumber(
        doubtful=True,
        metadata={**PHONE_NUMBER, "description": "Only messages from this phone number.", "example": 79161234567},
    )
    gateway = PlainText(
        metadata={"description": "Only messages by this gateway.", "pattern": NO_NUL, "example": "default"}
    )


class AnswerBody(RequestSchema):
    """An answer."""

    text = PlainText(
        required=True,
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_TEXT)],
        metadata={"description": "The text.", "pattern": NO_NUL, "example": "At 18:00. See you there!"},
    )


class DecisionBody(RequestSchema):
    """What a person takes a message for."""

    decision = ma.fields.Enum(
        InboundDecision,
        by_value=ma.fields.String,
        required=True,
        validate=validate.OneOf(DECISIONS, error=ErrorCode.NOT_A_DECISION()),
        error_messages={"unknown": ErrorCode.NOT_A_DECISION()},
        metadata={
            "description": "`stop`: suppress the sender. `start`: lift what the sender has refused before that "
            "message. `nothing`: it asks for neither; what was done because of it is undone.",
            "example": "stop",
        },
    )


class AnswerSchema(ResponseSchema):
    """An answer: a mailing with one message."""

    mailing_id = ma.fields.Integer(
        required=True, metadata={**ID, "description": "The mailing of the answer.", "example": 7}
    )
    message_id = ma.fields.Integer(
        required=True, metadata={**ID, "description": "Its message: what became of it.", "example": 7}
    )
