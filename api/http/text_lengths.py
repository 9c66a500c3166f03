"""Maximum lengths of texts: a longer one is rejected with the number of characters too many, never cut."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate


class MaxLength(validate.Length):
    """At most so many characters. OpenAPI documents it as `maxLength`."""

    def __init__(self, maximum: int) -> None:
        super().__init__(max=maximum)
        self._maximum = maximum

    def __call__(self, value: Any) -> Any:
        """The value. Raises ValidationError."""
        if len(value) > self._maximum:
            raise ma.ValidationError(
                f"Has {len(value)} characters, {len(value) - self._maximum} more than the {self._maximum} allowed."
            )
        return value
