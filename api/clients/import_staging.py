"""The staging tables of one import: the valid clients of a file, and its rejected rows.

They are unlogged and not temporary, so that no transaction is open during an upload: it would prevent vacuum of the
workers' tables, and a pooler in transaction mode does not preserve temporary tables. Tables orphaned by a killed
process are removed by an import at least a day later.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, NamedTuple

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from api.clients import import_values_sql
from api.clients.import_row_reader import ReadRow
from api.clients.import_sql import (
    BAD_FIELDS,
    COMPARE,
    COPY_CLIENTS,
    COPY_CLIENTS_AND_CELLS,
    COPY_FAULTS,
    COPY_VALUES,
    CREATE_TABLES,
    DROP_TABLES,
    FAULTS_AFTER,
    INDEX_CLIENTS,
    LEFTOVERS,
    LIMITS,
    MERGE,
    MERGE_LIMITS,
    NEW_NAME,
    NUMBERS,
    REASONS,
)
from api.clients.row_validation import RowError, ValidRow
from api.database import CONFLICTING, sqlstate_of, try_again
from api.erased_numbers.reattachment import reattach
from shared.domain.attribute_values import MAX_BYTES
from shared.domain.client_rules import MAX_TAGS
from shared.domain.sentences import ErrorCode, Parameters, Sentence, code_of, sentence_of
from shared.errors import Conflict
from shared.json_parameter import json_parameter
from shared.sql.rescheduling import REQUEST_FOR_ALL

COPY_BATCH, MERGE_BATCH, READ_BATCH = 20_000, 10_000, 100
"""Rows of one COPY, one merging statement (for some 0.2 s, other writers of the same clients wait), one read."""
MAX_BUFFERED = 2**20
"""Characters of rows, as they are in the file, that are buffered for a COPY: a row may have MAX_LINE of them."""
STATEMENT_TIMEOUT = "10min"
"""The time limit of one statement. Each handles a bounded number of rows, except building the index."""
MAX_ROW_ERRORS = 20
"""Errors of one row that are reported: a JSON object may have thousands of unknown fields."""
MAX_REASON = 500
"""Characters that are kept of a reason, and of the name of an unknown field."""
RETRIED = (*CONFLICTING, "23505")
"""Errors after which a merging statement is tried again: conflicts with other transactions, and of two that give one
external id or phone number to different clients, the second (unique_violation)."""


class RejectedRow(NamedTuple):
    """A rejected row: its line, its errors, and its cells or fields as they are in the file."""

    line: int
    faults: Sequence[RowError]
    cells: list[str] | dict[str, str]


class Reason(NamedTuple):
    """A reason for which rows were rejected."""

    field: str
    """Empty for errors of whole rows."""
    reason: str
    """The sentence. Rows whose reasons differ in numbers only count as one, and it has `…` for these numbers."""
    rows: int
    lines: Sequence[int]
    """The lines of the first of them."""


class Merged(NamedTuple):
    """The result of one merging statement; `phone_number` and `line` are those of its last row."""

    phone_number: int
    line: int
    added: int
    changed: int
    unchanged: int
    repeated: int
    missed: int = 0
    """Rows whose clients another transaction has added meanwhile: the statement is to be repeated."""


class ConcurrentlyAdded(OperationalError):
    """Another transaction has added clients of the rows meanwhile. It is transient."""


Record = Callable[[Connection, Merged], None]
"""Adds to the transaction of a merging statement. It is called again in a new transaction if the first was rolled
back."""


class Staging:
    """The tables of one import. `staged` opens and removes them."""

    def __init__(self, engine: Engine, name: str, *, replaces_tags: bool) -> None:
        self._engine = engine
        self._replaces_tags = replaces_tags
        self._name = name
        self._clients: list[str] = []
        self._with_cells: list[str] = []
        self._with_values: list[str] = []
        self._has_values = False
        self._fields: set[str] = set()
        self._faults: list[str] = []
        self._buffered = 0
        self._staged = 0

    def add(self, line: int, client: ValidRow, cells: Sequence[str] | None = None) -> None:
        """Stages a client; `cells` are kept in case the row is rejected by the merge."""
        phone_number, operator_code, tag, timezone = client
        row = f"{line}\t{phone_number}\t{operator_code}\t{tag.translate(_ESCAPES)}\t{timezone}"
        if cells is None:
            self._clients.append(row + "\n")
            if len(self._clients) >= COPY_BATCH:
                self._flush_clients()
        else:
            self._with_cells.append(f"{row}\t{self._encoded(cells)}\n")
            self._flush_if_full()

    def add_read(self, line: int, row: ReadRow, cells: Sequence[str]) -> None:
        """Stages a client with other values than `add` takes."""
        self._has_values = True
        values = row.values
        self._fields |= values.attributes.keys()
        phone_number, operator_code, tag, timezone = row.client
        columns = (
            *(str(line), phone_number, operator_code, tag, timezone, _ENCODE(cells)),
            *(values.external_id, _array(values.tags), json_parameter(values.attributes)),
            *(_array(values.removed), _array(row.kept)),
        )
        written = "\t".join("\\N" if column is None else column.translate(_ESCAPES) for column in columns)
        self._with_values.append(written + "\n")
        self._buffered += len(written)
        self._flush_if_full()

    def reject(self, line: int, faults: Sequence[RowError], cells: Sequence[str]) -> None:
        """Stages a rejected row."""
        more = len(faults) - MAX_ROW_ERRORS
        if more > 0:
            faults = [*faults[:MAX_ROW_ERRORS], RowError("", ErrorCode.MORE_ERRORS(count=more))]
        reasons = self._encoded([_stored(fault) for fault in faults])
        self._faults.append(f"{line}\t{reasons}\t{self._encoded(cells)}\n")
        self._flush_if_full()

    def merge(self, record: Record | None) -> Iterator[Merged]:
        """Merges the staged clients into the directory, in batches, ordered by phone number.

        Of several rows with one phone number the first is merged, and the others are rejected. Without `record` the
        directory is only compared, and not changed.
        """
        self._flush()
        with self._transaction() as connection:
            (found,) = connection.exec_driver_sql(INDEX_CLIENTS.format(name=self._name)).one()
            if self._has_values:
                connection.exec_driver_sql(import_values_sql.INDEX_EXTERNAL_IDS.format(name=self._name))
        if found != self._staged:
            # PostgreSQL empties unlogged tables when it recovers from a crash.
            lost = psycopg2.OperationalError("the staged rows are lost")
            raise OperationalError(None, None, lost)
        last = Merged(0, 0, 0, 0, 0, 0)
        while merged := self._merge_after(last, record):
            last = merged
            yield merged

    def rejected(self) -> Iterator[RejectedRow]:
        """All rejected rows in the order of the lines; no transaction is open between two reads."""
        line = 0
        while True:
            with self._transaction() as connection:
                parameters = {"line": line, "limit": READ_BATCH}
                rows = connection.exec_driver_sql(FAULTS_AFTER.format(name=self._name), parameters).all()
            if not rows:
                return
            for line, faults, cells in rows:
                yield RejectedRow(line, [_row_error(*fault) for fault in faults], json.loads(cells))

    def first_rejected(self, count: int) -> Sequence[RejectedRow]:
        """The first rejected rows in the order of the lines, without their cells, which may be long."""
        with closing(self.rejected()) as rows:  # type: ignore[type-var]
            return [row._replace(cells=[]) for row in islice(rows, count)]

    def reasons(self, count: int, lines: int) -> tuple[Sequence[Reason], int]:
        """The `count` most frequent reasons, each with its number of rows and its first lines; and the number of all
        reasons."""
        with self._transaction() as connection:
            parameters = {"limit": count, "lines": lines}
            rows = connection.exec_driver_sql(REASONS.format(name=self._name), parameters).all()
        reasons = [
            Reason(*_row_error(row.field, row.code, row.words, row.numbers), row.rows, row.lines) for row in rows
        ]
        return reasons, rows[0].reasons if rows else 0

    def bad_fields(self) -> dict[str, int]:
        """In how many rows each field has an error."""
        with self._transaction() as connection:
            # Without statistics of the tables it would be compiled, which takes longer than the rows do.
            connection.exec_driver_sql("SET LOCAL jit = off")
            rows = connection.exec_driver_sql(BAD_FIELDS.format(name=self._name)).all()
        return {row.field: row.rows for row in rows}

    def _merge_after(self, last: Merged, record: Record | None) -> Merged | None:
        """Merges the next rows; None when there are no more. Retries after a conflict with another transaction."""
        parameters: dict[str, object] = {
            **{"phone_number": last.phone_number, "line": last.line, "limit": MERGE_BATCH},
            **{"replaces_tags": self._replaces_tags, "max_tags": MAX_TAGS, "max_attributes": MAX_BYTES},
        }
        return try_again(
            lambda: self._merge_once(parameters, record),
            lambda error: isinstance(error, ConcurrentlyAdded) or sqlstate_of(error) in RETRIED,
        )

    def _merge_once(self, parameters: Mapping[str, object], record: Record | None) -> Merged | None:
        with self._transaction() as connection:
            connection.exec_driver_sql(MERGE_LIMITS)
            if record and self._fields:
                self._lock_fields(connection)
            row = connection.exec_driver_sql(self._statement(bool(record)), parameters).one_or_none()
            merged = Merged(*row) if row else None
            if merged and merged.missed:
                raise ConcurrentlyAdded(None, None, psycopg2.OperationalError("clients were added meanwhile"))
            if merged and record:
                if merged.added:
                    reattach(connection, lambda: self._numbers_of(connection, parameters))
                record(connection, merged)
                if merged.changed:
                    connection.exec_driver_sql(REQUEST_FOR_ALL)
        return merged

    def _numbers_of(self, connection: Connection, parameters: Mapping[str, object]) -> Sequence[int]:
        """The phone numbers of the rows that a merging statement with these parameters takes."""
        numbers = connection.exec_driver_sql(NUMBERS.format(name=self._name), dict(parameters)).scalar_one()
        return [int(number) for number in numbers.split(",")]

    def _lock_fields(self, connection: Connection) -> None:
        """Keeps the fields whose values are written from being removed. Raises Conflict if one is removed already."""
        names = list(self._fields)
        rows = connection.exec_driver_sql(import_values_sql.LOCK_FIELDS, {"names": names}).all()
        if removed := self._fields - {row.name for row in rows}:
            raise Conflict("columns", ErrorCode.FIELD_NOT_DECLARED, name=min(removed))

    def _statement(self, changes: bool) -> str:
        plain, others = (MERGE, import_values_sql.MERGE) if changes else (COMPARE, import_values_sql.COMPARE)
        return (others if self._has_values else plain).format(name=self._name)

    def _flush_clients(self) -> None:
        self._staged += len(self._clients) + len(self._with_cells) + len(self._with_values)
        self._copy(COPY_CLIENTS, self._clients)
        self._copy(COPY_CLIENTS_AND_CELLS, self._with_cells)
        self._copy(COPY_VALUES, self._with_values)

    def _flush_if_full(self) -> None:
        rows = max(map(len, (self._with_cells, self._with_values, self._faults)))
        if self._buffered > MAX_BUFFERED or rows >= COPY_BATCH:
            self._flush()

    def _flush(self) -> None:
        self._flush_clients()
        self._copy(COPY_FAULTS, self._faults)
        self._buffered = 0

    def _encoded(self, content: object) -> str:
        encoded: str = _ENCODE(content).translate(_ESCAPES)
        self._buffered += len(encoded)
        return encoded

    def _copy(self, statement: str, rows: list[str]) -> None:
        if not rows:
            return
        # Half of a surrogate pair, which only a rejected row can have, becomes a question mark.
        data = io.BytesIO("".join(rows).encode(errors="replace"))
        rows.clear()
        with self._transaction() as connection, closing(connection.connection.cursor()) as cursor:
            try:
                cursor.copy_expert(statement.format(name=self._name), data)
            except psycopg2.Error as error:
                raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(LIMITS, {"timeout": STATEMENT_TIMEOUT})
            yield connection


def drop_leftovers(engine: Engine) -> None:
    """Drops the tables of imports whose process was killed, at least a day later."""
    with engine.begin() as connection:
        for (leftover,) in connection.exec_driver_sql(LEFTOVERS).all():
            connection.exec_driver_sql(DROP_TABLES.format(name=leftover))


@contextmanager
def staged(engine: Engine, *, replaces_tags: bool = False) -> Iterator[Staging]:
    """Creates the tables of an import, and drops them after the block.

    `replaces_tags`: the tags of a row replace those that its client has; otherwise they are added.
    """
    drop_leftovers(engine)
    with engine.begin() as connection:
        name = connection.exec_driver_sql(NEW_NAME, {"chance": secrets.token_hex(8)}).scalar_one()
        connection.exec_driver_sql(CREATE_TABLES.format(name=name))
    try:
        yield Staging(engine, name, replaces_tags=replaces_tags)
    finally:
        # If the database is unavailable, a later import removes them.
        with suppress(DBAPIError), engine.begin() as connection:
            connection.exec_driver_sql(DROP_TABLES.format(name=name))


# The text format of COPY.
_ESCAPES: dict[int, Any] = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _array(texts: Sequence[str] | None) -> str | None:
    """An array of texts as PostgreSQL reads it (manual, 8.15.2)."""
    if texts is None:
        return None
    return "{" + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "}"


def _stored(fault: RowError) -> list[str | Parameters]:
    """An error as JSON, with the parameters that are texts apart from the numbers. What has no code is its own."""
    reason = fault.reason
    parameters = reason.parameters if isinstance(reason, Sentence) else {}
    words = {name: _storable(value) for name, value in parameters.items() if isinstance(value, str)}
    numbers = {name: value for name, value in parameters.items() if isinstance(value, int)}
    return [_storable(fault.field), code_of(reason) or _storable(reason), words, numbers]


def _row_error(field: str, code: str, words: Parameters, numbers: Parameters) -> RowError:
    return RowError(field, sentence_of(code, {**words, **numbers}))


def _storable(text: str) -> str:
    """The text without NUL, which PostgreSQL's texts can't have; a file's own cells are kept as JSON."""
    return text[:MAX_REASON].replace("\0", "\ufffd")
