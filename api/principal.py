"""The principal of a request: the identity that makes it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, has_app_context

from shared.domain.roles import Role

KEY, ENVIRONMENT, PROVIDER, SYSTEM = "key:", "environment:", "oidc:", "system:"
"""The beginning of an actor's name. A key's prefix, a fingerprint of API_KEY, a subject, or an OS user follows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity and its role."""

    actor: str
    """The identity, as in the audit. It never changes."""
    name: str
    role: Role


def current_principal() -> Principal:
    """The principal of this request. Raises AttributeError on public pages, which are not authenticated."""
    found: Principal = g.principal
    return found


def actor_of_caller() -> str | None:
    """The actor of the principal of this request; None for a command."""
    found: Principal | None = g.get("principal") if has_app_context() else None
    return found.actor if found else None


def name_of_caller() -> str | None:
    """The name of the principal of this request; None for a command."""
    found: Principal | None = g.get("principal") if has_app_context() else None
    return found.name if found else None
