"""Rows by name: a statement whose columns are not those of its row is a fault, and not another value."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from worker.rows import fetch_all, fetch_one


class Pair(NamedTuple):
    left: int
    right: int


def test_a_row_has_its_values_by_the_names_of_the_columns(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT n AS left, n * 10 AS right FROM generate_series(1, 2) AS n")
        assert fetch_all(cursor, Pair) == [Pair(left=1, right=10), Pair(left=2, right=20)]
        cursor.execute("SELECT 1 AS left, 2 AS right WHERE false")
        assert fetch_one(cursor, Pair) is None


@pytest.mark.parametrize("columns", ["2 AS right, 1 AS left", "1 AS left", "1 AS left, 2 AS middle, 3 AS right"])
def test_columns_that_are_not_the_row_s_are_refused(columns: str, connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}")
        with pytest.raises(TypeError, match="Pair is not a row of"):
            fetch_all(cursor, Pair)
