"""Access: keys, sessions, the audit, idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.roles import Role
from shared.schema.base import (
    ROLE,
    Base,
)


class ApiKey(Base):
    """A key to the API. Only its hash is stored: enough to verify it, not to use it. Never deleted."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    prefix: Mapped[str]
    """The public part of the key."""
    key_hash: Mapped[bytes]
    """SHA-256 of the whole key."""
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(ROLE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str]
    last_used_at: Mapped[datetime | None]
    """To the minute or so."""
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("prefix", name="api_key_prefix_key"),)


class SignInLink(Base):
    """A link that signs a browser in, once and within a short time."""

    __tablename__ = "sign_in_link"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    actor: Mapped[str]
    """Whom it signs in, as in the audit."""
    expires_at: Mapped[datetime]


class BrowserSession(Base):
    """A session of a person in a browser. The cookie holds its token."""

    __tablename__ = "browser_session"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    actor: Mapped[str]
    """Who it is, as in the audit."""
    name: Mapped[str]
    role: Mapped[Role | None] = mapped_column(ROLE)
    """The role that the identity provider gave at sign-in; None for a key, whose role is read from api_key."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    """When it expires unless it is used before."""

    __table_args__ = (Index("browser_session_expires_at_idx", "expires_at"),)


class CookieSecret(Base):
    """The secret that signs cookies when SECRET_KEY is not set: one row, added by the migration."""

    __tablename__ = "cookie_secret"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    secret: Mapped[bytes]

    __table_args__ = (CheckConstraint("id = 1", name="cookie_secret_is_one_row"),)


class AuditEntry(Base):
    """One entry of the audit, written in the same commit as the action. Triggers allow only inserts."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    """`key:` and its prefix, `oidc:` and a subject, `environment:` and a fingerprint of API_KEY, `system:` and a user;
    `nobody` for a sign-in that failed."""
    actor_name: Mapped[str]
    role: Mapped[Role | None] = mapped_column(ROLE)
    address: Mapped[str | None]
    operation: Mapped[str]
    """The operationId of the OpenAPI document, or the name of a sign-in event or a command."""
    object: Mapped[str | None]
    object_id: Mapped[int | None]
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What changed, with old and new values; no texts and no whole phone numbers, since entries cannot be deleted."""
    request_id: Mapped[str | None]

    __table_args__ = (
        Index("audit_entry_at_idx", "at"),
        Index("audit_entry_actor_id_idx", "actor", "id"),
        Index("audit_entry_operation_id_idx", "operation", "id"),
        Index("audit_entry_object_id_idx", "object", "object_id", "id"),
    )


class IdempotencyRecord(Base):
    """The response to a request with an Idempotency-Key, written in the same commit as the effects of the request."""

    __tablename__ = "idempotency_key"

    key: Mapped[str] = mapped_column(primary_key=True)
    """The principal and the Idempotency-Key: equal keys of two principals are different."""
    request_hash: Mapped[bytes]
    """Hash of method, path and body: the same key with a different hash is an error."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idempotency_key_created_at_idx", "created_at"),)
