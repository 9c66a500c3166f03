"""Number lists as JSON and in query strings."""

from __future__ import annotations

from api.http.fields import DEFAULT_REGION, NO_NUL, NOT_BLANK, Label, PlainText, Timezone, TrueOrFalse
from api.http.response_fields import instant, int64, objects, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength, not_blank
from shared.domain.client_rules import MAX_LABEL


class UploadArguments(RequestSchema):
    """What a list is called, and what becomes of its numbers."""

    name = PlainText(
        required=True,
        validate=[not_blank, MaxLength(MAX_LABEL)],
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
            "example": "Europe/Moscow",
        }
    )
    default_region = DEFAULT_REGION


class NumberListSchema(ResponseSchema):
    """A number list."""

    id = int64("Permanent id.", 1)
    name = string("Its name.", "Fair 2032")
    numbers = int64("Its numbers, each counted once.", 1000)
    created_at = instant("When it was uploaded.", "2022-06-01T09:00:00.000Z")


class LineFaultSchema(ResponseSchema):
    """A line that is no phone number."""

    line = int64("The line, from 1.", 3)
    reason = string("Why it was rejected.")
    reason_code = string("The reason as a code.", "phone_number_unreadable")


class NumberFaultSchema(ResponseSchema):
    """A number that could not become a client."""

    phone_number = int64("The number.", 79161234567)
    reason = string("Why it was not added.")
    reason_code = string("The reason as a code.", "timezone_of_number_unknown")


class UploadedSchema(NumberListSchema):
    """A list with the report of its upload."""

    repeated = int64("Lines whose number is in a line before.", 2)
    rejected = int64("Lines that are no phone number.", 1)
    errors = objects(LineFaultSchema, "The first 1,000 rejected lines.")
    clients = int64("Its numbers that were clients already.", 900)
    added = int64("Clients that were added.", 90)
    unmatched = int64("Its numbers that are of no client.", 10)
    not_added = objects(NumberFaultSchema, "The first 1,000 numbers that could not be added, if they were to be.")
