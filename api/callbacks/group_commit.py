"""Group commit: callbacks that wait at the same time are added by one statement, and answered after its commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import psycopg2
from psycopg2.extensions import QueryCanceledError
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.database_errors import explain

Result = TypeVar("Result")

MAX_WAITING: Final = 2000
"""Callbacks of one process that wait for a commit at most: a second's worth. Further ones are refused."""

RECONNECT_SECONDS: Final = 1.0
"""Seconds after a failed connection in which no other one is tried: what waits is refused at once."""

PARAMETERS: Final = ("receipts", "parts")
"""The parameters of ADD_RECEIPTS and ADD_INBOUND."""

OF_CONNECTION: Final = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.InternalError)
"""Errors after which a connection may be useless: the server has ended it, or is a standby now."""


GATHER_SECONDS: Final = 0.005
"""Seconds for which a group gathers. A commit costs as much CPU as dozens of rows, and providers wait for seconds."""


class DatabaseUnavailableError(Exception):
    """The database is unreachable, restarting or too slow. Its text is one line for the operator."""


class UnstorableError(Exception):
    """The database refuses the rows of this callback. Its text is a SQLSTATE."""


Ended = Callable[[BaseException | None], None]
"""Gets None after the commit; else DatabaseUnavailableError, after which the rows may be there or not,
UnstorableError, or a bug's."""


class Addition(NamedTuple):
    """Rows to add, and what waits for their commit."""

    statement: str
    rows: str
    """A JSON array, the statement's parameter."""
    ended: Ended


class GroupCommit:
    """Adds rows over one connection of its own, in one thread. For one event loop.

    While one group is committed, the next one gathers.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """`connect` opens a connection in autocommit."""
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, "callbacks")
        self._waiting: list[Addition] = []
        self._gathering = False
        """Whether a group gathers or is committed: the next one begins after it."""
        # Of the thread alone:
        self._connection: Connection | None = None
        self._failed_at = -RECONNECT_SECONDS

    def add(self, statement: str, rows: str, ended: Ended) -> None:
        """Calls `ended` when the rows are committed, or cannot be. Never before this returns."""
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= MAX_WAITING:
            loop.call_soon(ended, DatabaseUnavailableError("more callbacks arrive than are committed"))
            return
        self._waiting.append(Addition(statement, rows, ended))
        if not self._gathering:
            self._gather(loop)

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Lets the thread do something else with the connection. Raises DatabaseUnavailableError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_connection, work)

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        self._gathering = bool(self._waiting)
        if self._gathering:
            loop.call_later(GATHER_SECONDS, self._begin_commit, loop)

    def _begin_commit(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._waiting = self._waiting, []
        committing = loop.run_in_executor(self._thread, self._commit, group)
        committing.add_done_callback(partial(self._end_commit, loop, group))

    def _end_commit(
        self, loop: asyncio.AbstractEventLoop, group: Sequence[Addition], commit: asyncio.Future[Any]
    ) -> None:
        self._gather(loop)
        if commit.cancelled():  # the event loop ends
            return
        error = commit.exception()
        # Every callback is answered, also after a bug.
        failures = commit.result() if error is None else [error] * len(group)
        for addition, failure in zip(group, failures, strict=True):
            loop.call_soon(addition.ended, failure)

    def _commit(self, group: Sequence[Addition]) -> list[Exception | None]:
        """What became of each: None if it is committed."""
        failures: dict[int, Exception | None] = {}
        for statement in {addition.statement for addition in group}:
            of_it = [place for place, addition in enumerate(group) if addition.statement == statement]
            rows = [group[place].rows for place in of_it]
            failures.update(zip(of_it, self._add_together(statement, rows), strict=True))
        return [failures[place] for place in range(len(group))]

    def _add_together(self, statement: str, arrays: Sequence[str]) -> list[Exception | None]:
        together = f"[{','.join(rows[1:-1] for rows in arrays)}]"
        try:
            self._with_connection(lambda connection: _execute(connection, statement, together))
        except DatabaseUnavailableError as error:
            return [error] * len(arrays)
        except UnstorableError as error:
            if len(arrays) == 1:
                return [error]
            # One of them must not fail the others.
            return [failure for rows in arrays for failure in self._add_together(statement, [rows])]
        return [None] * len(arrays)

    def _with_connection(self, work: Callable[[Connection], Result]) -> Result:
        """Tries again once with a new connection: the server may have ended an idle one. (Receipts that are added twice
        count once.)"""
        is_new = self._connection is None
        try:
            return work(self._opened())
        except psycopg2.Error as error:
            if not isinstance(error, OF_CONNECTION) or isinstance(error, QueryCanceledError):
                raise DatabaseUnavailableError(explain(error)) from error
            self._close()
            if is_new:
                self._failed_at = time.monotonic()
                raise DatabaseUnavailableError(explain(error)) from error
        return self._with_connection(work)

    def _opened(self) -> Connection:
        if self._connection is None:
            if time.monotonic() < self._failed_at + RECONNECT_SECONDS:
                raise DatabaseUnavailableError("the last connection failed")
            self._connection = self._connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _execute(connection: Any, statement: str, rows: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, dict.fromkeys(PARAMETERS, rows))
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        raise UnstorableError(str(error.pgcode)) from None  # its text has values
