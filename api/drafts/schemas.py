"""Drafts as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, Codes, PlainText
from api.http.response_fields import instant, int64, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.mailings.rule_schemas import KINDS
from api.mailings.written_rules import LocalWindowChoice
from shared.domain.statuses import OnUnknown, OverCap

OPTIONAL = {"nullable": True, "pattern": NO_NUL}


class DraftFieldsSchema(ma.Schema):
    """The editable fields of a draft: any of a mailing's fields, as typed."""

    text = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The text, of any length.", "example": "Hello!"}
    )
    mark = PlainText(allow_none=True, metadata={**OPTIONAL, "description": "The mark.", "example": "vip"})
    segment = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The segment that is its audience instead of a mark.", "example": None},
    )
    segment_id = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The id of the saved segment instead of a mark.", "example": None},
    )
    excluded_segment_ids = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The ids of the saved segments that are left out.", "example": "8, 9"},
    )
    start_datetime = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The start of the window.", "example": "2032-06-02T18:25:43.511Z"},
    )
    end_datetime = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The end of the window.", "example": "2032-06-03T18:25:43.511Z"},
    )
    on_unknown = ma.fields.String(
        allow_none=True,
        validate=validate.OneOf([choice.value for choice in OnUnknown]),
        metadata={"description": "What to do after an attempt in doubt: `resend` or `hold`.", "example": "resend"},
    )
    route = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The name of the route of its messages.", "example": None}
    )
    exclude_unknown_after = PlainText(
        allow_none=True,
        metadata={
            **OPTIONAL,
            "description": "After how many messages in a row that a number was not in service for it is left out.",
            "example": "3",
        },
    )
    kind = ma.fields.String(
        allow_none=True,
        validate=validate.OneOf(["", *KINDS]),
        metadata={"description": "`marketing` (if it is left out) or `service`.", "example": "marketing"},
    )
    local_window = ma.fields.String(
        allow_none=True,
        validate=validate.OneOf(["", *LocalWindowChoice]),
        metadata={
            "description": "Its local window: `rules` (that of the sending rules), `own` (the next fields) or `none`. "
            "Left out: `own` if the next fields are given, else `rules`.",
            "example": "own",
        },
    )
    local_from = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The time of day of its beginning.", "example": "09:00"}
    )
    local_until = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The time of day of its end.", "example": "21:00"}
    )
    local_weekdays = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "Its days of the week.", "example": "monday tuesday wednesday"},
    )
    holiday_calendar_id = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The id of its holiday calendar.", "example": None}
    )
    default_timezone = PlainText(
        allow_none=True,
        metadata={**OPTIONAL, "description": "The time zone of clients without one.", "example": "Europe/Moscow"},
    )
    requires_consent = ma.fields.String(
        allow_none=True,
        validate=validate.OneOf(["", "true", "false"]),
        metadata={"description": "Whether it requires consent. Left out: as in the sending rules.", "example": "true"},
    )
    over_cap = ma.fields.String(
        allow_none=True,
        validate=validate.OneOf(["", *OverCap]),
        metadata={"description": "`wait` (if it is left out) or `cancel`.", "example": "wait"},
    )
    spending_limit = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "What it may cost.", "example": "1500"}
    )
    spending_currency = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The currency of that limit.", "example": "RUB"}
    )


class DraftBody(RequestSchema, DraftFieldsSchema):
    """A mailing that is being written. Everything is optional; nothing is checked before the draft is sent."""


class DraftSchema(ResponseSchema, DraftFieldsSchema):
    """A draft of a mailing. A field that is not written yet is null."""

    id = int64("The draft's id.", 1)
    mailing_id = int64(
        "The mailing that it was sent as, which then has its fields; null if it was not sent.", None, allow_none=True
    )
    created_by_name = string("The name of its creator.", "Anna")
    written_by_name = string("The name of the author of the present fields.", "Anna")
    created_at = instant("When it was created.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed.", "2022-06-01T09:00:00.000Z")


class DraftVersionSchema(ResponseSchema, DraftFieldsSchema):
    """The fields of a draft before a change."""

    id = int64("Sequential id.", 1)
    written_at = instant("When they were written.", "2022-06-01T09:00:00.000Z")
    written_by_name = string("The name of their author.", "Anna")


class SendDraftBody(RequestSchema):
    """What was reviewed: sending is refused if it has changed since."""

    audience = ma.fields.Integer(
        strict=True,
        validate=validate.Range(min=0, max=2**31 - 1),
        metadata={
            "format": "int64",
            "description": "The audience that `planMailing` returned: refused if it has grown by over 1 % since. "
            "Optional.",
            "example": 100,
        },
    )
    confirm = Codes(
        load_default=list,
        metadata={
            "description": "The codes of the warnings that `planMailing` returns for the mailing: refused if one is "
            "missing.",
            "example": ["nobody_matches"],
        },
    )
