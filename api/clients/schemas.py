"""Clients as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.clients.fields import Attributes, ExternalId, Labels
from api.http.fields import (
    NO_NUL,
    NOT_BLANK,
    Label,
    PhoneNumber,
    PhoneNumberOrDigits,
    PlainText,
    Timezone,
    WholeNumber,
    WrittenPhoneNumber,
)
from api.http.paging import PageArguments
from api.http.response_fields import instant, int64, integer, objects
from api.http.schemas import RequestSchema, ResponseSchema, WarningSchema
from api.http.text_lengths import MaxLength
from shared.domain.client_rules import MAX_LABEL, MAX_TAGS
from shared.domain.phone_numbers import PhoneNumbers, plain_code
from shared.domain.sentences import ErrorCode
from shared.domain.tag_normalization import normal

SPECIFIED = ("phone_number", "operator_code", "tag", "timezone")
"""The fields of a client that the specification has. A client can't be added without them."""


class ClientSchema(ResponseSchema):
    """A client, in a response."""

    id = int64("Permanent id.", 1)
    phone_number = PhoneNumber(
        required=True,
        metadata={"description": "In international format, 7 to 15 digits (E.164). Unique.", "example": 79161234567},
    )
    operator_code = PlainText(
        required=True,
        validate=validate.Regexp("^[0-9]{1,15}\\Z", error=ErrorCode.NOT_AN_OPERATOR_CODE()),
        metadata={
            "description": "Digits that occur in the phone number. A mailing's `mark` matches it or the tag.",
            "pattern": "^[0-9]{1,15}$",
            "example": "916",
        },
    )
    tag = Label(
        required=True,
        validate=MaxLength(MAX_LABEL),
        metadata={
            "description": "Any label, by which a mailing's `mark` selects clients. May be empty. Stored with accents "
            "composed (NFC), one plain space for any white space, and without zero-width characters.",
            "pattern": NO_NUL,
            "example": "vip",
        },
    )
    timezone = Timezone(
        required=True,
        metadata={
            "description": "The name of an IANA time zone.",
            "minLength": 1,
            "example": "Europe/Moscow",
        },
    )
    external_id = ExternalId(
        required=True,
        allow_none=True,
        metadata={
            "description": "Its id in another system. Unique; null for none.",
            "example": "crm-1042",
        },
    )
    tags = Labels(
        required=True,
        attribute="all_tags",
        metadata={
            "description": "Its tags in order, each once. `tag` is one of them, unless it is empty.",
            "maxItems": MAX_TAGS,
            "example": ["regular", "vip"],
        },
    )
    attributes = Attributes(
        required=True,
        metadata={
            "description": "The values of declared fields by their names. A field without a value is left out.",
            "example": {},
        },
    )
    unknown_subscriber_count = integer(
        "How many messages in a row could not be delivered because the number is not in service, as receipts say. A "
        "delivery, and a new phone number, reset it.",
        0,
    )
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")
    warnings = objects(WarningSchema, "Allowed but probably not intended: `doubtful_phone_number`.", [])


class ClientBody(RequestSchema, ClientSchema):
    """The fields of a client that a caller sets. A change keeps `external_id`, `tags` and `attributes` left out."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller sets."""

        fields = (*SPECIFIED, "external_id", "tags", "attributes")

    def __init__(self) -> None:
        super().__init__(partial=("external_id", "tags", "attributes"))

    phone_number: PhoneNumber = PhoneNumberOrDigits(
        required=True,
        metadata={
            "description": "In international format, 7 to 15 digits (E.164): an integer, or digits with or without `+` "
            "and blanks. With `DEFAULT_REGION`, numbers of that country may be in national format.",
            "example": 79161234567,
        },
    )
    tags = Labels(
        required=True,
        attribute="all_tags",
        metadata={
            "description": "All its tags; `tag` is always one of them, also if it is not among these.",
            "maxItems": MAX_TAGS,
            "example": ["regular", "vip"],
        },
    )
    attributes = Attributes(
        required=True,
        metadata={
            "description": "Values of declared fields by their names. Those that are given are changed; null removes "
            "one. A text has up to 500 characters, a number up to 15 digits, a list up to 100 texts.",
            "example": {},
        },
    )


class WrittenClientBody(ClientBody):
    """The fields of a client in the form that a person or a spreadsheet writes them.

    `numbers` reads its phone number; a number equal to `kept` is accepted unchanged.
    """

    phone_number = WrittenPhoneNumber(required=True)

    def __init__(self, numbers: PhoneNumbers | None = None, *, kept: int | None = None) -> None:
        super().__init__()
        number = self.fields["phone_number"]
        assert isinstance(number, WrittenPhoneNumber)  # noqa: S101
        number.numbers, number.kept = numbers, kept

    @ma.pre_load
    def _take_off(self, data: Any, **_: Any) -> Any:
        """Removes what a spreadsheet adds to an operator code, and blanks around a time zone."""
        if not isinstance(data, dict):
            return data
        plain: dict[str, Callable[[str], str]] = {"operator_code": plain_code, "timezone": normal}
        return data | {name: read(data[name]) for name, read in plain.items() if isinstance(data.get(name), str)}


class ClientsArguments(PageArguments):
    """Filters of the list of clients."""

    phone_number = WrittenPhoneNumber(
        doubtful=True, metadata={"description": "Only the client with this phone number.", "example": 79161234567}
    )
    tag = Label(
        validate=MaxLength(MAX_LABEL),
        metadata={
            "description": "Only clients with this tag; empty: with none.",
            "pattern": NO_NUL,
            "example": "vip",
        },
    )
    tags = Label(
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_LABEL)],
        metadata={
            "description": "Only clients with this tag among their tags.",
            "pattern": NOT_BLANK,
            "example": "vip",
        },
    )
    external_id = ExternalId(metadata={"description": "Only the client with this external id.", "example": "crm-1042"})
    operator_code = PlainText(
        validate=validate.Regexp("^[0-9]{1,15}\\Z", error=ErrorCode.NOT_AN_OPERATOR_CODE()),
        metadata={
            "description": "Only clients with this operator code.",
            "pattern": "^[0-9]{1,15}$",
            "example": "916",
        },
    )
    min_unknown_subscriber_count = WholeNumber(
        minimum=1,
        maximum=2**31 - 1,
        metadata={
            "description": "Only clients whose `unknown_subscriber_count` is at least this.",
            "example": 3,
        },
    )
