"""What people have chosen for the columns of files, remembered for the next file with the same columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from api.clients.import_columns import COLUMNS, OTHERS
from api.clients.import_options import Choice, DeclaredField
from api.extensions import db
from shared.json_parameter import json_parameter
from shared.schema import ImportMapping

MAX_REMEMBERED = 500
"""Columns whose fields are remembered."""


def remembered_choices(names: Sequence[str], declared: Mapping[str, DeclaredField]) -> dict[str, Choice]:
    """What was chosen for a file with these columns, without fields that are not declared any more."""
    columns = db.session.scalar(select(ImportMapping.columns).where(ImportMapping.header_hash == _hash(names))) or {}
    # No transaction is open while the upload is read.
    db.session.rollback()
    known = {*COLUMNS, *OTHERS, *declared, None}
    return {name: Choice(field) for name, field in columns.items() if field in known}


def remember(names: Sequence[str], choices: Mapping[str, Choice]) -> None:
    """Remembers what was chosen for a file with these columns, in a transaction of its own."""
    if len(choices) > MAX_REMEMBERED:
        return
    # A name in the file may have what PostgreSQL does not store.
    columns = {name.replace("\0", ""): choice.field for name, choice in choices.items()}
    values = {"header_hash": _hash(names), "columns": columns}
    written = insert(ImportMapping).values(**values)
    change = {"columns": written.excluded["columns"], "updated_at": func.now()}
    with db.engine.begin() as connection:
        connection.execute(written.on_conflict_do_update(index_elements=["header_hash"], set_=change))


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256(json_parameter(sorted(name.strip() for name in names)).encode()).hexdigest()
