"""Import and export of the directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from api.audit.recorder import record_on
from api.clients.import_columns import COLUMNS
from api.clients.import_rows import Row
from api.clients.import_staging import Merged, Staging
from api.clients.row_validation import RowValidator
from api.http.csv_files import CsvForm, escape_formula
from shared.domain.phone_numbers import PhoneNumbers
from shared.schema import Client

PAGE = 1_000
"""Clients read in one statement of an export."""


class Imported(NamedTuple):
    """Counts of a file's rows: added, changed, unchanged and rejected clients."""

    added: int
    changed: int
    unchanged: int
    rejected: int

    @property
    def rows(self) -> int:
        """All rows of the file."""
        return sum(self)

    def plus(self, merged: Merged) -> Imported:
        """The sums with the rows of one more statement."""
        return Imported(
            self.added + merged.added,
            self.changed + merged.changed,
            self.unchanged + merged.unchanged,
            self.rejected + merged.repeated,
        )


def import_clients(
    staging: Staging, rows: Iterable[Row], numbers: PhoneNumbers, *, keeps_cells: bool = False, dry_run: bool = False
) -> Imported:
    """Reads all rows, then merges the valid ones into the directory; rejected rows stay in `staging`.

    `numbers` reads their phone numbers. `keeps_cells` keeps the cells of each row, for files with more
    columns than a client has: a row that is rejected later is returned with all its columns.

    A failure before the last row was read has changed nothing; a later one may have merged a part. Each
    transaction that changes the directory has an entry in the audit, with the counts since the entry before it. A dry
    run returns the same counts and changes nothing.
    """
    rejected = _stage(staging, rows, RowValidator(numbers), keeps_cells)
    imported = unrecorded = Imported(0, 0, 0, rejected)

    def record(connection: Connection, merged: Merged) -> None:
        if merged.added or merged.changed:
            record_on(connection, unrecorded.plus(merged)._asdict())

    for merged in staging.merge(None if dry_run else record):
        imported = imported.plus(merged)
        recorded = merged.added or merged.changed
        unrecorded = Imported(0, 0, 0, 0) if recorded else unrecorded.plus(merged)
    return imported


def cells_of(row: Row) -> Sequence[str]:
    """A row as cells, in the order of the file's columns."""
    _, fields, cells = row
    if cells is not None:
        return cells
    return [_cell(fields.get(name, "")) for name in COLUMNS] if isinstance(fields, dict) else []


def _stage(staging: Staging, rows: Iterable[Row], validate: RowValidator, keeps_cells: bool) -> int:
    """Stages all rows; returns how many were rejected."""
    rejected = 0
    for line, row, cells in rows:
        result = validate(row)
        if isinstance(result, tuple):
            # Keeps the phone number as it was written, for a row that is rejected later because it repeats one.
            kept = keeps_cells or (cells is not None and row["phone_number"] != result[0])
            staging.add(line, result, cells if kept else None)
        else:
            rejected += 1
            staging.reject(line, result, cells_of((line, row, cells)))
    return rejected


def clients_as_csv(pages: Iterable[Sequence[Any]], form: CsvForm) -> Iterator[str]:
    """The directory as a CSV file in chunks, which can be imported."""
    yield form.beginning + form.lines([COLUMNS])
    for page in pages:
        yield form.lines((phone, code, escape_formula(tag), timezone) for _, phone, code, tag, timezone in page)


def clients_as_ndjson(pages: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The directory as one JSON object a line, which can be imported."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for page in pages:
        yield "".join([encode(dict(zip(COLUMNS, client[1:], strict=True))) + "\n" for client in page])


def pages_of_clients(engine: Engine) -> Iterator[Sequence[Any]]:
    """All clients by their ids, each with its id before the columns of a file.

    No transaction is open between two pages, however slowly the caller reads; each page has its own snapshot.
    """
    last = 0
    wanted = select(Client.id, *(getattr(Client, name) for name in COLUMNS)).order_by(Client.id).limit(PAGE)
    while True:
        with engine.connect() as connection:
            page = connection.execute(wanted.where(Client.id > last)).all()
        if not page:
            return
        yield page
        last = page[-1].id


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
