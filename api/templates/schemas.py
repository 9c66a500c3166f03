"""Saved templates as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import MAX_ID, NOT_BLANK, Label, PlainText
from api.http.response_fields import choice, instant, int64, integer, objects, string, strings
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength, not_blank
from shared.domain.field_types import FieldType
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.reasons import WITHOUT_TEXT
from shared.domain.text_segments import Encoding

MAX_NAME = 100


class TemplateFieldsSchema(ma.Schema):
    """The fields of a template that a caller sets."""

    name = Label(
        required=True,
        validate=[not_blank, MaxLength(MAX_NAME)],
        metadata={"description": "Its name, which no other template has.", "pattern": NOT_BLANK, "example": "birthday"},
    )
    text = PlainText(
        required=True,
        validate=[not_blank, MaxLength(MAX_TEXT)],
        metadata={
            "description": "A text with fields of clients (docs/templates.md), or a plain one.",
            "pattern": NOT_BLANK,
            "example": "{{ name | default: 'Hello' }}, happy birthday!",
        },
    )


class TemplateSchema(ResponseSchema, TemplateFieldsSchema):
    """A saved text for mailings."""

    id = int64("Permanent id.", 1)
    revision = integer("The number of its text, counted from 1.", 1)
    written_by_name = string("The name of the author of its text; null if unknown.", "Anna", allow_none=True)
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed.", "2022-06-01T09:00:00.000Z")


class TemplateBody(RequestSchema, TemplateFieldsSchema):
    """A template to add."""


class TemplateChangeBody(RequestSchema, TemplateFieldsSchema):
    """Changes of a template. What is left out stays as it is."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class TemplateVersionSchema(ResponseSchema):
    """A text of a template."""

    id = int64("Its number, counted from 1.", 1)
    text = string("The text.", "Hello!")
    written_at = instant("When it was written.", "2022-06-01T09:00:00.000Z")
    written_by_name = string("The name of its author; null if unknown.", "Anna", allow_none=True)


class PreviewBody(RequestSchema):
    """A text, and for whom it is shown."""

    text = PlainText(
        required=True,
        validate=[not_blank, MaxLength(MAX_TEXT)],
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

    name = string("Its name.", "name")
    type = choice(FieldType, "The type of its values.", "text")


class PreviewSchema(ResponseSchema):
    """What a template makes for a client."""

    client_id = int64("The client; null if there is none at all.", 1, allow_none=True)
    text = string("The text for the client; null if there is none.", "Hello, Anna!", allow_none=True)
    fields_ = objects(
        PreviewFieldSchema, "The fields that it names; none of a plain text.", data_key="fields", attribute="fields"
    )
    missing = strings("Those of which the client has no value.", ["name"])
    encoding = choice(Encoding, "GSM 7-bit, or UCS-2 if a character needs it; null without a text.", allow_none=True)
    segments = integer("Segments of the text; null without one.", allow_none=True)
    reason_code = string(
        "Why there is no text: " + ", ".join(f"`{code}`" for code in WITHOUT_TEXT) + "; else null.",
        "missing_value",
        allow_none=True,
    )
    reason = string("The same as a sentence, for people.", allow_none=True)
