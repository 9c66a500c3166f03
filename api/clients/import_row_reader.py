"""Reads a row of a file as a client: what it must have, what else the row gives it, and what its number tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from api.clients.import_columns import COLUMNS, OTHERS, Column
from api.clients.import_options import ImportOptions
from api.clients.import_values import ValueReader, Values
from api.clients.row_validation import RowError, RowValidator, ValidRow
from shared.domain.attribute_values import check_size
from shared.domain.numbering_plans import destination_code, only_timezone
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A client as a row has it that has not just COLUMNS."""

    client: ValidRow
    """A code or a time zone that a new client must have, and that its number does not tell, is empty."""
    values: Values
    kept: Sequence[str]
    """Those of COLUMNS that a known client keeps, since the row does not have them."""


class RowReader:
    """Reads rows. `columns` are those of the file beside COLUMNS, or of the keys of JSON lines."""

    def __init__(self, options: ImportOptions, columns: Iterable[Column] = ()) -> None:
        columns = list(columns)
        self._options = options
        self._validate = RowValidator(options.numbers)
        self._values = ValueReader(options, columns)
        # Otherwise a row of CSV is read by its four columns alone, which is fast.
        self._has_more = any(column.target and (column.key or column.target not in COLUMNS) for column in columns)

    @property
    def late_ignored(self) -> Sequence[str]:
        """Keys of JSON objects that are ignored, of rows beyond the sample."""
        return self._values.late_ignored

    def __call__(self, row: Any, cells: Sequence[str] | None) -> ValidRow | ReadRow | list[RowError]:
        """The client that a row is, or its errors."""
        if type(row) is not dict:
            return self._validate(row)
        if cells is not None:
            if self._has_more:
                blank = not any(map(str.strip, cells))
                return [RowError("", ErrorCode.ROW_EMPTY())] if blank else self._read(self._values.of_cells(row, cells))
        elif any(name in row for name in OTHERS):
            return self._read(self._values.of_object(row))
        return self._read(Values(row)) if self._options.fill else self._validate(row)

    def _read(self, values: Values) -> ValidRow | ReadRow | list[RowError]:
        found, kept = self._filled(values.columns) if self._options.fill else (self._validate(values.columns), ())
        faults = values.faults + (found if isinstance(found, list) else [])
        try:
            check_size(values.attributes)
        except Invalid as error:
            faults.append(RowError(error.field, error.sentence))
        if faults or isinstance(found, list):
            return faults
        return found if values.is_plain and not kept else ReadRow(found, values, kept)

    def _filled(self, columns: dict[str, Any]) -> tuple[ValidRow | list[RowError], Sequence[str]]:
        """The client with the columns that the row does not have, and which those are."""
        kept = [name for name in COLUMNS[1:] if not _is_given(columns, name)]
        # A tag may be empty: where there is a column for it, it is given.
        if "tag" in columns:
            kept = [name for name in kept if name != "tag"]
        if not kept:
            return self._validate(columns), ()
        number = self._number(columns.get("phone_number"))
        given = {name: columns[name] for name in columns if name not in kept}
        # Stand for what is not known until it is, since the rest of the row is to be validated.
        instead = {"operator_code": number or "0", "tag": "", "timezone": "UTC"}
        found = self._validate({**given, **{name: instead[name] for name in kept}})
        if isinstance(found, list):
            return [fault for fault in found if fault.field not in kept], kept
        phone_number, code, tag, timezone = found
        if "operator_code" in kept:
            code = destination_code(phone_number) or ""
        if "timezone" in kept:
            timezone = only_timezone(phone_number) or self._options.default_timezone or ""
        return (phone_number, code, tag, timezone), kept

    def _number(self, written: Any) -> str | None:
        try:
            return str(self._options.numbers.read(str(written)))
        except Invalid:
            return None


def _is_given(columns: dict[str, Any], name: str) -> bool:
    value = columns.get(name)
    return value is not None and (not isinstance(value, str) or bool(value.strip()))
