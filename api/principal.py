"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, has_app_context

from shared.domain.roles import Role

KEY, ENVIRONMENT, PROVIDER, SYSTEM = "key:", "environment:", "oidc:", "system:"
"""What an actor begins with: a key's prefix, a fingerprint of API_KEY, a subject, or a user of this system follows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity and its role."""

    actor: str
    """As it stands in the audit. It never changes."""
    name: str
    role: Role


def current_principal() -> Principal:
    """Who makes this request. Authentication has set it, except for what is public: there it raises AttributeError."""
    found: Principal = g.principal
    return found


def name_of_caller() -> str | None:
    """The name of who makes this request; None for a command."""
    found: Principal | None = g.get("principal") if has_app_context() else None
    return found.name if found else None
