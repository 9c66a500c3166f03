"""How a file of clients is to be read and merged, as the caller asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.field_types import FieldType
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.segments.tree import Field


class DeclaredField(NamedTuple):
    """A declared field, with the label that the console shows."""

    field: Field
    label: str = ""


class Choice(NamedTuple):
    """What a person says about a column: the name of its field, or None to ignore it."""

    field: str | None
    new_type: FieldType | None = None
    """The type of a field that is to be declared; None to guess it from the values."""


Choices = Mapping[str, Choice]
"""By the column's name in the file. A value in a column of JSON objects has the name `column.key`."""


def no_choices(_: Sequence[str]) -> Choices:
    """For a file whose columns are recognised by their names."""
    return {}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import. The defaults are those of the API."""

    numbers: PhoneNumbers = field(default_factory=PhoneNumbers)
    """Reads the phone numbers."""
    declared: Mapping[str, DeclaredField] = field(default_factory=dict)
    """The declared fields by name."""
    choices: Callable[[Sequence[str]], Choices] = no_choices
    """What a person says about the columns, from the names of all of them. Other columns are recognised by name."""
    create_fields: bool = False
    """Whether columns that are not recognised become new fields."""
    fill: bool = False
    """Whether operator code, time zone and tag may be missing. The first two of a new client come from its number."""
    default_timezone: str | None = None
    """The time zone where the number does not tell it, and of dates with a time without an offset."""
    removes_empty: bool = False
    """Whether an empty cell removes the value that the client has."""
    replaces_tags: bool = False
    """Whether `tags` replace those that the client has; otherwise they are added."""

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of dates with a time without an offset."""
        return ZoneInfo(self.default_timezone) if self.default_timezone else None
