"""Reads of API keys."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from api.auth.credential_cache import TTL_SECONDS, Cached
from api.extensions import db
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import ApiKey

log = logging.getLogger(__name__)

LAST_USED_INTERVAL = timedelta(minutes=1)


class KnownKey(NamedTuple):
    """What a request needs of a key."""

    prefix: str
    name: str
    role: Role


class Credential(NamedTuple):
    """What a key is looked up by: its prefix, and the hash of the whole key if the caller has sent it."""

    prefix: str
    key_hash: bytes | None = None
    """None for a session or a link, which was created with the key."""


def known_key(credential: Credential) -> Cached[KnownKey] | None:
    """The key, if it is valid; records its use. In transactions of its own.

    Nothing is written for a key of which only the prefix is right: prefixes are public.
    """
    prefix, key_hash = credential
    seconds_left = func.extract("epoch", ApiKey.expires_at - func.now()).label("seconds_left")
    is_outdated = ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < func.now() - LAST_USED_INTERVAL)
    usable = ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
    columns = ApiKey.prefix, ApiKey.key_hash, ApiKey.name, ApiKey.role
    with db.engine.begin() as connection:
        row = connection.execute(
            select(*columns, seconds_left, is_outdated.label("outdated")).where(ApiKey.prefix == prefix, *usable)
        ).one_or_none()
    if row is None:
        return None
    if key_hash is not None and not hmac.compare_digest(row.key_hash, key_hash):
        return None
    known = KnownKey(row.prefix, row.name, row.role)
    if row.outdated:
        _record_use(prefix)
    return Cached(known, TTL_SECONDS if row.seconds_left is None else float(row.seconds_left))


def keys_after(after: int, limit: int) -> Sequence[ApiKey]:
    """The keys with a greater id, in order, revoked ones too."""
    return db.session.scalars(select(ApiKey).where(ApiKey.id > after).order_by(ApiKey.id).limit(limit)).all()


def key_by_id(key_id: int) -> ApiKey:
    """The key. Raises NotFound."""
    key = db.session.get(ApiKey, key_id)
    if key is None:
        raise NotFound(ErrorCode.NO_SUCH_KEY, key=key_id)
    return key


def _record_use(prefix: str) -> None:
    # Does not delay or fail the request: skips a row that is locked, and only logs an error such as a full disk.
    unlocked = select(ApiKey.id).where(ApiKey.prefix == prefix).with_for_update(skip_locked=True)
    try:
        with db.engine.begin() as connection:
            connection.execute(
                update(ApiKey).where(ApiKey.id.in_(unlocked.scalar_subquery())).values(last_used_at=func.now())
            )
    except SQLAlchemyError:
        log.warning("key.use_not_noted", extra={"key": prefix})
