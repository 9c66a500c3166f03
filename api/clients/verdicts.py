"""Whether a row of an import is a client: the verdict that adding it alone would have brought."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import marshmallow as ma

from api.clients.schemas import ClientBody
from api.clients.upload import COLUMNS, Unreadable
from api.fields import DIGITS_OF_PHONE_NUMBER
from shared.clients import MAX_LABEL, TIMEZONES, check_operator_code
from shared.errors import Invalid

_BODY = ClientBody()
_fields_of = itemgetter(*COLUMNS)


class Fault(NamedTuple):
    """What is wrong with a row; `field` is empty when it is the row as a whole."""

    field: str
    reason: str


Good = tuple[str, str, str, str]
"""A client: its phone number in digits, operator code, tag, time zone."""


def judge(row: Any) -> Good | list[Fault]:
    """The client that a row is, or what is wrong with it."""
    return _plainly_good(row) or _judge_by_schema(row)


def _plainly_good(row: Any) -> Good | None:
    """The client, when that can be seen without the schema, which takes twenty times as long. None settles nothing."""
    if type(row) is not dict or len(row) != len(COLUMNS):
        return None
    try:
        phone_number, operator_code, tag, timezone = _fields_of(row)
    except KeyError:
        return None
    if type(phone_number) is int:
        phone_number = str(phone_number)
    if (
        all(type(text) is str for text in (phone_number, operator_code, tag, timezone))
        and DIGITS_OF_PHONE_NUMBER.fullmatch(phone_number)
        and operator_code.isdecimal()
        and operator_code in phone_number
        and len(tag) <= MAX_LABEL
        and tag.isprintable()  # neither NUL nor surrogates are; a tag with a tab is the schema's to look at
        and timezone in TIMEZONES
    ):
        return phone_number.lstrip("+"), operator_code, tag, timezone
    return None


def _judge_by_schema(row: Any) -> Good | list[Fault]:
    if isinstance(row, Unreadable):
        return [Fault("", row.reason)]
    try:
        fields = _BODY.load(row)
        check_operator_code(fields["phone_number"], fields["operator_code"])
    except ma.ValidationError as error:
        # `_schema` is marshmallow's name for the whole.
        wrong = error.normalized_messages().items()
        return [Fault(field.replace("_schema", ""), " ".join(map(str, reasons))) for field, reasons in wrong]
    except Invalid as error:
        return [Fault(error.field, str(error))]
    return (str(fields["phone_number"]), fields["operator_code"], fields["tag"], fields["timezone"])
