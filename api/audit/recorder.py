"""The audit recorder: a change and the audit entry about it are written in one commit.

Authentication begins the entry; it is completed and added when the session commits. Views call it only
when there is nothing to change, or when they commit on a connection of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from flask import current_app, g, has_request_context, request
from sqlalchemy import Connection, event, insert
from sqlalchemy.orm import Session, UOWTransaction

from api.extensions import db
from api.principal import Principal
from shared.logs import mask_phone
from shared.schema import ApiKey, AuditEntry, Base, Client, ClientField, Mailing

OBJECTS: dict[type[Base], str] = {
    Client: "client",
    ClientField: "client_field",
    Mailing: "mailing",
    ApiKey: "key",
}
"""The kinds of object that an entry is about when a row of them is added."""

ANONYMOUS = "nobody"
"""The actor of a failed sign-in."""


@dataclass
class _Entry:
    principal: Principal
    operation: str | None = None
    object: str | None = None
    object_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def begin_entry(principal: Principal) -> None:
    """Begins the entry of this request; it is added if the request commits something. `principal` is its actor."""
    kind, object_id = _object_of_path()
    g.audit = _Entry(principal, object=kind, object_id=object_id)


def set_operation(operation: str) -> None:
    """Sets the operationId of this request: the console performs the API's operations under other paths."""
    entry: _Entry | None = g.get("audit")
    if entry is not None:
        entry.operation = operation


def name_object(kind: str, object_id: int, **detail: Any) -> None:
    """Sets the object of this request's entry, if it is neither in the path nor a row that is added."""
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        entry.object, entry.object_id = kind, object_id
        entry.detail |= detail


def add_detail(**detail: Any) -> None:
    """Adds to the detail of this request's entry."""
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        entry.detail |= detail


def nothing_changed() -> None:
    """Drops this request's entry: there was nothing to change."""
    if has_request_context():
        g.pop("audit", None)


def record_on(connection: Connection, detail: Mapping[str, Any]) -> None:
    """Adds an entry for this request to the transaction of a connection that is not the session's.

    For a request that commits in several transactions, each with its own entry.
    """
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        operation = entry.operation or _operation_id()
        connection.execute(insert(AuditEntry).values(_columns(operation, entry.principal, None, detail)))


def record_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Adds the changed fields to this request's entry, without texts and with masked phone numbers."""
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        entry.detail |= changes_of(before, after)


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields that differ, each before and after, as they may be stored. Texts and attributes are masked."""
    differ = [name for name in after if name in before and before[name] != after[name]]
    return {name: [_storable(name, before[name]), _storable(name, after[name])] for name in differ}


def add_entry(
    operation: str, who: Principal | None, *, what: tuple[str, int] | None = None, detail: Mapping[str, Any] = {}
) -> None:
    """Adds an entry to the current transaction, for what is not an API operation: a sign-in, a command."""
    db.session.add(AuditEntry(**_columns(operation, who, what, detail)))


@event.listens_for(db.session, "after_flush")
def _set_object_from_new_rows(session: Session, _: UOWTransaction) -> None:
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        for added in session.new:
            if kind := OBJECTS.get(type(added)):
                entry.object, entry.object_id = kind, added.id


@event.listens_for(db.session, "before_commit")
def _add_entry_of_request(session: Session) -> None:
    if not has_request_context() or "audit" not in g:
        return
    # Flushed first, so that what is new has its id.
    session.flush()
    entry: _Entry = g.pop("audit")
    what = (entry.object, entry.object_id) if entry.object and entry.object_id else None
    add_entry(entry.operation or _operation_id(), entry.principal, what=what, detail=entry.detail)


def _columns(
    operation: str, who: Principal | None, what: tuple[str, int] | None, detail: Mapping[str, Any]
) -> dict[str, Any]:
    kind, object_id = what or (None, None)
    return {
        "actor": who.actor if who else ANONYMOUS,
        "actor_name": who.name if who else ANONYMOUS,
        "role": who.role if who else None,
        "operation": operation,
        "object": kind,
        "object_id": object_id,
        "detail": dict(detail) or None,
        **_request_of(),
    }


def _object_of_path() -> tuple[str | None, int | None]:
    for name, value in (request.view_args or {}).items():
        if name.endswith("_id"):
            return name.removesuffix("_id"), value
    return None, None


def _operation_id() -> str:
    views = getattr(current_app.view_functions[request.endpoint or ""], "view_class", None)
    view = getattr(views, request.method.lower(), None)
    documented: dict[str, Any] = getattr(view, "_apidoc", {}).get("manual_doc", {})
    return str(documented.get("operationId") or f"{request.method} {request.endpoint}")


def _request_of() -> dict[str, str | None]:
    if not has_request_context():
        return {"address": None, "request_id": None}
    return {"address": request.remote_addr, "request_id": g.request_id}


def _storable(name: str, value: Any) -> Any:
    if name == "text":
        return "…"
    if name.startswith("attributes."):
        return None if value is None else "…"
    if name == "phone_number":
        return mask_phone(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value.value if isinstance(value, Enum) else value
