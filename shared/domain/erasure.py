"""Erasing a phone number: what stands in its place, and how it is found in texts."""

from __future__ import annotations

ERASED_NUMBER = 0
"""The phone number of messages whose number was erased. No number begins with 0, and none is as short."""

ERASED_TEXT = "0"
"""What stands for an erased number in texts."""

_SEPARATORS = "[ ().-]*"
"""What people write between digits."""


def number_pattern(phone_number: int) -> str:
    """A regular expression, for Python and for PostgreSQL, of a phone number in a text.

    It finds the international form, with and without a plus sign, with separators between the digits, and of numbers
    that begin with 7 also the form with 8 that is dialled within the country. It does not find the digits within a
    longer number.
    """
    written = list(str(phone_number))
    if written[0] == "7":
        written[0] = "[78]"
    digits = _SEPARATORS.join(written)
    return rf"(?<![0-9])[+]?{digits}(?![0-9])"
