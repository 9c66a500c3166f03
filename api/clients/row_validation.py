"""Validation of the rows of an import: the rules of adding a client, for cells as spreadsheets write them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import marshmallow as ma

from api.clients.import_columns import COLUMNS
from api.clients.import_rows import UnparsableRow
from api.clients.schemas import WrittenClientBody
from shared.domain.client_rules import MAX_LABEL, TIMEZONES, check_operator_code
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.sentences import ErrorCode
from shared.domain.tag_normalization import normal
from shared.errors import Invalid

_fields_of = itemgetter(*COLUMNS)


class RowError(NamedTuple):
    """An error of a row; `field` is empty for an error of the whole row."""

    field: str
    reason: str
    """A Sentence, or one of marshmallow's own."""


ValidRow = tuple[str, str, str, str]
"""A client: its phone number in digits, operator code, tag, time zone."""


class RowValidator:
    """Validates rows. `numbers` reads their phone numbers."""

    def __init__(self, numbers: PhoneNumbers) -> None:
        self._numbers = numbers
        self._body = WrittenClientBody(numbers)

    def __call__(self, row: Any) -> ValidRow | list[RowError]:
        """The client that a row is, or its errors."""
        return self._validate_fast(row) or self._validate_by_schema(row)

    def _validate_fast(self, row: Any) -> ValidRow | None:
        """The client, if that can be decided without the schema, which is slow; None if only the schema can."""
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
        # `isprintable` excludes NUL and surrogates; a tag with other unprintable characters is left to the schema.
        if operator_code in phone_number and len(tag) <= MAX_LABEL and tag.isprintable():
            return phone_number, operator_code, tag, timezone
        return None

    def _validate_by_schema(self, row: Any) -> ValidRow | list[RowError]:
        if isinstance(row, UnparsableRow):
            return [RowError("", row.reason)]
        if isinstance(row, dict) and row and all(isinstance(cell, str) and not cell.strip() for cell in row.values()):
            return [RowError("", ErrorCode.ROW_EMPTY())]
        try:
            fields = self._body.load(row)
            check_operator_code(fields["phone_number"], fields["operator_code"])
        except ma.ValidationError as error:
            # `_schema` is marshmallow's name for the whole.
            wrong = error.normalized_messages().items()
            return [RowError(field.replace("_schema", ""), reason) for field, reasons in wrong for reason in reasons]
        except Invalid as error:
            return [RowError(error.field, error.sentence)]
        return (str(fields["phone_number"]), fields["operator_code"], fields["tag"], fields["timezone"])
