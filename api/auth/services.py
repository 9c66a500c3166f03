"""Writes of API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, true, update

from api.audit.recorder import nothing_changed
from api.auth.api_key_format import NewKey, make_key
from api.auth.queries import key_by_id
from api.extensions import db
from shared.domain.roles import Role
from shared.locks import BOOTSTRAP_KEY
from shared.schema import ApiKey


def add_key(fields: Mapping[str, Any], created_by: str) -> tuple[ApiKey, NewKey]:
    """Adds a key, and returns it with its secret, which is not stored."""
    new = make_key()
    key = ApiKey(prefix=new.prefix, key_hash=new.key_hash, created_by=created_by, **fields)
    db.session.add(key)
    db.session.flush()
    return key, new


def revoke_key(key_id: int) -> tuple[ApiKey, bool]:
    """Revokes a key, and returns it and whether it was valid before. Raises NotFound."""
    key = key_by_id(key_id)
    revoked = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=func.now())
    returning = revoked.returning(ApiKey.id).execution_options(synchronize_session=False)
    if db.session.scalar(returning) is None:
        nothing_changed()
        return key, False
    return key, True


def add_bootstrap_key(created_by: str) -> tuple[ApiKey, NewKey] | None:
    """Adds an admin's key if no key has ever existed. A concurrent call waits, and returns None."""
    db.session.execute(select(func.pg_advisory_xact_lock(*BOOTSTRAP_KEY)))
    if db.session.scalar(select(true()).select_from(ApiKey).limit(1)):
        return None
    return add_key({"name": "first key", "role": Role.ADMIN}, created_by)
