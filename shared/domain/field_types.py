"""The types of the declared fields of clients."""

from __future__ import annotations

import enum


class FieldType(enum.StrEnum):
    """The type of a field, and what `client.attributes` has for its values. A value that is missing has no key."""

    TEXT = "text"
    """A string."""
    NUMBER = "number"
    """A number."""
    BOOLEAN = "boolean"
    """true or false."""
    DATE = "date"
    """A string like `2026-11-29`."""
    DATETIME = "datetime"
    """A string like `2026-11-29T18:25:43.511000Z`: always in UTC and of this length, so that it sorts as text."""
    LIST = "list"
    """A list of strings, each once, in order."""
