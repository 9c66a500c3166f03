"""Reads of the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from api.extensions import db
from shared.schema import AuditEntry


def entries_about(kind: str, object_id: int, limit: int, *operations: str) -> Sequence[AuditEntry]:
    """The entries about one object, latest first; only of the given operations, if any are given."""
    about = [AuditEntry.object == kind, AuditEntry.object_id == object_id]
    about += [AuditEntry.operation.in_(operations)] if operations else []
    return db.session.scalars(select(AuditEntry).where(*about).order_by(AuditEntry.id.desc()).limit(limit)).all()


def entries_after(
    after: int,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    **equal: str | int,
) -> Sequence[AuditEntry]:
    """The entries with a greater id that pass every filter given, in order; `equal` maps columns to values."""
    found = select(AuditEntry).where(AuditEntry.id > after)
    for column, value in equal.items():
        found = found.where(getattr(AuditEntry, column) == value)
    if since is not None:
        found = found.where(AuditEntry.at >= since)
    if until is not None:
        found = found.where(AuditEntry.at < until)
    return db.session.scalars(found.order_by(AuditEntry.id).limit(limit)).all()
