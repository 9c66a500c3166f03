"""Mailings as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import MAX_ID, NO_NUL, NOT_BLANK, Ids, Label, NameOrNone, PlainText, whole_number
from api.http.response_fields import boolean, choice, instant, int64, integer, nested, objects, string
from api.http.schemas import RequestSchema, ResponseSchema, WarningSchema
from api.http.text_lengths import MaxLength, not_blank
from api.mailings.rule_schemas import RuleOutputs
from api.mailings.services import Resolution
from api.mailings.written_rules import read_rules
from api.messages.delivery_schemas import DeliveryCounts
from api.messages.schemas import MessageCounts
from shared.domain.client_rules import MAX_LABEL
from shared.domain.mailing_rules import MAX_TEXT, RULES
from shared.domain.sentences import ErrorCode, EventDetail
from shared.domain.statuses import MailingStatus, OnUnknown

MAX_INTEGER = 2**31 - 1
"""The largest integer of PostgreSQL."""


MAX_EXCLUDED = 20
"""Segments that a mailing leaves out at most."""

AUDIENCE = {"mark": "", "segment": None, "segment_id": None}
"""The fields of which one says whom a mailing is for, with what the others are then."""


class MailingSchema(RuleOutputs, ResponseSchema):
    """A mailing with the counts of its messages, in a response."""

    id = int64("Permanent id.", 1)
    start_datetime = instant(
        "When sending starts. Returned in UTC, stored to the microsecond.", "2022-06-02T18:25:43.511Z"
    )
    text = PlainText(
        required=True,
        validate=[not_blank, MaxLength(MAX_TEXT)],
        metadata={"description": "The text to send. Not only white space.", "pattern": NOT_BLANK, "example": "Hello!"},
    )
    from_template_id = int64("The saved template that its text was made from; null for none.", allow_none=True)
    from_template_revision = integer("The revision of that template; null for none.", allow_none=True)
    mark = Label(
        required=True,
        metadata={
            "description": "Its recipients: the clients whose operator code or tag equals it. Normalised as a tag is. "
            "Empty if they are a segment.",
            "pattern": NO_NUL,
            "example": "vip",
        },
    )
    segment = PlainText(
        required=True,
        allow_none=True,
        metadata={
            "description": "Its recipients as a condition (docs/segments.md), written for this mailing alone; null for "
            "a mark or a saved segment.",
            "pattern": NO_NUL,
            "example": None,
        },
    )
    segment_id = int64(
        "The saved segment of its recipients; null for a mark or a condition of its own.", None, allow_none=True
    )
    excluded_segment_ids = Ids(
        required=True,
        metadata={
            "description": "The saved segments whose clients are left out of its recipients.",
            "maxItems": MAX_EXCLUDED,
            "example": [],
        },
    )
    end_datetime = instant("When sending stops. Must be after the start.", "2022-06-03T18:25:43.511Z")
    on_unknown = choice(
        OnUnknown,
        "After an attempt that may have been delivered: `resend` the same message, or `hold` it (it ends as "
        "`unknown`, and a person decides).",
        "resend",
    )
    route = NameOrNone(
        required=True,
        allow_none=True,
        metadata={
            "description": "The name of the route of its messages; null for the one that each number has.",
            "pattern": NO_NUL,
            "example": None,
        },
    )
    exclude_unknown_after = integer(
        "Clients are left out of its audience whose number so many messages in a row could not be delivered to "
        "because it is not in service (`unknown_subscriber_count`); null for nobody.",
        None,
        allow_none=True,
    )
    gateway = string("The gateway that it tests, which its message takes alone; null otherwise.", allow_none=True)
    status = choice(MailingStatus, "Its state.", "running")
    audience = int64("Clients that have a message of it so far.", 100)
    messages = nested(MessageCounts, "Its messages by status: their sum is the audience.")
    delivery = nested(DeliveryCounts, "Its sent messages by delivery: their sum is the number of sent messages.")
    warnings = objects(
        WarningSchema,
        "Allowed but probably not intended: `window_closed`, `nobody_matches`, `awaiting_approval`, "
        "`audience_not_listed`, `ledger_removed`, `unended_messages`.",
    )
    requires_approval = boolean("Whether it starts only once a second person has approved it.")
    approved_at = instant("When it was approved; null before.", allow_none=True)
    approved_by = string("The name of who approved it; null before.", allow_none=True)
    text_revision = integer("Number of the text, counted from 1.", 1)
    launched_segment = string(
        "The text of its segment as it was when its clients were listed; null before, and for a mark.",
        None,
        allow_none=True,
    )
    launched_at = instant(
        "When all messages of its audience had been created; null before.", "2022-06-02T18:25:44.902Z", allow_none=True
    )
    ended_at = instant("When it was finished or cancelled; null before.", allow_none=True)
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")


class MailingBody(RequestSchema, MailingSchema):
    """The fields of a mailing that a caller sets."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller sets: shared.domain.mailing_rules.MailingFields."""

        fields = (
            "start_datetime",
            "text",
            "template_id",
            "mark",
            "segment",
            "segment_id",
            "excluded_segment_ids",
            "end_datetime",
            "on_unknown",
            "route",
            "exclude_unknown_after",
            *RULES,
        )

    text = PlainText(
        validate=[not_blank, MaxLength(MAX_TEXT)],
        metadata={
            "description": "The text to send, which may have fields of clients (docs/templates.md). Not only white "
            "space. Required without `template_id`.",
            "pattern": NOT_BLANK,
            "example": "Hello!",
        },
    )
    template_id = ma.fields.Integer(
        strict=True,
        load_only=True,
        allow_none=True,
        validate=validate.Range(1, MAX_ID),
        metadata={
            "format": "int64",
            "description": "Instead of a text: the template whose present text it is. Later changes of the template do "
            "not change the mailing. Null is the same as left out.",
            "example": None,
        },
    )

    mark = Label(
        validate=MaxLength(MAX_LABEL),
        metadata={
            "description": "Its recipients: the clients whose operator code or tag equals it. Normalised as a tag is. "
            "Required unless a segment is given.",
            "pattern": NO_NUL,
            "example": "vip",
        },
    )
    segment = PlainText(
        allow_none=True,
        metadata={
            "description": "Its recipients as a condition (docs/segments.md), instead of `mark`: "
            '`city = "Казань" and not received within last 7 days`.',
            "pattern": NO_NUL,
            "example": None,
        },
    )
    segment_id = ma.fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, MAX_ID),
        metadata={
            "format": "int64",
            "description": "The saved segment of its recipients, instead of `mark`.",
            "example": None,
        },
    )
    excluded_segment_ids = Ids(
        maximum=MAX_EXCLUDED,
        metadata={
            "description": "Saved segments whose clients are left out. If left out: none for a new mailing, no change "
            "otherwise.",
            "maxItems": MAX_EXCLUDED,
            "example": [],
        },
    )
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
            "pattern": NO_NUL,
            "example": None,
        },
    )
    exclude_unknown_after = ma.fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER, error=ErrorCode.NOT_A_COUNT_OR_NOTHING(maximum=MAX_INTEGER)),
        metadata={
            "description": "Leaves clients out whose number so many messages in a row could not be delivered to "
            "because it is not in service; null for nobody. If left out: null for a new mailing, no change otherwise.",
            "example": 3,
        },
        error_messages={"invalid": ErrorCode.NOT_A_COUNT_OR_NOTHING(maximum=MAX_INTEGER)},
    )

    @ma.validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_text(self, data: Any, original: Any, *, partial: Any, **_: Any) -> None:
        given = original if isinstance(original, dict) else {}
        has_template = given.get("template_id") is not None
        if "text" in given and has_template:
            raise ma.ValidationError(ErrorCode.TEXT_AND_TEMPLATE(), "template_id")
        if not partial and not has_template and "text" not in given:
            raise ma.ValidationError(str(self.fields["text"].error_messages["required"]), "text")

    @ma.validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_audience(self, data: Any, original: Any, *, partial: Any, **_: Any) -> None:
        """One of mark, segment and segment_id is given. An empty mark is none: a response with a segment has one."""
        given = original if isinstance(original, dict) else {}
        named = [name for name in AUDIENCE if name != "mark" and given.get(name) is not None]
        mark = data.get("mark", given.get("mark"))  # without what cannot be seen
        if isinstance(mark, str) and mark.strip():
            named.insert(0, "mark")
        if len(named) > 1:
            raise ma.ValidationError(ErrorCode.ONE_AUDIENCE(), named[1])
        if named or (mark is not None and not isinstance(mark, str)):
            return
        if "mark" in given:
            raise ma.ValidationError(ErrorCode.BLANK(), "mark")
        if not partial:
            raise ma.ValidationError(self.fields["mark"].error_messages["required"], "mark")

    @ma.post_load
    def _complete_audience(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What is given takes the place of whichever the mailing had."""
        if not any(name in data for name in AUDIENCE):
            return data
        return {**data, **{name: data.get(name, absent) for name, absent in AUDIENCE.items()}}


class WrittenMailingBody(MailingBody):
    """The fields of a mailing as a form and a draft have them: as texts, empty if there is nothing."""

    class Meta(MailingBody.Meta):
        """The fields of a mailing, and what decides about those of its local window."""

        fields = (*MailingBody.Meta.fields, "local_window")

    local_window = ma.fields.String()
    """A LocalWindowChoice, which decides what becomes of the fields of the window."""

    @ma.pre_load
    def _read_texts(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, dict):
            return data
        typed = {name: value.strip() for name, value in data.items() if isinstance(value, str) and name in _NOT_TEXTS}
        numbers = {name: _NOT_TEXTS[name](value) for name, value in typed.items()}
        return read_rules(data | numbers | ({"segment": None} if data.get("segment") == "" else {}))


def _number_or_text(typed: str) -> int | str | None:
    number = whole_number(typed)
    return number if number is not None else typed or None


def _numbers_or_texts(typed: str) -> list[int | str | None]:
    return [_number_or_text(one) for one in re.split(r"[\s,;]+", typed) if one]


_NOT_TEXTS: dict[str, Callable[[str], Any]] = {
    "exclude_unknown_after": _number_or_text,
    "segment_id": _number_or_text,
    "excluded_segment_ids": _numbers_or_texts,
}
"""The fields that a form and a draft have as texts, and how they are read."""


class RetryBody(RequestSchema):
    """Which messages of a mailing to retry."""

    status = ma.fields.String(
        required=True,
        validate=validate.OneOf(("failed", "unknown"), error="Only failed and unknown messages can be retried."),
        metadata={"description": "Those in this status.", "example": "failed"},
    )


class ResolveBody(RequestSchema):
    """The decision about a message that is `unknown`."""

    outcome = choice(Resolution, "`arrived` or `not_arrived`, if that is known; or `resend`.", "arrived")


class RetriedSchema(ResponseSchema):
    """The result of a retry."""

    retried = int64("Messages that wait again.", 12)
    more = boolean("There are more messages than one request retries: send another.", False)


class JournalEntrySchema(ResponseSchema):
    """An entry of a mailing's history."""

    id = int64("Sequential id.", 1)
    at = instant("Time.", "2022-06-02T18:30:00.000Z")
    action = string(
        "The action: `edit`, `pause`, `resume`, `cancel`, `retry`, `resolve`, `remove`, `test`, `reopen`, `approve`, "
        "`unapprove`, `limit` for a pause at a spending limit, or `launch` for one that a worker could not do.",
        "retry",
    )
    detail = string("More about it.", "12 failed", allow_none=True)
    detail_code = string(
        "The same as a code, which does not change: " + ", ".join(f"`{code}`" for code in EventDetail) + ".",
        "retried",
        allow_none=True,
    )
    detail_params = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "The parameters of the code.", "example": {"count": 12, "status": "failed"}},
    )
    actor_name = string("Actor's name at that time; null if unknown.", "Anna", allow_none=True)
    changes = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of an edit: the fields that changed, each before and after; of the text, its revisions.",
            "example": None,
        },
    )
