"""Headers that authenticate a request."""

from __future__ import annotations

from base64 import b64encode


def basic(user: str, password: str) -> str:
    """The value of an Authorization header by RFC 7617, in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> str:
    """The value of an Authorization header by RFC 6750 2.1."""
    return f"Bearer {token}"
