"""What is asked of keys."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select, true, update
from sqlalchemy.exc import SQLAlchemyError

from api.audit.recorder import nothing_changed
from api.auth.api_keys import NewKey, make_key
from api.auth.credential_cache import TTL_SECONDS, Cached
from api.extensions import db
from shared.domain.roles import Role
from shared.errors import NotFound
from shared.locks import BOOTSTRAP_KEY
from shared.schema import ApiKey

log = logging.getLogger(__name__)

USE_NOTED_EVERY = timedelta(minutes=1)


class KnownKey(NamedTuple):
    """What a request needs to know of a key."""

    prefix: str
    name: str
    role: Role


class Credential(NamedTuple):
    """What a key is looked up by: its prefix, and the hash of the whole key where it was shown."""

    prefix: str
    key_hash: bytes | None = None
    """None for a session or a link, which vouches for the key that it was made with."""


def known_key(credential: Credential) -> Cached[KnownKey] | None:
    """The key if it may be used now, and notes that it is. In transactions of its own.

    Nothing is written for a key that only begins like ours: prefixes are public.
    """
    prefix, key_hash = credential
    left = func.extract("epoch", ApiKey.expires_at - func.now()).label("seconds_left")
    unnoted = (ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < func.now() - USE_NOTED_EVERY)).label("unnoted")
    usable = ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
    columns = ApiKey.prefix, ApiKey.key_hash, ApiKey.name, ApiKey.role
    with db.engine.begin() as connection:
        row = connection.execute(select(*columns, left, unnoted).where(ApiKey.prefix == prefix, *usable)).one_or_none()
    if row is None:
        return None
    if key_hash is not None and not hmac.compare_digest(row.key_hash, key_hash):
        return None
    known = KnownKey(row.prefix, row.name, row.role)
    if row.unnoted:
        _note_use(prefix)
    return Cached(known, TTL_SECONDS if row.seconds_left is None else float(row.seconds_left))


def keys_after(after: int, limit: int) -> Sequence[ApiKey]:
    """The keys with a greater id, in order, revoked ones too."""
    return db.session.scalars(select(ApiKey).where(ApiKey.id > after).order_by(ApiKey.id).limit(limit)).all()


def key_by_id(key_id: int) -> ApiKey:
    """The key. Raises NotFound."""
    key = db.session.get(ApiKey, key_id)
    if key is None:
        raise NotFound("key", key_id)
    return key


def add_key(fields: Mapping[str, Any], created_by: str) -> tuple[ApiKey, NewKey]:
    """Makes a key; what can be used of it is in the second of the pair, and nowhere else."""
    new = make_key()
    key = ApiKey(prefix=new.prefix, key_hash=new.key_hash, created_by=created_by, **fields)
    db.session.add(key)
    db.session.flush()
    return key, new


def revoke_key(key_id: int) -> tuple[ApiKey, bool]:
    """Ends a key for good, and says whether it was not revoked already. Raises NotFound."""
    key = key_by_id(key_id)
    revoked = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=func.now())
    returning = revoked.returning(ApiKey.id).execution_options(synchronize_session=False)
    if db.session.scalar(returning) is None:
        nothing_changed()
        return key, False
    return key, True


def add_bootstrap_key(created_by: str) -> tuple[ApiKey, NewKey] | None:
    """Makes an admin's key if there has never been any; whoever asks at the same time waits and gets none."""
    db.session.execute(select(func.pg_advisory_xact_lock(*BOOTSTRAP_KEY)))
    if db.session.scalar(select(true()).select_from(ApiKey).limit(1)):
        return None
    return add_key({"name": "first key", "role": Role.ADMIN}, created_by)


def _note_use(prefix: str) -> None:
    # Nobody waits for this, and a request goes on without: somebody else is at it, or the disk is full.
    unnoted = select(ApiKey.id).where(ApiKey.prefix == prefix).with_for_update(skip_locked=True)
    try:
        with db.engine.begin() as connection:
            connection.execute(
                update(ApiKey).where(ApiKey.id.in_(unnoted.scalar_subquery())).values(last_used_at=func.now())
            )
    except SQLAlchemyError:
        log.warning("key.use_not_noted", extra={"key": prefix})
