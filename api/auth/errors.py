"""Errors of a sign-in."""

from __future__ import annotations

from shared.errors import CodedError


class ProviderError(CodedError):
    """The identity provider does not respond, or its response is invalid. The message is shown to the person."""
