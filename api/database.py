"""Executing the statements of shared/sql in the session's transaction, trying transactions again, and reading pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import CursorResult, Engine, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from api.extensions import db
from shared.schema import Base

DEADLOCK: Final = "40P01"
"""SQLSTATE (PostgreSQL manual, appendix A)."""

CONFLICTING = frozenset({DEADLOCK, "40001", "55P03", "57014"})
"""SQLSTATEs of conflicts with other transactions: deadlock, serialization failure, lock not available, statement
timeout."""

MAX_TRIES = 5
"""How often a transaction is tried in all."""

T = TypeVar("T")


def sqlstate_of(error: DBAPIError) -> str | None:
    """The SQLSTATE of an error; None if it is not the server's."""
    return getattr(error.orig, "pgcode", None)


def try_again(work: Callable[[], T], is_transient: Callable[[DBAPIError], bool]) -> T:
    """The result of `work`, which is called again after an error that is transient, MAX_TRIES times in all.

    `work` is a transaction, or a savepoint: it has been rolled back when it raises.
    """
    for left in reversed(range(MAX_TRIES)):
        try:
            return work()
        except DBAPIError as error:
            if not left or not is_transient(error):
                raise
    raise AssertionError("the last try returns or raises")


def execute(statement: str, parameters: Mapping[str, Any], changes: Iterable[Base] = ()) -> CursorResult[Any]:
    """Executes a statement with psycopg2's parameters by name.

    `changes` are loaded objects whose rows it changes: their attributes are reloaded at the next access.
    """
    db.session.flush()
    result = db.session.connection().exec_driver_sql(statement, dict(parameters))
    for changed in changes:
        db.session.expire(changed)
    return result


def pages_by_id(
    engine: Engine, wanted: Select[Any], by: InstrumentedAttribute[int], size: int
) -> Iterator[Sequence[Any]]:
    """The rows of a query, which has the column `id`, in the order of `by`: pages of `size` rows at most.

    No transaction is open between two pages, however slowly the caller reads; each page has its own snapshot.
    """
    last = 0
    ordered = wanted.order_by(by).limit(size)
    while True:
        with engine.connect() as connection:
            page = connection.execute(ordered.where(by > last)).all()
        if not page:
            return
        yield page
        last = page[-1].id
