"""Import of the directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from api.audit.recorder import record_on
from api.clients.import_columns import COLUMNS, OTHERS
from api.clients.import_row_reader import ReadRow, RowReader
from api.clients.import_rows import Row
from api.clients.import_staging import Merged, Staging


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
    staging: Staging,
    rows: Iterable[Row],
    read: RowReader,
    *,
    keeps_cells: bool = False,
    before_merge: Callable[[], None] = lambda: None,
    dry_run: bool = False,
) -> Imported:
    """Reads all rows, then merges the valid ones into the directory; rejected rows stay in `staging`.

    `keeps_cells` keeps the cells of each row, for files with other columns than COLUMNS: a row that is rejected later
    is returned with all its columns. `before_merge` is called when all rows are read, but not in a dry run.

    A failure before the last row was read has changed nothing; a later one may have merged a part. Each
    transaction that changes the directory has an entry in the audit, with the counts since the entry before it. A dry
    run returns the same counts and changes nothing.
    """
    rejected = _stage(staging, rows, read, keeps_cells)
    imported = unrecorded = Imported(0, 0, 0, rejected)
    if not dry_run:
        before_merge()

    def record(connection: Connection, merged: Merged) -> None:
        if merged.added or merged.changed:
            record_on(connection, unrecorded.plus(merged)._asdict())

    for merged in staging.merge(None if dry_run else record):
        imported = imported.plus(merged)
        recorded = merged.added or merged.changed
        unrecorded = Imported(0, 0, 0, 0) if recorded else unrecorded.plus(merged)
    return imported


def cells_of(row: Row) -> Sequence[str]:
    """A row as cells, in the order of the file's columns; a line of JSON in that of COLUMNS and OTHERS."""
    _, fields, cells = row
    if cells is not None:
        return cells
    return [_cell(fields.get(name, "")) for name in (*COLUMNS, *OTHERS)] if isinstance(fields, dict) else []


def _stage(staging: Staging, rows: Iterable[Row], read: RowReader, keeps_cells: bool) -> int:
    """Stages all rows; returns how many were rejected."""
    rejected = 0
    for line, row, cells in rows:
        result = read(row, cells)
        if isinstance(result, tuple):
            # Keeps the phone number as it was written, for a row that is rejected later because it repeats one.
            kept = keeps_cells or (cells is not None and row["phone_number"] != result[0])
            staging.add(line, result, cells if kept else None)
        elif isinstance(result, ReadRow):
            staging.add_read(line, result, cells_of((line, row, cells)))
        else:
            rejected += 1
            staging.reject(line, result, cells_of((line, row, cells)))
    return rejected


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
