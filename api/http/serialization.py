"""Rows as plain mappings, for responses with the columns of more than one table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect

from shared.schema import Base


def row_to_dict(entity: Base, **more: Any) -> dict[str, Any]:
    """The columns of a row, and additional fields."""
    return {column.key: getattr(entity, column.key) for column in inspect(type(entity)).column_attrs} | more
