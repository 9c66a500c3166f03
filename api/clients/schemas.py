"""Clients as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.fields import NO_NUL, PHONE_NUMBER, PHONE_NUMBER_OR_DIGITS, Instant, PhoneNumber, PlainText, Timezone
from api.schemas import Answer, Body
from shared.clients import MAX_LABEL


class ClientSchema(Answer):
    """A client, as it is answered."""

    id = ma.fields.Integer(
        required=True, metadata={"format": "int64", "description": "Its number, for ever.", "example": 1}
    )
    phone_number = PhoneNumber(
        required=True,
        metadata={
            **PHONE_NUMBER,
            "description": "In international form, 7 to 15 digits (E.164). No two clients have the same.",
            "example": 79161234567,
        },
    )
    operator_code = PlainText(
        required=True,
        validate=validate.Regexp("^[0-9]{1,15}\\Z", error="Must be 1 to 15 digits."),
        metadata={
            "description": "Digits that occur in the phone number. A mailing's `mark` matches it or the tag.",
            "pattern": "^[0-9]{1,15}$",
            "example": "916",
        },
    )
    tag = PlainText(
        required=True,
        validate=validate.Length(max=MAX_LABEL),
        metadata={
            "description": "Any label, to choose by in a mailing's `mark`. May be empty.",
            "pattern": NO_NUL,
            "example": "vip",
        },
    )
    timezone = Timezone(
        required=True,
        metadata={
            "description": "The name of an IANA time zone.",
            "format": "timezone",
            "minLength": 1,
            "example": "Europe/Moscow",
        },
    )
    created_at = Instant(
        required=True, metadata={"description": "When it was added.", "example": "2022-06-01T09:00:00.000Z"}
    )
    updated_at = Instant(
        required=True,
        metadata={"description": "When it was last changed by a person.", "example": "2022-06-01T09:00:00.000Z"},
    )


class ClientBody(Body, ClientSchema):
    """A client, as a person writes it."""

    class Meta(Body.Meta):
        """What a person decides about a client."""

        fields = ("phone_number", "operator_code", "tag", "timezone")

    phone_number = PhoneNumber(
        required=True,
        metadata={
            **PHONE_NUMBER_OR_DIGITS,
            "description": "In international form, 7 to 15 digits (E.164): an integer, or digits with or without `+`.",
            "example": 79161234567,
        },
    )
