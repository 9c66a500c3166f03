"""What somebody may do: each role may do what the one before it may, and more."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """The role of a key or a person, the weakest first."""

    VIEWER = "viewer"
    """Reads everything but keys and audit; phone numbers too, which is what the ledger is searched by."""
    OPERATOR = "operator"
    """Also writes clients and mailings, and pauses, resumes, cancels and retries."""
    ADMIN = "admin"
    """Also makes and revokes keys, and reads the audit."""

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` is needed for."""
        return _ORDER[self] >= _ORDER[needed]


_ORDER = {role: rank for rank, role in enumerate(Role)}
