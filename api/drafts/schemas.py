"""Drafts as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, Codes, Instant, PlainText
from api.http.schemas import RequestSchema, ResponseSchema
from shared.domain.statuses import OnUnknown

OPTIONAL = {"nullable": True, "pattern": NO_NUL}


class DraftFieldsSchema(ma.Schema):
    """The editable fields of a draft: any of a mailing's fields, as typed."""

    text = PlainText(
        allow_none=True, metadata={**OPTIONAL, "description": "The text, of any length.", "example": "Hello!"}
    )
    mark = PlainText(allow_none=True, metadata={**OPTIONAL, "description": "The mark.", "example": "vip"})
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


class DraftBody(RequestSchema, DraftFieldsSchema):
    """A mailing that is being written. Everything is optional; nothing is checked before the draft is sent."""


class DraftSchema(ResponseSchema, DraftFieldsSchema):
    """A draft of a mailing. A field that is not written yet is null."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "The draft's id.", "example": 1})
    mailing_id = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "format": "int64",
            "description": "The mailing that it was sent as, which then has its fields; null if it was not sent.",
            "example": None,
        },
    )
    created_by_name = ma.fields.String(
        required=True, metadata={"description": "The name of its creator.", "example": "Anna"}
    )
    written_by_name = ma.fields.String(
        required=True, metadata={"description": "The name of the author of the present fields.", "example": "Anna"}
    )
    created_at = Instant(
        required=True, metadata={"description": "When it was created.", "example": "2022-06-01T09:00:00.000Z"}
    )
    updated_at = Instant(
        required=True, metadata={"description": "When it was last changed.", "example": "2022-06-01T09:00:00.000Z"}
    )


class DraftVersionSchema(ResponseSchema, DraftFieldsSchema):
    """The fields of a draft before a change."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Sequential id.", "example": 1})
    written_at = Instant(
        required=True, metadata={"description": "When they were written.", "example": "2022-06-01T09:00:00.000Z"}
    )
    written_by_name = ma.fields.String(
        required=True, metadata={"description": "The name of their author.", "example": "Anna"}
    )


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
