"""What is asked of the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from api.extensions import db
from shared.models import AuditEntry


def entries_after(
    after: int,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    **equal: str | int,
) -> Sequence[AuditEntry]:
    """The entries with a greater id that pass every filter given, in order; `equal` is by column."""
    found = select(AuditEntry).where(AuditEntry.id > after)
    for column, value in equal.items():
        found = found.where(getattr(AuditEntry, column) == value)
    if since is not None:
        found = found.where(AuditEntry.at >= since)
    if until is not None:
        found = found.where(AuditEntry.at < until)
    return db.session.scalars(found.order_by(AuditEntry.id).limit(limit)).all()
