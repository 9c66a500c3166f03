"""Inbound messages as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.gateways.fields import NameOfGateway
from api.http.fields import (
    MAX_ID,
    NO_NUL,
    PhoneNumber,
    PlainText,
    TrueOrFalse,
    WholeNumber,
    WrittenPhoneNumber,
)
from api.http.paging import PageLimit
from api.http.response_fields import boolean, choice, instant, int64, integer, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.inbound import MISSING
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import InboundDecision, KeywordAction

DECISIONS = (InboundDecision.STOP, InboundDecision.START, InboundDecision.NOTHING)
"""What a person can decide."""


class InboundMessageSchema(ResponseSchema):
    """A message of a recipient to us."""

    id = int64("Permanent.", 1)
    gateway = NameOfGateway("The gateway by which it came.")
    sender = string("Who wrote it, as the provider says.", "+79161234567")
    phone_number = PhoneNumber(
        required=True,
        allow_none=True,
        metadata={"description": "The sender's phone number; null for a name or a short code.", "example": 79161234567},
    )
    recipient = string("Our number that it was written to; empty if it is not known.", "1001")
    text = string(f"The text. While parts of it are missing, `{MISSING}` stands for them.", "Yes, please")
    parts = integer("How many parts it was sent in.", 1)
    parts_received = integer("How many of them have come. A late part completes the text.", 1)
    sent_at = instant("When it was sent, as the provider says.", "2022-06-02T18:30:12.000Z", allow_none=True)
    received_at = instant("When its first part came.", "2022-06-02T18:30:14.211Z")
    client_id = int64(
        "The client who had that phone number then, and may have been removed since; null if there was none.",
        1,
        allow_none=True,
    )
    message_id = int64(
        "The last message that was sent to that number before, through the same gateway if there is one; null if "
        "there is none.",
        1,
        allow_none=True,
    )
    read_at = instant("When it was marked as read; null while it is unread.", None, allow_none=True)
    read_by = string("The name of the person who marked it as read.", None, allow_none=True)
    answered_at = instant("When it was last answered; null before.", None, allow_none=True)
    answer_message_id = int64("The last answer to it.", None, allow_none=True)
    keyword = string(
        "The keyword that the text is or contains, in small letters; null if there is none.", None, allow_none=True
    )
    keyword_action = choice(
        KeywordAction,
        "What the keyword asks for: `stop`, `start` or `help`; null without a keyword.",
        None,
        allow_none=True,
    )
    keyword_is_exact = boolean(
        "Whether the text is the keyword and nothing else: then it was carried out at once.", None, allow_none=True
    )
    decision = choice(
        InboundDecision,
        "What was done: `stop` (the sender is suppressed), `start` (refusals of the sender were lifted), `help`, or "
        "`nothing`, as a person has decided; null if there was nothing to do, or nobody has decided yet.",
        None,
        allow_none=True,
    )
    decided_at = instant("When it was done, or decided last; null before.", None, allow_none=True)
    decided_by = string("The name of the person who decided; null for a keyword.", None, allow_none=True)


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
        doubtful=True, metadata={"description": "Only messages from this phone number.", "example": 79161234567}
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

    mailing_id = int64("The mailing of the answer.", 7)
    message_id = int64("Its message: what became of it.", 7)
