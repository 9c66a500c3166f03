"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from shared.roles import Role

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
