"""Number lists as JSON and in query strings."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import NO_NUL, NOT_BLANK, Instant, Label, PlainText, Region, Timezone, TrueOrFalse
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.client_rules import MAX_LABEL
from shared.domain.sentences import ErrorCode


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ma.ValidationError(ErrorCode.BLANK())


def _count(description: str, example: int) -> ma.fields.Integer:
    metadata = {"format": "int64", "description": description, "example": example}
    return ma.fields.Integer(required=True, metadata=metadata)


class UploadArguments(RequestSchema):
    """What a list is called, and what becomes of its numbers."""

    name = PlainText(
        required=True,
        validate=[_not_blank, MaxLength(MAX_LABEL)],
        metadata={"description": "Its name, which no other list has.", "pattern": NOT_BLANK, "example": "Fair 2032"},
    )
    create_clients = TrueOrFalse(
        load_default=False,
        metadata={"description": "Add the numbers that are no clients to the directory.", "example": True},
    )
    tag = Label(
        load_default="",
        validate=MaxLength(MAX_LABEL),
        metadata={"description": "The tag of these clients.", "pattern": NO_NUL, "example": "fair"},
    )
    timezone = Timezone(
        metadata={
            "description": "The time zone of those whose number does not tell it, such as mobile numbers of Russia.",
            "format": "timezone",
            "example": "Europe/Moscow",
        }
    )
    default_region = Region(
        metadata={
            "description": "The country whose phone numbers may omit the country code, in national format; "
            "empty for none. Left out: `DEFAULT_REGION`.",
            "example": "RU",
        }
    )


class NumberListSchema(ResponseSchema):
    """A number list."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "Permanent id.", "example": 1})
    name = ma.fields.String(required=True, metadata={"description": "Its name.", "example": "Fair 2032"})
    numbers = _count("Its numbers, each counted once.", 1000)
    created_at = Instant(
        required=True, metadata={"description": "When it was uploaded.", "example": "2022-06-01T09:00:00.000Z"}
    )


class LineFaultSchema(ResponseSchema):
    """A line that is no phone number."""

    line = _count("The line, from 1.", 3)
    reason = ma.fields.String(required=True, metadata={"description": "Why it was rejected."})
    reason_code = ma.fields.String(
        required=True, metadata={"description": "The reason as a code.", "example": "phone_number_unreadable"}
    )


class NumberFaultSchema(ResponseSchema):
    """A number that could not become a client."""

    phone_number = _count("The number.", 79161234567)
    reason = ma.fields.String(required=True, metadata={"description": "Why it was not added."})
    reason_code = ma.fields.String(
        required=True, metadata={"description": "The reason as a code.", "example": "timezone_of_number_unknown"}
    )


class UploadedSchema(NumberListSchema):
    """A list with the report of its upload."""

    repeated = _count("Lines whose number is in a line before.", 2)
    rejected = _count("Lines that are no phone number.", 1)
    errors = ma.fields.List(
        ma.fields.Nested(LineFaultSchema),
        required=True,
        metadata={"description": "The first 1,000 rejected lines."},
    )
    clients = _count("Its numbers that were clients already.", 900)
    added = _count("Clients that were added.", 90)
    unmatched = _count("Its numbers that are of no client.", 10)
    not_added = ma.fields.List(
        ma.fields.Nested(NumberFaultSchema),
        required=True,
        metadata={"description": "The first 1,000 numbers that could not be added, if they were to be."},
    )
