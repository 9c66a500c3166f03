"""The import of a file of records: row by row into chunks, each of which is one transaction.

No transaction is open while the file is read. What was imported before a failure stays, and importing the file again
adds the rest: a record that is there already is not added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Request, current_app
from sqlalchemy import Connection, Engine

from api.audit.recorder import record_on
from api.clients.csv_parser import CsvFile, read_header_as
from api.clients.import_columns import check_columns
from api.clients.import_rows import Row
from api.clients.import_upload import ClientsFile, open_as
from api.clients.row_validation import RowError
from api.database import CONFLICTING, sqlstate_of, try_again
from api.extensions import db
from api.record_files.columns import RecordColumn, RecordColumns
from api.record_files.reader import Finish, RecordReader
from shared.domain.sentences import code_of

CHUNK = 10_000
"""Records that are added in one transaction: some tenths of a second."""

MAX_REJECTED = 1000
"""Rejected rows that are reported one by one."""

LIMIT_TIME = "SET LOCAL statement_timeout = '10min'"


class Written(NamedTuple):
    """What adding a chunk of records has done."""

    added: int
    ended: int = 0
    """Messages that were pending, and have ended."""


Write = Callable[[Connection, Sequence[dict[str, Any]]], Written]
"""Adds records to the transaction of a connection. Called again in a new transaction if the first was rolled back."""


@dataclass(slots=True)
class ImportReport:
    """What became of the rows of a file."""

    file: ClientsFile
    added: int = 0
    accepted: int = 0
    """Rows without an error: records that were added, or were there already."""
    rejected: int = 0
    ended: int = 0
    errors: list[tuple[int, RowError]] = field(default_factory=list)
    """The errors of the first MAX_REJECTED rejected rows, each with its line."""

    def reject(self, line: int, faults: Sequence[RowError]) -> None:
        """Counts a rejected row."""
        self.rejected += 1
        if self.rejected <= MAX_REJECTED:
            self.errors += [(line, fault) for fault in faults]

    def log_fields(self) -> dict[str, int]:
        """The fields of a log record."""
        return {"added": self.added, "rejected": self.rejected, "ended_messages": self.ended}

    def as_json(self) -> dict[str, Any]:
        """As RecordsImportedSchema has it."""
        file = self.file
        is_csv = isinstance(file, CsvFile)
        return {
            "rows": self.accepted + self.rejected,
            "added": self.added,
            "unchanged": self.accepted - self.added,
            "rejected": self.rejected,
            "ended_messages": self.ended,
            "blank_lines": file.blank_lines,
            "encoding": file.lines.encoding.name,
            "delimiter": file.delimiter,
            "columns": list(file.names) if is_csv else [],
            "ignored_columns": [column.name for column in file.columns if column.target is None],
            "errors": [
                {
                    "line": line,
                    "field": fault.field or None,
                    "reason": fault.reason,
                    "reason_code": code_of(fault.reason),
                }
                for line, fault in self.errors
            ],
            "errors_left_out": max(self.rejected - MAX_REJECTED, 0),
        }


def import_records(request: Request, columns: Sequence[RecordColumn], finish: Finish, write: Write) -> ImportReport:
    """Imports the rows of a request's body: CSV or NDJSON, plain or compressed with gzip. Each transaction that adds
    records has an entry in the audit.

    Responds with 422 if the header lacks a column that is needed. Raises what `open_upload` and reading the file raise;
    the chunks before are imported then.
    """
    # No transaction is open while the file is read.
    db.session.rollback()
    file = _open_records(request, columns)
    report = ImportReport(file)
    chunk: list[dict[str, Any]] = []
    for record in _records(file.rows(), RecordReader(columns, finish), report):
        chunk.append(record)
        if len(chunk) == CHUNK:
            _add(db.engine, chunk, write, report)
            chunk.clear()
    if chunk:
        _add(db.engine, chunk, write, report)
    return report


def _open_records(request: Request, columns: Sequence[RecordColumn]) -> ClientsFile:
    names = [column.name for column in columns]
    file = open_as(
        request,
        current_app.config["MAX_IMPORT_BYTES"],
        lambda lines: read_header_as(lines, lambda found: RecordColumns(columns, found), names),
    )
    check_columns(file.wrong)
    return file


def _records(rows: Iterable[Row], read: RecordReader, report: ImportReport) -> Iterable[dict[str, Any]]:
    for line, row, _ in rows:
        record = read(row)
        if isinstance(record, list):
            report.reject(line, record)
        else:
            report.accepted += 1
            yield record


def _add(engine: Engine, chunk: Sequence[dict[str, Any]], write: Write, report: ImportReport) -> None:
    written = try_again(lambda: _add_once(engine, chunk, write), lambda error: sqlstate_of(error) in CONFLICTING)
    report.added += written.added
    report.ended += written.ended


def _add_once(engine: Engine, chunk: Sequence[dict[str, Any]], write: Write) -> Written:
    with engine.begin() as connection:
        connection.exec_driver_sql(LIMIT_TIME)
        written = write(connection, chunk)
        if written.added:
            record_on(connection, {"added": written.added, "ended_messages": written.ended})
        return written
