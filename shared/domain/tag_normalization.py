"""Normalization of tags and marks, as they are stored: two that look the same on a screen are the same text.

White space of any kind becomes one plain space between words and none at the ends, characters that have no width are
left out, and letters with accents are composed (Unicode's NFC, Standard Annex 15). Upper and lower case stay.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

WHITE_SPACE = "\t\n\v\f\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Unicode and Python treat as white space, as the inside of a regular expression's class."""

ZERO_WIDTH = "\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
"""The soft hyphen, joiners, marks of direction and the byte order mark, as the inside of a class."""

_WHITE_SPACE = re.compile(f"[{WHITE_SPACE}]+")
_ZERO_WIDTH = re.compile(f"[{ZERO_WIDTH}]")


_MAX_CACHED_LENGTH = 200
"""Characters of a label that is cached at most: one that is too long to be stored must not fill the cache either."""


def normal(label: str) -> str:
    """The label as it is stored. A label in normal form is returned unchanged."""
    return _cached_normal(label) if len(label) <= _MAX_CACHED_LENGTH else _compute_normal(label)


def _compute_normal(label: str) -> str:
    composed = unicodedata.normalize("NFC", _ZERO_WIDTH.sub("", label))
    return _WHITE_SPACE.sub(" ", composed).strip(" ")


_cached_normal = lru_cache(maxsize=4096)(_compute_normal)  # a file of clients has the same few tags in all of its rows


def case_variants(label: str) -> set[str]:
    """The label in the letter cases that are in common use, except its own."""
    first = label[:1]
    variants = {label.lower(), label.upper(), label.title(), label.capitalize(), label.swapcase()}
    return (variants | {first.upper() + label[1:], first.lower() + label[1:]}) - {label}
