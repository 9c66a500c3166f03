"""Declared fields of clients as JSON and in query strings."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, JsonBoolean, Label, PlainText
from api.http.response_fields import choice, instant, int64
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.client_fields import MAX_LABEL, MAX_NAME
from shared.domain.field_types import FieldType

REMOVE = "remove"


class ClientFieldSchema(ResponseSchema):
    """A declared field of clients."""

    id = int64("Permanent id.", 5)
    name = PlainText(
        required=True,
        metadata={
            "description": f"By which attributes, segments and templates name it: up to {MAX_NAME} letters of any "
            "alphabet, digits and underscores, in lower case; the first one is no digit. Never changed.",
            "pattern": NO_NUL,
            "minLength": 1,
            "maxLength": MAX_NAME,
            "example": "city",
        },
    )
    type = choice(
        FieldType,
        "The type of its values: `text` (a string), `number`, `boolean`, `date` (`2026-12-31`), `datetime` (RFC "
        "3339), `list` (an array of strings). Never changed.",
        "text",
    )
    label = Label(
        required=True,
        validate=MaxLength(MAX_LABEL),
        metadata={
            "description": "As the console shows it; empty: its name.",
            "pattern": NO_NUL,
            "example": "City",
        },
    )
    repeats_yearly = JsonBoolean(
        required=True,
        metadata={
            "description": "Of a date: whether segments compare its next anniversary with the days in which it is "
            "asked for, as of a birthday.",
            "example": False,
        },
    )
    removal_started_at = instant(
        "Since when its values are being removed; null if they are not. It can't be used then. If the removal was "
        "interrupted, remove it again.",
        None,
        allow_none=True,
    )
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")


class ClientFieldBody(RequestSchema, ClientFieldSchema):
    """A field to declare. The label may be left out, and so may `repeats_yearly`."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller sets."""

        fields = ("name", "type", "label", "repeats_yearly")

    def __init__(self) -> None:
        super().__init__(partial=("label", "repeats_yearly"))


class ClientFieldChangeBody(RequestSchema, ClientFieldSchema):
    """Changes of a declared field. What is left out stays as it is."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller changes."""

        fields = ("label", "repeats_yearly")

    def __init__(self) -> None:
        super().__init__(partial=True)


class RemovalArguments(ma.Schema):
    """What becomes of the values of a field that is removed."""

    values = ma.fields.String(
        validate=validate.OneOf([REMOVE], error="Must be: remove."),
        metadata={"description": "`remove`: remove its values from all clients first.", "example": "remove"},
    )
