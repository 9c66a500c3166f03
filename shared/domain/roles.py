"""Roles: each includes the permissions of the one before it."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """The role of a key or a person, the weakest first."""

    VIEWER = "viewer"
    """Reads everything except keys and the audit, phone numbers included: the ledger is searched by them."""
    OPERATOR = "operator"
    """Also writes clients and mailings, and pauses, resumes, cancels and retries."""
    ADMIN = "admin"
    """Also creates and revokes keys, and reads the audit."""

    def covers(self, needed: Role) -> bool:
        """Whether this role includes the permissions of `needed`."""
        return _ORDER[self] >= _ORDER[needed]


_ORDER = {role: rank for rank, role in enumerate(Role)}
