"""The values of fields in a template: how they are shown, compared and changed by filters.

A value comes as the text that `attributes ->> name` gives in PostgreSQL, so that what is fixed at a message's first
claim is all that its text depends on. No function here reads a clock, a locale or a setting.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

from shared.domain.field_types import FieldType

Shown = Callable[[str], str]
"""The text of a value, of its stored form."""


def show_number(value: str) -> str:
    """A number without an exponent and without zeros at the end of its fraction."""
    if value.isdigit():
        return value
    if "e" in value or "E" in value:
        value = format(Decimal(value), "f")
    return value.rstrip("0").rstrip(".") if "." in value else value


def list_of(value: str) -> list[str]:
    """The entries of a list."""
    return [str(entry) for entry in json.loads(value)]


def show_list(value: str) -> str:
    """The entries of a list, with commas in between."""
    return ", ".join(list_of(value))


SHOWN: dict[FieldType, Shown] = {FieldType.TEXT: str, FieldType.NUMBER: show_number, FieldType.LIST: show_list}
"""How values of a type are shown. The other types are shown only through a filter or in a condition."""


# The stored forms have a fixed length (FieldType), so the parts of a date are always at the same places.
_PARTS: dict[str, Shown] = {
    "d": lambda value: value[8:10],
    "m": lambda value: value[5:7],
    "Y": lambda value: value[:4],
    "y": lambda value: value[2:4],
    "-d": lambda value: value[8:10].lstrip("0"),
    "-m": lambda value: value[5:7].lstrip("0"),
    "H": lambda value: value[11:13],
    "M": lambda value: value[14:16],
    "S": lambda value: value[17:19],
    "-H": lambda value: str(int(value[11:13])),
    "%": lambda _: "%",
}
_OF_TIMES = frozenset({"H", "M", "S", "-H"})

DATE_PARTS = ", ".join(f"%{part}" for part in _PARTS)
"""The parts that a format may have."""


def date_format(form: str, *, with_time: bool) -> Shown:
    """A date and time in a format such as `%d.%m.%Y`; its time is in UTC.

    The parts are those of strftime that need no language. Raises ValueError for any other one, and for one of the time
    of a mere date.
    """
    pieces: list[str | Shown] = []
    rest = form
    while rest:
        plain, percent, rest = rest.partition("%")
        pieces.append(plain)
        if not percent:
            break
        part = rest[:2] if rest.startswith("-") else rest[:1]
        if part not in _PARTS or (part in _OF_TIMES and not with_time):
            raise ValueError(f"%{part}")
        pieces.append(_PARTS[part])
        rest = rest[len(part) :]
    length = 27 if with_time else 10

    def shown(value: str) -> str:
        if len(value) != length or value[4:8:3] != "--":
            raise ValueError(value)  # no date: nothing of it may be taken for one
        return "".join([piece if isinstance(piece, str) else piece(value) for piece in pieces])

    return shown


def truncate(length: int, end: str) -> Shown:
    """At most so many characters, of which the last ones are `end` if something was cut off."""
    kept = max(length - len(end), 0)
    return lambda text: text if len(text) <= length else text[:kept] + end[:length]


TEXT_FILTERS: dict[str, Shown] = {
    "upcase": str.upper,
    "downcase": str.lower,
    "capitalize": str.capitalize,
    "strip": str.strip,
}
"""The filters without arguments."""

FILTERS = (*TEXT_FILTERS, "date", "default", "truncate")
"""All filters."""
