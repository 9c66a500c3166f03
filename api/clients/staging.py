"""Two tables that an import has of its own: the clients of a file, and what is wrong with its other rows.

They are unlogged tables and not temporary ones, so that no transaction is open while a caller uploads: one would keep
the workers' tables from being vacuumed, and a pooler in transaction mode keeps no temporary table. What a process that
was killed leaves behind, the next import after a day removes.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, NamedTuple

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from api.clients.import_sql import (
    COMPARE,
    COPY_CLIENTS,
    COPY_CLIENTS_AND_CELLS,
    COPY_FAULTS,
    CREATE_TABLES,
    DROP_TABLES,
    FAULTS_AFTER,
    INDEX_CLIENTS,
    LEFTOVERS,
    LIMITS,
    MERGE,
    MERGE_LIMITS,
    NEW_NAME,
    REASONS,
)
from api.clients.row_validation import RowError, ValidRow
from api.http.errors import CONFLICTING

COPY_BATCH, MERGE_BATCH, READ_BATCH = 20_000, 10_000, 100
"""Rows of one COPY, one merging statement (for some 0.2 s, other writers of the same clients wait), one read."""
MAX_KEPT = 2**20
"""Characters of rows as they are in the file that wait for a COPY: a row may have as many as MAX_LINE of them."""
STATEMENT_TIMEOUT = "10min"
"""How long one statement may take; each is for a bounded number of rows, but for building the index."""
MAX_ROW_ERRORS = 20
"""Errors of one row that are named: a JSON object may have thousands of unknown fields."""
MAX_REASON = 500
"""Characters that are kept of a reason, and of the name of an unknown field."""
MAX_TRIES = 5
"""How often one merging statement is tried when it conflicts with other transactions."""


class RejectedRow(NamedTuple):
    """A row that was left out: its line, what is wrong with it, and its cells or fields as they came."""

    line: int
    faults: Sequence[RowError]
    cells: list[str] | dict[str, str]


class Reason(NamedTuple):
    """Something that is wrong with several rows."""

    field: str
    """Empty when it is the rows as a whole."""
    kind: str
    """The sentence with `#` for each number: rows whose reasons differ in numbers only count as one."""
    reason: str
    """The sentence, with `…` for the numbers if they differ."""
    rows: int
    lines: Sequence[int]
    """Where the first of them are."""


class Merged(NamedTuple):
    """What the rows of a statement came to; `phone_number` and `line` are those of the last one."""

    phone_number: int
    line: int
    added: int
    changed: int
    unchanged: int
    repeated: int


Record = Callable[[Connection, Merged], None]
"""Adds to the transaction of a merging statement what is to be committed with it. May be called again in another one,
when the first was rolled back."""


class Staging:
    """The tables of one import. `staged` opens and removes them."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._clients: list[str] = []
        self._with_cells: list[str] = []
        self._faults: list[str] = []
        self._kept = 0
        self._staged = 0

    def add(self, line: int, client: ValidRow, cells: Sequence[str] | None = None) -> None:
        """Stages a client; `cells` are kept for the case that the row is rejected after all."""
        phone_number, operator_code, tag, timezone = client
        row = f"{line}\t{phone_number}\t{operator_code}\t{tag.translate(_ESCAPES)}\t{timezone}"
        if cells is None:
            self._clients.append(row + "\n")
            if len(self._clients) >= COPY_BATCH:
                self._put_clients()
        else:
            self._with_cells.append(f"{row}\t{self._written(cells)}\n")
            self._put_if_many()

    def refuse(self, line: int, faults: Sequence[RowError], cells: Sequence[str]) -> None:
        """Writes down a row that is wrong."""
        more = len(faults) - MAX_ROW_ERRORS
        if more > 0:
            faults = [*faults[:MAX_ROW_ERRORS], RowError("", f"Has {more} more errors.")]
        reasons = self._written([[_storable(text) for text in fault] for fault in faults])
        self._faults.append(f"{line}\t{reasons}\t{self._written(cells)}\n")
        self._put_if_many()

    def merge(self, record: Record | None) -> Iterator[Merged]:
        """Takes what is staged into the directory, some rows a transaction, in the order of their phone numbers.

        Of several rows with one phone number the first counts, and the others are refused. Without `record` the
        directory is only compared with what is staged, and nothing is taken.
        """
        self._put_all()
        with self._transaction() as connection:
            (found,) = connection.exec_driver_sql(INDEX_CLIENTS.format(name=self._name)).one()
        if found != self._staged:
            # PostgreSQL empties unlogged tables when it recovers from a crash.
            lost = psycopg2.OperationalError("what was staged is gone")
            raise OperationalError(None, None, lost)
        passed = Merged(0, 0, 0, 0, 0, 0)
        while merged := self._merge_after(passed, record):
            passed = merged
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
                yield RejectedRow(line, [RowError(*fault) for fault in faults], json.loads(cells))

    def first_rejected(self, count: int) -> Sequence[RejectedRow]:
        """The first rejected rows in the order of the lines, without their cells, which may be long."""
        with closing(self.rejected()) as rows:  # type: ignore[type-var]
            return [row._replace(cells=[]) for row in islice(rows, count)]

    def reasons(self, count: int, lines: int) -> tuple[Sequence[Reason], int]:
        """What is wrong with how many rows, the most frequent first, each with its first lines; and how many reasons
        there are, of which `count` at most are named."""
        with self._transaction() as connection:
            parameters = {"limit": count, "lines": lines}
            rows = connection.exec_driver_sql(REASONS.format(name=self._name), parameters).all()
        return [Reason(*row[:-1]) for row in rows], rows[0][-1] if rows else 0

    def _merge_after(self, passed: Merged, record: Record | None) -> Merged | None:
        """Merges the next rows; none when there are no more. Tries again after a conflict with another transaction."""
        parameters = {"phone_number": passed.phone_number, "line": passed.line, "limit": MERGE_BATCH}
        for left in reversed(range(MAX_TRIES)):
            try:
                return self._merge_once(parameters, record)
            except DBAPIError as error:
                if not left or getattr(error.orig, "pgcode", None) not in CONFLICTING:
                    raise
        raise AssertionError("the last try answers or raises")

    def _merge_once(self, parameters: dict[str, int], record: Record | None) -> Merged | None:
        with self._transaction() as connection:
            connection.exec_driver_sql(MERGE_LIMITS)
            statement = MERGE if record else COMPARE
            row = connection.exec_driver_sql(statement.format(name=self._name), parameters).one_or_none()
            merged = Merged(*row) if row else None
            if merged and record:
                record(connection, merged)
        return merged

    def _put_clients(self) -> None:
        self._staged += len(self._clients) + len(self._with_cells)
        self._copy(COPY_CLIENTS, self._clients)
        self._copy(COPY_CLIENTS_AND_CELLS, self._with_cells)

    def _put_if_many(self) -> None:
        if self._kept > MAX_KEPT or max(len(self._with_cells), len(self._faults)) >= COPY_BATCH:
            self._put_all()

    def _put_all(self) -> None:
        self._put_clients()
        self._copy(COPY_FAULTS, self._faults)
        self._kept = 0

    def _written(self, content: object) -> str:
        written: str = _ENCODE(content).translate(_ESCAPES)
        self._kept += len(written)
        return written

    def _copy(self, statement: str, rows: list[str]) -> None:
        if not rows:
            return
        # A half of a surrogate pair, which only a rejected row can have, becomes a question mark.
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


@contextmanager
def staged(engine: Engine) -> Iterator[Staging]:
    """The tables of an import, for as long as the block lasts."""
    with engine.begin() as connection:
        for (leftover,) in connection.exec_driver_sql(LEFTOVERS).all():
            connection.exec_driver_sql(DROP_TABLES.format(name=leftover))
        name = connection.exec_driver_sql(NEW_NAME, {"chance": secrets.token_hex(8)}).scalar_one()
        connection.exec_driver_sql(CREATE_TABLES.format(name=name))
    try:
        yield Staging(engine, name)
    finally:
        # A database that is away keeps them for the next import to remove.
        with suppress(DBAPIError), engine.begin() as connection:
            connection.exec_driver_sql(DROP_TABLES.format(name=name))


# The text format of COPY.
_ESCAPES: dict[int, Any] = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _storable(text: str) -> str:
    """The text without NUL, which PostgreSQL's texts can't have; a file's own cells are kept as JSON."""
    return text[:MAX_REASON].replace("\0", "\ufffd")
