"""The syntax tree of a segment, and its JSON.

The text (parser.py) and the form of the console both make a tree; workers and the API compile it to SQL
(shared/sql/segments.py). In JSON a node is an object with one of the keys `and`, `or`, `not`, `field`, `event`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.domain.field_types import FieldType


class Operator(enum.StrEnum):
    """What a condition on a field asks. Which types have which is in OPERATORS."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    """One of some values."""
    CONTAINS = "contains"
    """A text has this part, whatever the case; a list has this value."""
    STARTS_WITH = "starts with"
    """A text, or the digits of a phone number, begin so."""
    EXISTS = "exists"
    """There is a value."""
    WITHIN = "within"
    """From today for so many days: of a field that repeats yearly, its next anniversary."""
    WITHIN_LAST = "within last"
    """In so many days up to today."""
    IN_LIST = "in list"
    """A phone number is in an uploaded list."""


_ORDER = (Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL)
_SAME = (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN, Operator.EXISTS)
_DATES = (*_SAME, *_ORDER, Operator.WITHIN, Operator.WITHIN_LAST)

OPERATORS: dict[FieldType, tuple[Operator, ...]] = {
    FieldType.TEXT: (*_SAME, Operator.CONTAINS, Operator.STARTS_WITH),
    FieldType.NUMBER: (*_SAME, *_ORDER),
    FieldType.BOOLEAN: (Operator.EQUAL, Operator.NOT_EQUAL, Operator.EXISTS),
    FieldType.DATE: _DATES,
    FieldType.DATETIME: _DATES,
    FieldType.LIST: (Operator.CONTAINS, Operator.EXISTS),
}


class Event(enum.StrEnum):
    """What only the ledger knows of a client."""

    RECEIVED = "received"
    """A message to it was sent: a provider accepted it."""
    DELIVERED = "delivered"
    """Receipts say that a message to it was delivered."""
    UNDELIVERED = "undelivered"
    """Receipts say that a message to it was not delivered."""
    REPLIED = "replied"
    """An inbound message came from it."""


Value = str | int | float | bool
"""A value of a field, as FieldType says it for JSON."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A day relative to the day on which the condition is evaluated."""

    days: int
    """From today on; negative before it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a field of a client, declared or not."""

    field: str
    operator: Operator
    value: Value | Relative | tuple[Value, ...] | None = None
    """A tuple for IN; a number of days for WITHIN and WITHIN_LAST; the id of a list for IN_LIST; None for EXISTS."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A condition on the ledger: of one mailing, in the last days, or ever."""

    event: Event
    mailing_id: int | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold. A condition on a missing value does not hold, so its negation does."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """Two or more that all hold."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more of which at least one holds."""

    nodes: tuple[Node, ...]


Node = Condition | Happened | Not | And | Or


@dataclass(frozen=True, slots=True)
class Field:
    """A field that segments and templates may name."""

    name: str
    type: FieldType
    repeats_yearly: bool = False
    column: bool = False
    """Whether it is a column of `client`; otherwise it is in `attributes`."""


COLUMNS = (
    Field("phone_number", FieldType.TEXT, column=True),
    Field("operator_code", FieldType.TEXT, column=True),
    Field("tag", FieldType.TEXT, column=True),
    Field("timezone", FieldType.TEXT, column=True),
    Field("external_id", FieldType.TEXT, column=True),
    Field("tags", FieldType.LIST, column=True),
    Field("created_at", FieldType.DATETIME, column=True),
    Field("unknown_subscriber_count", FieldType.NUMBER, column=True),
)
"""The columns of `client`. `tags` contains `tag` too. No declared field has one of these names."""


RESERVED = frozenset({"and", "or", "not", *Event})
"""What the language of segments (grammar.py) reads as a keyword where a field may stand: no field has such a name."""


def known_fields(declared: Iterable[Field]) -> dict[str, Field]:
    """All fields that segments and templates may name, by name: columns first, then those that are declared."""
    return {field.name: field for field in (*COLUMNS, *declared)}


def conditions_of(node: Node) -> Iterator[Condition | Happened]:
    """The conditions of a tree, in order."""
    match node:
        case And(nodes) | Or(nodes):
            for one in nodes:
                yield from conditions_of(one)
        case Not(negated):
            yield from conditions_of(negated)
        case _:
            yield node


def fields_of(node: Node) -> set[str]:
    """The names of the fields that a tree names."""
    return {one.field for one in conditions_of(node) if isinstance(one, Condition)}


def mailings_of(node: Node) -> set[int]:
    """The ids of the mailings that a tree names."""
    happened = (one for one in conditions_of(node) if isinstance(one, Happened))
    return {one.mailing_id for one in happened if one.mailing_id is not None}
