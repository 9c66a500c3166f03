"""Parameters of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from psycopg2.extensions import AsIs


def bigints(numbers: Iterable[int]) -> AsIs:
    """An array of numbers as one literal. psycopg2 would write ARRAY[…], whose elements the server parses as
    expressions: that takes ten times as long.
    """
    return AsIs(f"'{{{','.join(map(str, numbers))}}}'::bigint[]")


def bounded(numbers: Collection[int]) -> dict[str, Any]:
    """An array of numbers, of which there is at least one, with the least and the greatest: `ids`, `first`, `last`."""
    return {"ids": bigints(numbers), "first": min(numbers), "last": max(numbers)}
