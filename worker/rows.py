"""Rows by name: each query has a NamedTuple with the names of its columns."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from psycopg2.extensions import cursor as Cursor  # noqa: N812

Row = TypeVar("Row", bound=NamedTuple)


def fetch_all(cursor: Cursor, row_type: type[Row]) -> list[Row]:
    """The rows of the last statement of the cursor.

    Raises TypeError unless the columns have the names of the fields, in the same order: a column that is added or moved
    is never read as another one.
    """
    names = tuple(column.name for column in cursor.description or ())
    if names != row_type._fields:
        raise TypeError(f"{row_type.__name__} is not a row of {', '.join(names)}")
    return list(map(row_type._make, cursor.fetchall()))


def fetch_one(cursor: Cursor, row_type: type[Row]) -> Row | None:
    """The first row, if there is any. Raises TypeError as `fetch_all` does."""
    return next(iter(fetch_all(cursor, row_type)), None)
