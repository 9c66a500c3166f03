"""Parameters of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from psycopg2.extensions import AsIs


def bigints(numbers: Iterable[int]) -> AsIs:
    """An array of numbers as one literal. psycopg2 would write ARRAY[…], whose elements the server parses as
    expressions: that takes ten times as long.
    """
    return AsIs(f"'{array_literal(numbers)}'::bigint[]")


def array_literal(values: Iterable[object]) -> str:
    """An array of numbers or truth values as text, to be cast in the statement (PostgreSQL manual, 8.15.2)."""
    return f"{{{','.join(map(str, values))}}}"


def nullable_array_literal(values: Iterable[object]) -> str:
    """The same of any values, texts as well; None is NULL."""
    return array_literal(map(_element, values))


def _element(value: object) -> object:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return "NULL" if value is None else value


def bounded(numbers: Collection[int]) -> dict[str, Any]:
    """An array of numbers with the least and the greatest, 0 if it is empty: `ids`, `first`, `last`.

    For statements with the condition `is_one_of_many` (shared/sql/conditions.py).
    """
    return {"ids": bigints(numbers), "first": min(numbers, default=0), "last": max(numbers, default=0)}


def is_range(numbers: Collection[int]) -> bool:
    """Whether these are all integers from the least to the greatest. There must be some."""
    return max(numbers) - min(numbers) + 1 == len(set(numbers))
