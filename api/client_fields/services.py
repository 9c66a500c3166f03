"""Writes of the declared fields of clients: adding and changing them. removal.py removes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from api.audit.recorder import nothing_changed, record_changes
from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.client_fields import MAX_FIELDS, check_name, plain_name
from shared.domain.field_types import FieldType
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, Invalid, NotFound
from shared.schema import ClientField

# Only one addition at a time, as they are counted. Reads, and writes of clients, do not wait.
_LOCK = text("LOCK TABLE client_field IN SHARE ROW EXCLUSIVE MODE")


def lock_client_field(client_field_id: int) -> ClientField:
    """The field, locked against all other writers, and against those of its values, until the end of the transaction.

    Raises NotFound.
    """
    field = db.session.get(ClientField, client_field_id, with_for_update=True, populate_existing=True)
    if field is None:
        raise NotFound(ErrorCode.NO_SUCH_CLIENT_FIELD, client_field=client_field_id)
    return field


def add_client_field(fields: Mapping[str, Any]) -> ClientField:
    """Declares a field. Raises Invalid and Conflict, and IntegrityError for a name in use."""
    values = {**fields, "name": plain_name(fields["name"])}
    check_name(values["name"])
    _check_repeats(fields["type"], fields.get("repeats_yearly", False))
    db.session.execute(_LOCK)
    if (db.session.scalar(select(func.count()).select_from(ClientField)) or 0) >= MAX_FIELDS:
        raise Conflict("name", ErrorCode.TOO_MANY_FIELDS, limit=MAX_FIELDS)
    field = ClientField(**values)
    db.session.add(field)
    db.session.flush()
    return field


def change_client_field(field: ClientField, fields: Mapping[str, Any]) -> ClientField:
    """Changes the label of a locked field, and whether it repeats yearly; what is left out stays. Raises Invalid."""
    _check_repeats(field.type, fields.get("repeats_yearly", False))
    if all(getattr(field, name) == value for name, value in fields.items()):
        nothing_changed()
        return field
    record_changes(row_to_dict(field), fields)
    change = update(ClientField).where(ClientField.id == field.id).values(**fields, updated_at=func.now())
    return db.session.scalars(change.returning(ClientField), execution_options={"populate_existing": True}).one()


def declare_on(connection: Connection, fields: Sequence[Mapping[str, Any]]) -> Mapping[str, FieldType]:
    """Declares those fields that there are not yet, in the transaction of a connection; returns those.

    Raises Conflict if there is one with another type, or there would be too many.
    """
    connection.execute(_LOCK)
    insertion = insert(ClientField).values(list(fields)).on_conflict_do_nothing()
    added = connection.execute(insertion.returning(ClientField.name, ClientField.type)).all()
    if (connection.scalar(select(func.count()).select_from(ClientField)) or 0) > MAX_FIELDS:
        raise Conflict("columns", ErrorCode.TOO_MANY_FIELDS, limit=MAX_FIELDS)
    types = {field["name"]: field["type"] for field in fields}
    found = select(ClientField.name, ClientField.type).where(ClientField.name.in_(types))
    for row in connection.execute(found):
        if row.type is not types[row.name]:
            raise Conflict("columns", ErrorCode.FIELD_HAS_ANOTHER_TYPE, name=row.name)
    return {row.name: row.type for row in added}


def _check_repeats(field_type: FieldType, repeats_yearly: bool) -> None:
    if repeats_yearly and field_type is not FieldType.DATE:
        raise Invalid("repeats_yearly", ErrorCode.ONLY_DATES_REPEAT)
