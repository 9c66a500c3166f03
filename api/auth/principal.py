"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, has_app_context

from shared.domain.roles import Role

KEY, ENVIRONMENT, PROVIDER, SYSTEM = "key:", "environment:", "oidc:", "system:"
"""What an actor begins with: a key's prefix, a fingerprint of API_KEY, a subject, or a user of this system follows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who it is, and what they may do."""

    actor: str
    """As it stands in the audit; the same for ever."""
    name: str
    role: Role


def principal() -> Principal:
    """Who makes this request. Behind the gate there always is somebody."""
    found: Principal = g.principal
    return found


def name_of_caller() -> str | None:
    """The name of whoever makes this request; none for a command."""
    found: Principal | None = g.get("principal") if has_app_context() else None
    return found.name if found else None
