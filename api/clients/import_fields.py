"""The fields that the columns of a file are, and the declaration of new ones."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from api.audit.recorder import record_on
from api.client_fields.queries import usable_fields
from api.client_fields.services import declare_on
from api.clients.csv_parser import CsvFile
from api.clients.import_columns import COLUMNS, Column, check_columns
from api.clients.import_options import DeclaredField, ImportOptions
from api.clients.import_rows import Row
from api.clients.import_sampling import declared_keys, values_of, with_keys, with_types
from api.clients.import_upload import ClientsFile
from api.clients.import_values import JSON_LINE
from api.extensions import db
from shared.domain.client_fields import MAX_FIELDS
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode


def declared_fields() -> dict[str, DeclaredField]:
    """The declared fields by name, in the order in which they were declared."""
    rows = usable_fields()
    found = {row.name: DeclaredField(Field(row.name, row.type, row.repeats_yearly), row.label) for row in rows}
    # No transaction is open while the upload is read.
    db.session.rollback()
    return found


def columns_of(file: ClientsFile, options: ImportOptions, rows: Sequence[Row]) -> list[Column]:
    """The columns of a file and of its JSON objects, with the types of new fields from these rows, its first.

    Responds with 422 if there would be too many fields.
    """
    if isinstance(file, CsvFile):
        found = with_keys(options, file.names, file.columns, rows)
    else:
        found = declared_keys(options, rows)
    found = with_types(options, found, rows)
    new = {column.target for column in found if column.is_new}
    if new and len(options.declared) + len(new) > MAX_FIELDS:
        check_columns({name: [ErrorCode.TOO_MANY_FIELDS(limit=MAX_FIELDS)] for name in sorted(map(str, new))})
    return found


def shown_columns(file: ClientsFile, columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns that a report shows: of JSON lines, those that these rows have."""
    if isinstance(file, CsvFile):
        return list(columns)
    whole = [Column(name, JSON_LINE, target=name) for name in file.names]
    return whole + [column for column in columns if next(values_of(column, rows), None) is not None]


def declare(engine: Engine, columns: Sequence[Column]) -> None:
    """Declares the new fields among these columns, in a transaction of its own with an entry in the audit.

    Raises Conflict for a field that another request has just declared with another type, or for too many.
    """
    new = {column.field.name: column for column in columns if column.is_new and column.field}
    if not new:
        return
    rows = [{"name": name, "type": one.field.type, "label": one.label} for name, one in new.items() if one.field]
    with engine.begin() as connection:
        if added := declare_on(connection, rows):
            record_on(connection, {"fields": {name: kind.value for name, kind in added.items()}})


def keeps_cells(file: ClientsFile) -> bool:
    """Whether the cells of each row are kept: those of a file that has just COLUMNS are put together again."""
    return isinstance(file, CsvFile) and len(file.names) != len(COLUMNS)
