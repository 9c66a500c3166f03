"""Writing the audit: what a request does and the entry about it are one commit: there is never one without the other.

The gate says whose request it is; the entry is completed and added when the session commits. Routes need not know,
except for one that finds nothing to change, and one that commits on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from flask import current_app, g, has_request_context, request
from sqlalchemy import Connection, event, insert
from sqlalchemy.orm import Session, UOWTransaction

from api.extensions import db
from api.principal import Principal
from shared.logs import mask_phone
from shared.schema import ApiKey, AuditEntry, Base, Client, Mailing

OBJECTS: dict[type[Base], str] = {Client: "client", Mailing: "mailing", ApiKey: "key"}
"""What the audit speaks of when it is added."""

ANONYMOUS = "nobody"
"""Who failed to sign in."""


@dataclass
class _Entry:
    principal: Principal
    operation: str | None = None
    object: str | None = None
    object_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def begin_entry(principal: Principal) -> None:
    """Begins the entry of this request, which is added if it commits something: `principal` is who did it."""
    kind, object_id = _object_of_path()
    g.audit = _Entry(principal, object=kind, object_id=object_id)


def set_operation(operation: str) -> None:
    """Says which of the API's operations this request does: the console's pages do the same by other paths."""
    entry: _Entry | None = g.get("audit")
    if entry is not None:
        entry.operation = operation


def name_object(kind: str, object_id: int, **detail: Any) -> None:
    """Says what this request's entry is about, where that is neither in the path nor what is added."""
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        entry.object, entry.object_id = kind, object_id
        entry.detail |= detail


def nothing_changed() -> None:
    """Says that this request has found nothing to change: it gets no entry."""
    if has_request_context():
        g.pop("audit", None)


def record_on(connection: Connection, detail: Mapping[str, Any]) -> None:
    """Adds an entry for this request to the transaction of a connection that is not the session's.

    For a request that commits in several transactions: each of them has an entry of its own.
    """
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        operation = entry.operation or _operation_id()
        connection.execute(insert(AuditEntry).values(_columns(operation, entry.principal, None, detail)))


def record_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Adds to this request's entry what it changes; a text is no part of it, and a phone number is masked."""
    entry: _Entry | None = g.get("audit") if has_request_context() else None
    if entry is not None:
        entry.detail |= changes_of(before, after)


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields that differ, each before and after, as they may be kept: of a text only that it differs."""
    differ = [name for name in after if name in before and before[name] != after[name]]
    return {name: [_shown(name, before[name]), _shown(name, after[name])] for name in differ}


def add_entry(
    operation: str, who: Principal | None, *, what: tuple[str, int] | None = None, detail: Mapping[str, Any] = {}
) -> None:
    """Adds an entry to what is being committed, for what is no operation of the API: a sign-in, a command."""
    db.session.add(AuditEntry(**_columns(operation, who, what, detail)))


@event.listens_for(db.session, "after_flush")
def _set_object_of_what_is_added(session: Session, _: UOWTransaction) -> None:
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


def _shown(name: str, value: Any) -> Any:
    if name == "text":
        return "…"
    if name == "phone_number":
        return mask_phone(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
