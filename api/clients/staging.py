"""Two tables that an import has of its own: the clients of a file, and what is wrong with its other rows.

They are unlogged tables and not temporary ones, so that no transaction is open while a caller uploads: one would keep
the workers' tables from being vacuumed, and a pooler in transaction mode keeps no temporary table. What a process that
was killed leaves behind, the next import after a day removes.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, NamedTuple

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from api.clients.statements import (
    COPY_CLIENTS,
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
)
from api.clients.verdicts import Good
from api.errors import IN_THE_WAY

PUT, MERGED, READ = 20_000, 10_000, 5_000
"""Rows of one COPY, one merging statement (for some 0.2 s, other writers of the same clients wait), one read."""
PATIENCE = "10min"
"""How long one statement may take; each is for a bounded number of rows, but for building the index."""
TRIES = 5
"""Of one merging statement, when other transactions are in its way."""


class FaultyRow(NamedTuple):
    """Something that is wrong with a row: its line, which of the row's faults, and the row's fields as they came."""

    line: int
    place: int
    field: str
    reason: str
    phone_number: str
    operator_code: str
    tag: str
    timezone: str


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
        self._faults: list[str] = []
        self._staged = 0

    def add(self, line: int, client: Good) -> None:
        """Stages a client."""
        phone_number, operator_code, tag, timezone = client
        self._clients.append(f"{line}\t{phone_number}\t{operator_code}\t{tag.translate(_ESCAPES)}\t{timezone}\n")
        if len(self._clients) >= PUT:
            self._put_clients()

    def refuse(self, faulty: FaultyRow) -> None:
        """Writes down a fault of a row."""
        self._faults.append("\t".join([str(column).translate(_ESCAPES) for column in faulty]) + "\n")
        if len(self._faults) >= PUT:
            self._put_faults()

    def merge(self, record: Record) -> Iterator[Merged]:
        """Takes what is staged into the directory, some rows a transaction, in the order of their phone numbers.

        Of several rows with one phone number the first counts, and the others are refused.
        """
        self._put_clients()
        self._put_faults()
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

    def faults(self) -> Iterator[FaultyRow]:
        """All faults in the order of the lines; no transaction is open between two reads."""
        line, place = 0, 0
        while True:
            with self._transaction() as connection:
                parameters = {"line": line, "place": place, "limit": READ}
                rows = connection.exec_driver_sql(FAULTS_AFTER.format(name=self._name), parameters).all()
            if not rows:
                return
            yield from (FaultyRow(*row) for row in rows)
            line, place = rows[-1].line, rows[-1].place

    def first_faults(self, count: int) -> Sequence[FaultyRow]:
        """The first faults in the order of the lines."""
        with closing(self.faults()) as faults:  # type: ignore[type-var]
            return list(islice(faults, count))

    def _merge_after(self, passed: Merged, record: Record) -> Merged | None:
        """Merges the next rows; none when there are no more. Tries again when it was in somebody's way."""
        parameters = {"phone_number": passed.phone_number, "line": passed.line, "limit": MERGED}
        for left in reversed(range(TRIES)):
            try:
                return self._merge_once(parameters, record)
            except DBAPIError as error:
                if not left or getattr(error.orig, "pgcode", None) not in IN_THE_WAY:
                    raise
        raise AssertionError("the last try answers or raises")

    def _merge_once(self, parameters: dict[str, int], record: Record) -> Merged | None:
        with self._transaction() as connection:
            connection.exec_driver_sql(MERGE_LIMITS)
            row = connection.exec_driver_sql(MERGE.format(name=self._name), parameters).one_or_none()
            merged = Merged(*row) if row else None
            if merged:
                record(connection, merged)
        return merged

    def _put_clients(self) -> None:
        self._staged += len(self._clients)
        self._copy(COPY_CLIENTS, self._clients)

    def _put_faults(self) -> None:
        self._copy(COPY_FAULTS, self._faults)

    def _copy(self, statement: str, rows: list[str]) -> None:
        if not rows:
            return
        # A half of a surrogate pair, which only a fault's text can have, becomes a question mark.
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
            connection.exec_driver_sql(LIMITS, {"patience": PATIENCE})
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


# The text format of COPY; a NUL, which only a fault's text can have, is nothing that PostgreSQL can keep.
_ESCAPES: dict[int, Any] = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})
