"""Reads a row of a file as a record, by its columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from api.clients.import_rows import UnparsableRow
from api.clients.row_validation import RowError
from api.record_files.columns import RecordColumn
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MAX_KEPT = 10_000
"""Cells whose values are kept: a file has the same scopes, reasons and wordings in many rows."""

MAX_SHOWN = 100
"""Characters that are shown of the name of an unknown field."""


Finish = Callable[[dict[str, Any]], None]
"""Completes a record whose values have been read one by one. Raises Invalid for values that contradict each other."""


class RecordReader:
    """Reads rows of one file. For one thread."""

    def __init__(self, columns: Sequence[RecordColumn], finish: Finish) -> None:
        self._columns = columns
        self._finish = finish
        self._names = {column.name for column in columns}
        self._kept: dict[tuple[str, str], Any] = {}

    def __call__(self, row: Any) -> dict[str, Any] | list[RowError]:
        """The values of a record by the names of the columns, or the errors of the row."""
        if isinstance(row, UnparsableRow):
            return [RowError("", row.reason)]
        if not isinstance(row, dict):
            return [RowError("", ErrorCode.NOT_A_JSON_OBJECT())]
        record: dict[str, Any] = {}
        faults = [
            RowError(name[:MAX_SHOWN].encode(errors="replace").decode(), ErrorCode.COLUMN_UNKNOWN())
            for name in row.keys() - self._names
        ]
        for column in self._columns:
            text = _text_of(row.get(column.name))
            if text is None or not text or text.isspace():
                if column.must_be_given:
                    faults.append(RowError(column.name, ErrorCode.BLANK()))
                record[column.name] = column.default
                continue
            try:
                record[column.name] = self._read(column, text)
            except Invalid as error:
                faults.append(RowError(column.name, error.sentence))
        if faults:
            return faults
        try:
            self._finish(record)
        except Invalid as error:
            return [RowError(error.field, error.sentence)]
        return record

    def _read(self, column: RecordColumn, text: str) -> Any:
        if not column.has_few_values:
            return column.read(text)
        kept = self._kept.get((column.name, text), self)
        if kept is self:
            kept = column.read(text)
            if len(self._kept) < MAX_KEPT:
                self._kept[column.name, text] = kept
        return kept


def _text_of(value: object) -> str | None:
    """A cell, or a value of a JSON object as a cell would have it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
