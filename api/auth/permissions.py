"""Which role an operation needs, in one place: a viewer reads, an operator writes, and what differs is here."""

from __future__ import annotations

from shared.domain.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""

OPEN_BLUEPRINTS = frozenset({"health", "docs", "sign_in"})
OPEN_ENDPOINTS = frozenset({"console.static", "console.set_preference"})
"""What needs no key at all. Everything else does, whatever its path."""

READING = frozenset({"console.estimate_part"})
"""What changes nothing, whatever its method: what it is asked is too long for a path."""

ROLES = {"Keys": Role.ADMIN, "Audit": Role.ADMIN, "SignInLinks": Role.VIEWER, "Plans": Role.VIEWER}
"""By blueprint, where the method alone doesn't say."""

WRITING = frozenset(
    {
        f"console.{page}"
        for page in (
            "new_client",
            "edit_client",
            "remove_client",
            "import_clients",
            "import_file",
            "new_mailing",
            "edit_mailing",
            "mailing_action",
            "mailing_test",
            "edit_draft",
            "review_draft",
            "remove_draft",
            "draft_versions",
            "undo_mailing",
            "resolve_message",
        )
    }
)
"""Pages that lead to a write and are of no use without it."""


def is_open(endpoint: str) -> bool:
    """Whether anybody may ask."""
    return _blueprint(endpoint) in OPEN_BLUEPRINTS or endpoint in OPEN_ENDPOINTS


def role_needed(endpoint: str | None, method: str) -> Role:
    """The weakest role that may. (No endpoint: there is nothing at this path, or not with this method.)"""
    reads = (method in SAFE_METHODS and endpoint not in WRITING) or endpoint is None or endpoint in READING
    by_method = Role.VIEWER if reads else Role.OPERATOR
    return ROLES.get(_blueprint(endpoint or ""), by_method)


def _blueprint(endpoint: str) -> str:
    return endpoint.partition(".")[0]
