"""Saved templates as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import MAX_ID, NOT_BLANK, Instant, Label, PlainText
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.field_types import FieldType
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.reasons import WITHOUT_TEXT
from shared.domain.sentences import ErrorCode
from shared.domain.text_segments import Encoding

MAX_NAME = 100


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ma.ValidationError(ErrorCode.BLANK())


class TemplateFieldsSchema(ma.Schema):
    """The fields of a template that a caller sets."""

    name = Label(
        required=True,
        validate=[_not_blank, MaxLength(MAX_NAME)],
        metadata={"description": "Its name, which no other template has.", "pattern": NOT_BLANK, "example": "birthday"},
    )
    text = PlainText(
        required=True,
        validate=[_not_blank, MaxLength(MAX_TEXT)],
        metadata={
            "description": "A text with fields of clients (docs/templates.md), or a plain one.",
            "pattern": NOT_BLANK,
            "example": "{{ name | default: 'Hello' }}, happy birthday!",
        },
    )


class TemplateSchema(ResponseSchema, TemplateFieldsSchema):
    """A saved text for mailings."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Permanent id.", "example": 1})
    revision = ma.fields.Integer(
        required=True, metadata={"description": "The number of its text, counted from 1.", "example": 1}
    )
    written_by_name = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name of the author of its text; null if unknown.", "example": "Anna"},
    )
    created_at = Instant(
        required=True, metadata={"description": "When it was added.", "example": "2022-06-01T09:00:00.000Z"}
    )
    updated_at = Instant(
        required=True, metadata={"description": "When it was last changed.", "example": "2022-06-01T09:00:00.000Z"}
    )


class TemplateBody(RequestSchema, TemplateFieldsSchema):
    """A template to add."""


class TemplateChangeBody(RequestSchema, TemplateFieldsSchema):
    """Changes of a template. What is left out stays as it is."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class TemplateVersionSchema(ResponseSchema):
    """A text of a template."""

    id = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Its number, counted from 1.", "example": 1}
    )
    text = ma.fields.String(required=True, metadata={"description": "The text.", "example": "Hello!"})
    written_at = Instant(
        required=True, metadata={"description": "When it was written.", "example": "2022-06-01T09:00:00.000Z"}
    )
    written_by_name = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name of its author; null if unknown.", "example": "Anna"},
    )


class PreviewBody(RequestSchema):
    """A text, and for whom it is shown."""

    text = PlainText(
        required=True,
        validate=[_not_blank, MaxLength(MAX_TEXT)],
        metadata={"description": "The text.", "pattern": NOT_BLANK, "example": "Hello, {{ name }}!"},
    )
    client_id = ma.fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, MAX_ID),
        metadata={
            "format": "int64",
            "description": "The client whose values it is filled in with; if left out, the first one of the directory.",
            "example": 1,
        },
    )


class PreviewFieldSchema(ResponseSchema):
    """A field that a template names."""

    name = ma.fields.String(required=True, metadata={"description": "Its name.", "example": "name"})
    type = ma.fields.Enum(
        FieldType,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "The type of its values.", "example": "text"},
    )


class PreviewSchema(ResponseSchema):
    """What a template makes for a client."""

    client_id = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"format": "int64", "description": "The client; null if there is none at all.", "example": 1},
    )
    text = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The text for the client; null if there is none.", "example": "Hello, Anna!"},
    )
    fields_ = ma.fields.List(
        ma.fields.Nested(PreviewFieldSchema),
        required=True,
        data_key="fields",
        attribute="fields",
        metadata={"description": "The fields that it names; none of a plain text."},
    )
    missing = ma.fields.List(
        ma.fields.String(),
        required=True,
        metadata={"description": "Those of which the client has no value.", "example": ["name"]},
    )
    encoding = ma.fields.Enum(
        Encoding,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={"description": "GSM 7-bit, or UCS-2 if a character needs it; null without a text."},
    )
    segments = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Segments of the text; null without one."}
    )
    reason_code = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Why there is no text: " + ", ".join(f"`{code}`" for code in WITHOUT_TEXT) + "; else null.",
            "example": "missing_value",
        },
    )
    reason = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The same as a sentence, for people."}
    )
