"""The report of an import: how the file was read, the counts of its rows, and the reasons of rejected ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from api.clients.import_columns import column_called
from api.clients.import_export import Imported, cells_of, import_clients
from api.clients.import_staging import Reason, RejectedRow, Staging, staged
from api.clients.import_upload import ClientsFile
from api.clients.line_reader import MAX_SHOWN
from api.extensions import db
from api.http.csv_files import CsvForm, escape_formula, unescape_formula
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.sentences import code_of

MAX_REJECTED = 1000
"""Rejected rows that a JSON response lists individually."""
SAMPLE = 5
"""Rows that a report shows."""
MAX_REASONS, MAX_LINES = 100, 5
"""Reasons in a report, and lines given for each."""

OUR_COLUMNS = ("line", "reason")
"""The columns that a file of rejected rows has before the file's own."""


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

    def as_json(self, rejected: Sequence[RejectedRow]) -> dict[str, Any]:
        """The report as ImportedSchema has it, with the first rejected rows."""
        file = self.file
        return {
            **{"dry_run": self.dry_run, "rows": self.imported.rows, **self.imported._asdict()},
            "blank_lines": file.blank_lines,
            "encoding": file.lines.encoding.name,
            "delimiter": file.delimiter,
            "columns": list(file.names),
            "ignored_columns": list(file.ignored),
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
def imported_file(file: ClientsFile, numbers: PhoneNumbers, *, dry_run: bool) -> Iterator[tuple[Report, Staging]]:
    """Imports a file, or only compares it with the directory. Within the block, the rejected rows can be read.

    `numbers` reads the phone numbers.

    Raises what reading the file raises, before anything has changed.
    """
    rows = file.rows()
    first = list(islice(rows, SAMPLE))
    with staged(db.engine) as staging:
        imported = import_clients(staging, chain(first, rows), numbers, keeps_cells=bool(file.ignored), dry_run=dry_run)
        reasons, count = staging.reasons(MAX_REASONS, MAX_LINES) if imported.rejected else ((), 0)
        sample = [(row[0], [_shown(cell) for cell in cells_of(row)]) for row in first]
        yield Report(file, sample, imported, reasons, count, dry_run), staging


def rejected_as_csv(
    file: ClientsFile, rows: Iterable[RejectedRow], form: CsvForm, translate: Callable[[str], str] = str
) -> Iterator[str]:
    """The rejected rows as a CSV file in chunks, which can be corrected and imported.

    It has the columns that the file has, each row in one line, and before them OUR_COLUMNS, which an import ignores.
    `translate` translates a reason.
    """
    # If the file is itself a file of rejected rows, OUR_COLUMNS of the first time are replaced.
    own = len(OUR_COLUMNS) if tuple(file.names[: len(OUR_COLUMNS)]) == OUR_COLUMNS else 0
    names = file.names[own:]
    yield form.beginning + form.lines([(*OUR_COLUMNS, *map(escape_formula, names))])
    for row in rows:
        reason = " ".join(
            f"{fault.field}: {translate(fault.reason)}" if fault.field else translate(fault.reason)
            for fault in row.faults
        )
        if isinstance(row.cells, list):
            # Cells as they are in the file: unescaped first, so that they are not escaped twice.
            cells = [unescape_formula(cell) for cell in row.cells[own:]]
        else:
            cells = [row.cells.get(column_called(name) or "", "") for name in names]
        yield form.lines([(row.line, escape_formula(reason), *map(escape_formula, cells))])


def _shown(cell: str) -> str:
    # A response can't contain half of a surrogate pair.
    shown = cell if len(cell) <= MAX_SHOWN else cell[:MAX_SHOWN] + "…"
    return shown.encode(errors="replace").decode()
