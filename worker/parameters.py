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
    """An array of numbers, truth values and NULL as text, to be cast in the statement (PostgreSQL manual, 8.15.2)."""
    return f"{{{','.join(map(str, values))}}}"


def text_array_literal(texts: Iterable[str | None]) -> str:
    """The same of texts."""
    return array_literal(map(_element, texts))


def _element(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def bounded(numbers: Collection[int]) -> dict[str, Any]:
    """An array of numbers, of which there is at least one, with the least and the greatest: `ids`, `first`, `last`."""
    return {"ids": bigints(numbers), "first": min(numbers), "last": max(numbers)}
