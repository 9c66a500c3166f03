"""The report of an import: how the file was read, the counts of its rows, and the reasons of rejected ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from api.clients.import_columns import REJECTED_COLUMNS, Column, column_called
from api.clients.import_fields import columns_of, declare, keeps_cells, shown_columns
from api.clients.import_options import ImportOptions
from api.clients.import_row_reader import RowReader
from api.clients.import_rows import Row
from api.clients.import_sampling import SAMPLE_ROWS, values_of
from api.clients.import_staging import Reason, RejectedRow, Staging, staged
from api.clients.import_upload import ClientsFile
from api.clients.importing import Imported, cells_of, import_clients
from api.clients.line_reader import MAX_SHOWN
from api.extensions import db
from api.http.csv_files import CsvForm, escape_formula, unescape_formula
from shared.domain.client_fields import name_from_title
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import COLUMNS as CLIENT_COLUMNS
from shared.domain.sentences import code_of

MAX_REJECTED = 1000
"""Rejected rows that a JSON response lists individually."""
SAMPLE = 5
"""Rows that a report shows."""
MAX_REASONS, MAX_LINES = 100, 5
"""Reasons in a report, and lines given for each."""
MAX_SAMPLES = 3
"""Values that are shown of a column."""

_TYPES = {field.name: field.type for field in CLIENT_COLUMNS}


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What became of a column, or of one key of the JSON objects in it."""

    column: Column
    samples: Sequence[str]
    """The first different values in the first rows."""
    bad_cells: int
    """Rows in which the field has an error."""

    @property
    def type(self) -> FieldType | None:
        """The type of the field; None for JSON objects and columns that are ignored."""
        return self.column.field.type if self.column.field else _TYPES.get(self.column.target or "")

    @property
    def new_name(self) -> str | None:
        """The name that a new field for it would have; None if there is none."""
        return self.column.target if self.column.is_new else name_from_title(self.column.label)

    def as_json(self) -> dict[str, Any]:
        """As ColumnSchema has it."""
        return {
            **{"column": self.column.name, "field": self.column.target, "type": self.type and self.type.value},
            **{"new": self.column.is_new, "samples": list(self.samples), "bad_cells": self.bad_cells},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The report of an import or of a dry run."""

    file: ClientsFile
    sample: Sequence[tuple[int, Sequence[str]]]
    """The first rows, each with its line and its cells in the order of the file's columns."""
    imported: Imported
    reasons: Sequence[Reason]
    """The most frequent first."""
    all_reasons: int
    """The number of all reasons; `reasons` has MAX_REASONS at most."""
    dry_run: bool
    columns: Sequence[ColumnReport]
    ignored: Sequence[str]
    """The columns that are not fields of a client, and the keys of JSON objects that are not."""

    def as_json(self, rejected: Sequence[RejectedRow]) -> dict[str, Any]:
        """The report as ImportedSchema has it, with the first rejected rows."""
        file = self.file
        return {
            **{"dry_run": self.dry_run, "rows": self.imported.rows, **self.imported._asdict()},
            "blank_lines": file.blank_lines,
            "encoding": file.lines.encoding.name,
            "delimiter": file.delimiter,
            "columns": list(file.names),
            "ignored_columns": list(self.ignored),
            "fields": [column.as_json() for column in self.columns],
            "sample": [{"line": line, "cells": list(cells)} for line, cells in self.sample],
            "reasons": [
                {
                    "field": reason.field or None,
                    "reason": reason.reason,
                    "reason_code": code_of(reason.reason),
                    "rows": reason.rows,
                    "lines": list(reason.lines),
                }
                for reason in self.reasons
            ],
            "reasons_left_out": self.all_reasons - len(self.reasons),
            "errors": [
                {
                    "line": row.line,
                    "field": fault.field or None,
                    "reason": fault.reason,
                    "reason_code": code_of(fault.reason),
                }
                for row in rejected
                for fault in row.faults
            ],
            "errors_left_out": self.imported.rejected - len(rejected),
        }


@contextmanager
def imported_file(file: ClientsFile, options: ImportOptions, *, dry_run: bool) -> Iterator[tuple[Report, Staging]]:
    """Imports a file, or only compares it with the directory. Within the block, the rejected rows can be read.

    Raises what reading the file raises, before anything has changed.
    """
    rows = file.rows()
    first = list(islice(rows, SAMPLE_ROWS))
    columns = columns_of(file, options, first)
    with staged(db.engine, replaces_tags=options.replaces_tags) as staging:
        read = RowReader(options, columns)
        imported = import_clients(
            staging,
            chain(first, rows),
            read,
            keeps_cells=keeps_cells(file),
            before_merge=lambda: declare(db.engine, columns),
            dry_run=dry_run,
        )
        reasons, count = staging.reasons(MAX_REASONS, MAX_LINES) if imported.rejected else ((), 0)
        bad = staging.bad_fields() if imported.rejected else {}
        reports = [_report(column, first, bad) for column in shown_columns(file, columns, first)]
        sample = [(row[0], [_shown(cell) for cell in file.in_columns(cells_of(row))]) for row in first[:SAMPLE]]
        ignored = [*(column.name for column in columns if column.target is None), *read.late_ignored]
        yield Report(file, sample, imported, reasons, count, dry_run, reports, ignored), staging


def preview(file: ClientsFile, options: ImportOptions) -> Sequence[ColumnReport]:
    """The columns of a file that can't be imported as it is, with values of its first rows.

    Responds with 422 if there would be too many fields.
    """
    rows = list(islice(file.rows(), SAMPLE_ROWS))
    return [_report(column, rows, {}) for column in columns_of(file, options, rows)]


def _report(column: Column, rows: Sequence[Row], bad: Mapping[str, int]) -> ColumnReport:
    values = (
        value if isinstance(value, str) else ENCODE(value) for value in values_of(column, rows) if value is not None
    )
    samples = islice(dict.fromkeys(_shown(value) for value in values if value), MAX_SAMPLES)
    return ColumnReport(column, list(samples), bad.get(column.target or "", 0))


def rejected_as_csv(
    file: ClientsFile, rows: Iterable[RejectedRow], form: CsvForm, translate: Callable[[str], str] = str
) -> Iterator[str]:
    """The rejected rows as a CSV file in chunks, which can be corrected and imported.

    It has the columns that the file has, each row in one line, and before them REJECTED_COLUMNS, which an import
    ignores. `translate` translates a reason.
    """
    # If the file is itself a file of rejected rows, REJECTED_COLUMNS of the first time are replaced.
    own = len(REJECTED_COLUMNS) if tuple(file.names[: len(REJECTED_COLUMNS)]) == REJECTED_COLUMNS else 0
    names = file.names[own:]
    yield form.beginning + form.lines([(*REJECTED_COLUMNS, *map(escape_formula, names))])
    for row in rows:
        reason = " ".join(
            f"{fault.field}: {translate(fault.reason)}" if fault.field else translate(fault.reason)
            for fault in row.faults
        )
        if isinstance(row.cells, list):
            # Cells as they are in the file: unescaped first, so that they are not escaped twice.
            cells = [unescape_formula(cell) for cell in file.in_columns(row.cells)[own:]]
        else:
            cells = [row.cells.get(column_called(name) or "", "") for name in names]
        yield form.lines([(row.line, escape_formula(reason), *map(escape_formula, cells))])


ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _shown(cell: str) -> str:
    # A response can't contain half of a surrogate pair.
    shown = cell if len(cell) <= MAX_SHOWN else cell[:MAX_SHOWN] + "…"
    return shown.encode(errors="replace").decode()
