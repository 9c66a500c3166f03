"""Lengths of texts. One that is too long is rejected with the number of characters too many, never cut."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from shared.domain.sentences import ErrorCode


class MaxLength(validate.Length):
    """At most so many characters. OpenAPI documents it as `maxLength`."""

    def __init__(self, maximum: int) -> None:
        super().__init__(max=maximum)
        self._maximum = maximum

    def __call__(self, value: Any) -> Any:
        """The value. Raises ValidationError."""
        if len(value) > self._maximum:
            excess = len(value) - self._maximum
            raise ma.ValidationError(ErrorCode.TOO_LONG(length=len(value), excess=excess, limit=self._maximum))
        return value


def not_blank(text: str) -> None:
    """Raises ValidationError for a text without anything but white space."""
    if not text.strip():
        raise ma.ValidationError(ErrorCode.BLANK())
