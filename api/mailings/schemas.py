"""Mailings as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, NOT_BLANK, Instant, Label, NameOrNone, PlainText
from api.http.schemas import RequestSchema, ResponseSchema, WarningSchema
from api.http.text_lengths import MaxLength
from api.mailings.services import Resolution
from api.messages.schemas import MessageCounts
from shared.domain.client_rules import MAX_LABEL
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.sentences import ErrorCode, EventDetail
from shared.domain.statuses import MailingStatus, OnUnknown


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ma.ValidationError(ErrorCode.BLANK())


class MailingSchema(ResponseSchema):
    """A mailing with the counts of its messages, in a response."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Permanent id.", "example": 1})
    start_datetime = Instant(
        required=True,
        metadata={
            "description": "When sending starts. Returned in UTC, stored to the microsecond.",
            "example": "2022-06-02T18:25:43.511Z",
        },
    )
    text = PlainText(
        required=True,
        validate=[_not_blank, MaxLength(MAX_TEXT)],
        metadata={"description": "The text to send. Not only white space.", "pattern": NOT_BLANK, "example": "Hello!"},
    )
    mark = Label(
        required=True,
        validate=[_not_blank, MaxLength(MAX_LABEL)],
        metadata={
            "description": "Its recipients: the clients whose operator code or tag equals it. Normalised as a tag is.",
            "pattern": NOT_BLANK,
            "example": "vip",
        },
    )
    end_datetime = Instant(
        required=True,
        metadata={
            "description": "When sending stops. Must be after the start.",
            "example": "2022-06-03T18:25:43.511Z",
        },
    )
    on_unknown = ma.fields.Enum(
        OnUnknown,
        by_value=ma.fields.String,
        required=True,
        metadata={
            "description": "After an attempt that may have been delivered: `resend` the same message, or `hold` it (it "
            "ends as `unknown`, and a person decides).",
            "example": "resend",
        },
    )
    route = NameOrNone(
        required=True,
        allow_none=True,
        metadata={
            "description": "The name of the route of its messages; null for the one that each number has.",
            "nullable": True,
            "pattern": NO_NUL,
            "example": None,
        },
    )
    gateway = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The gateway that it tests, which its message takes alone; null otherwise."},
    )
    status = ma.fields.Enum(
        MailingStatus,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "Its state.", "example": "running"},
    )
    audience = ma.fields.Integer(
        required=True,
        metadata={"format": "int64", "description": "Clients that have a message of it so far.", "example": 100},
    )
    messages = ma.fields.Nested(
        MessageCounts, required=True, metadata={"description": "Its messages by status: their sum is the audience."}
    )
    warnings = ma.fields.List(
        ma.fields.Nested(WarningSchema),
        required=True,
        metadata={
            "description": "Allowed but probably not intended: `window_closed`, `nobody_matches`, `ledger_removed`, "
            "`unended_messages`."
        },
    )
    text_revision = ma.fields.Integer(
        required=True, metadata={"description": "Number of the text, counted from 1.", "example": 1}
    )
    launched_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When all messages of its audience had been created; null before.",
            "example": "2022-06-02T18:25:44.902Z",
        },
    )
    ended_at = Instant(
        required=True, allow_none=True, metadata={"description": "When it was finished or cancelled; null before."}
    )
    created_at = Instant(
        required=True, metadata={"description": "When it was added.", "example": "2022-06-01T09:00:00.000Z"}
    )
    updated_at = Instant(
        required=True,
        metadata={"description": "When it was last changed by a person.", "example": "2022-06-01T09:00:00.000Z"},
    )


class MailingBody(RequestSchema, MailingSchema):
    """The fields of a mailing that a caller sets."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller sets: shared.domain.mailing_rules.MailingFields."""

        fields = ("start_datetime", "text", "mark", "end_datetime", "on_unknown", "route")

    on_unknown = ma.fields.Enum(
        OnUnknown,
        by_value=ma.fields.String,
        metadata={
            "description": "After an attempt that may have been delivered: `resend` the same message, or `hold` it (it "
            "ends as `unknown`, and a person decides). If left out: `resend` for a new mailing, no change otherwise.",
            "example": "resend",
        },
    )
    route = NameOrNone(
        allow_none=True,
        metadata={
            "description": "The name of a route for its messages; null for the one that each number has. If left out: "
            "null for a new mailing, no change otherwise.",
            "nullable": True,
            "pattern": NO_NUL,
            "example": None,
        },
    )


class RetryBody(RequestSchema):
    """Which messages of a mailing to retry."""

    status = ma.fields.String(
        required=True,
        validate=validate.OneOf(("failed", "unknown"), error="Only failed and unknown messages can be retried."),
        metadata={"description": "Those in this status.", "example": "failed"},
    )


class ResolveBody(RequestSchema):
    """The decision about a message that is `unknown`."""

    outcome = ma.fields.Enum(
        Resolution,
        by_value=ma.fields.String,
        required=True,
        metadata={
            "description": "`arrived` or `not_arrived`, if that is known; or `resend`.",
            "example": "arrived",
        },
    )


class RetriedSchema(ResponseSchema):
    """The result of a retry."""

    retried = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Messages that wait again.", "example": 12}
    )
    more = ma.fields.Boolean(
        required=True,
        metadata={"description": "There are more messages than one request retries: send another.", "example": False},
    )


class JournalEntrySchema(ResponseSchema):
    """An entry of a mailing's history."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Sequential id.", "example": 1})
    at = Instant(required=True, metadata={"description": "Time.", "example": "2022-06-02T18:30:00.000Z"})
    action = ma.fields.String(
        required=True,
        metadata={
            "description": "The action: `edit`, `pause`, `resume`, `cancel`, `retry`, `resolve`, `remove`, `test` or "
            "`reopen`.",
            "example": "retry",
        },
    )
    detail = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "More about it.", "example": "12 failed"}
    )
    detail_code = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The same as a code, which does not change: "
            + ", ".join(f"`{code}`" for code in EventDetail)
            + ".",
            "example": "retried",
        },
    )
    detail_params = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "The parameters of the code.", "example": {"count": 12, "status": "failed"}},
    )
    actor_name = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Actor's name at that time; null if unknown.", "example": "Anna"},
    )
    changes = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of an edit: the fields that changed, each before and after; of the text, its revisions.",
            "example": None,
        },
    )
