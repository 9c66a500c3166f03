"""Lists that are typed into one field of a form."""

from __future__ import annotations

import re


def split_list(text: str) -> list[str]:
    """Digits between blanks, commas or semicolons; a plus sign before them does no harm."""
    return [part.removeprefix("+") for part in re.split(r"[\s,;]+", text) if part]
