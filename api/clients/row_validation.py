"""Whether a row of an import is a client: as adding it alone would have it, but read as people write cells."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import marshmallow as ma

from api.clients.file_columns import COLUMNS
from api.clients.file_rows import Unreadable
from api.clients.schemas import WrittenClientBody
from shared.domain.client_rules import MAX_LABEL, TIMEZONES, check_operator_code
from shared.domain.labels import normal
from shared.domain.phone_numbers import PhoneNumbers
from shared.errors import Invalid

NOTHING_IN_IT = "There is nothing in the row."

_fields_of = itemgetter(*COLUMNS)


class Fault(NamedTuple):
    """What is wrong with a row; `field` is empty when it is the row as a whole."""

    field: str
    reason: str


Good = tuple[str, str, str, str]
"""A client: its phone number in digits, operator code, tag, time zone."""


class RowValidator:
    """Tells clients from rows that are none. `numbers` reads their phone numbers."""

    def __init__(self, numbers: PhoneNumbers) -> None:
        self._numbers = numbers
        self._body = WrittenClientBody(numbers)

    def __call__(self, row: Any) -> Good | list[Fault]:
        """The client that a row is, or what is wrong with it."""
        return self._plainly_good(row) or self._by_schema(row)

    def _plainly_good(self, row: Any) -> Good | None:
        """The client, when that can be seen without the schema, which takes long. None settles nothing."""
        if type(row) is not dict or len(row) != len(COLUMNS):
            return None
        try:
            phone_number, operator_code, tag, timezone = _fields_of(row)
        except KeyError:
            return None
        if type(phone_number) is int:
            phone_number = str(phone_number)
        if not (
            type(phone_number) is type(operator_code) is type(tag) is type(timezone) is str
            and operator_code.isdecimal()
            and timezone in TIMEZONES
        ):
            return None
        if not self._numbers.is_plain(phone_number):
            try:
                phone_number = str(self._numbers.read(phone_number))
            except Invalid:
                return None
        tag = normal(tag)
        # Neither NUL nor surrogates are printable; a tag with something else that is not is the schema's to look at.
        if operator_code in phone_number and len(tag) <= MAX_LABEL and tag.isprintable():
            return phone_number, operator_code, tag, timezone
        return None

    def _by_schema(self, row: Any) -> Good | list[Fault]:
        if isinstance(row, Unreadable):
            return [Fault("", row.reason)]
        if isinstance(row, dict) and row and all(isinstance(cell, str) and not cell.strip() for cell in row.values()):
            return [Fault("", NOTHING_IN_IT)]
        try:
            fields = self._body.load(row)
            check_operator_code(fields["phone_number"], fields["operator_code"])
        except ma.ValidationError as error:
            # `_schema` is marshmallow's name for the whole.
            wrong = error.normalized_messages().items()
            return [Fault(field.replace("_schema", ""), " ".join(map(str, reasons))) for field, reasons in wrong]
        except Invalid as error:
            return [Fault(error.field, str(error))]
        return (str(fields["phone_number"]), fields["operator_code"], fields["tag"], fields["timezone"])
