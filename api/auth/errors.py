"""What goes wrong in a sign-in."""

from __future__ import annotations

from shared.errors import GonetsError


class ProviderError(GonetsError):
    """The identity provider does not respond, or its response lets nobody in. The message is for the person."""
