"""Executing the statements of shared/sql in the session's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import CursorResult

from api.extensions import db
from shared.schema import Base


def execute(statement: str, parameters: Mapping[str, Any], changes: Iterable[Base] = ()) -> CursorResult[Any]:
    """Executes a statement with psycopg2's parameters by name.

    `changes` are loaded objects whose rows it changes: their attributes are reloaded at the next access.
    """
    db.session.flush()
    result = db.session.connection().exec_driver_sql(statement, dict(parameters))
    for changed in changes:
        db.session.expire(changed)
    return result
