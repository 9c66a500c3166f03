"""Parameters of statements."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg2.extensions import AsIs


def bigints(numbers: Iterable[int]) -> AsIs:
    """An array of numbers as one literal. psycopg2 would write ARRAY[…], whose elements the server parses as
    expressions: that takes ten times as long.
    """
    return AsIs(f"'{{{','.join(map(str, numbers))}}}'::bigint[]")
