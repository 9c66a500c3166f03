"""Segments for tests: fields, random trees, and what a tree means, told without SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from shared.domain.field_types import FieldType
from shared.domain.segments.tree import (
    And,
    Condition,
    Event,
    Field,
    Happened,
    Node,
    Not,
    Operator,
    Or,
    Relative,
    known_fields,
)
from shared.domain.segments.typing import operators_of, typed

FIELDS = known_fields(
    [
        Field("name", FieldType.TEXT),
        Field("city", FieldType.TEXT),
        Field("list", FieldType.TEXT),
        Field("age", FieldType.NUMBER),
        Field("vip", FieldType.BOOLEAN),
        Field("birthday", FieldType.DATE, repeats_yearly=True),
        Field("since", FieldType.DATE),
        Field("seen", FieldType.DATETIME),
        Field("likes", FieldType.LIST),
        Field("баланс", FieldType.NUMBER),
        Field("йод", FieldType.TEXT),
    ]
)

TEXTS = ("Казань", "Москва", "казань", 'a"b\\c', "100%", "x_y", "'; DROP TABLE client; --", "7", "%(segment_0)s", "мо")
NUMBERS = (0, 18, 18.5, -3, 1e-7, 999_999_999_999_999)
DATES = ("1990-02-28", "1992-02-29", "2026-11-29", "2026-12-03", "2000-11-25")
MOMENTS = ("2026-11-28T23:59:59.999999Z", "2026-11-29T00:00:00.000000Z", "2026-11-29T12:00:00.000000Z", *DATES[:3])
PHONES = ("79161234567", "7916", "4915112345678", "1234567", "79261234567")
TODAY = date(2026, 11, 29)
MAX_DEPTH = 4


def random_tree(chosen: random.Random, depth: int = 0) -> Node:
    """A typed tree."""
    kind = chosen.random()
    if depth < MAX_DEPTH and kind < 0.45:
        if kind < 0.15:
            return Not(random_tree(chosen, depth + 1))
        nodes = tuple(random_tree(chosen, depth + 1) for _ in range(chosen.randint(2, 3)))
        return And(nodes) if kind < 0.3 else Or(nodes)
    return typed(_random_condition(chosen), FIELDS)


def _random_condition(chosen: random.Random) -> Node:
    if chosen.random() < 0.2:
        days, mailing_id = chosen.choice((None, 0, 1, 7)), chosen.choice((None, 1, 2, 99))
        return Happened(chosen.choice([*Event]), mailing_id, days)
    one = chosen.choice([*FIELDS.values()])
    operator = chosen.choice(operators_of(one))
    match operator:
        case Operator.EXISTS:
            return Condition(one.name, operator)
        case Operator.WITHIN | Operator.WITHIN_LAST:
            return Condition(one.name, operator, chosen.choice((0, 1, 7, 100, 364, 365, 366)))
        case Operator.IN_LIST:
            return Condition(one.name, operator, chosen.choice((1, 2)))
        case Operator.IN:
            return Condition(one.name, operator, tuple(chosen.choices(_values(one), k=chosen.randint(1, 12))))
    if one.type in (FieldType.DATE, FieldType.DATETIME) and chosen.random() < 0.4:
        return Condition(one.name, operator, Relative(chosen.choice((0, 1, -1, 4, -30))))
    return Condition(one.name, operator, chosen.choice(_values(one)))


def _values(one: Field) -> Sequence[Any]:
    if one.name == "phone_number":
        return PHONES
    if one.name == "operator_code":
        return ("916", "926", "007")
    return {
        FieldType.TEXT: TEXTS,
        FieldType.LIST: TEXTS,
        FieldType.NUMBER: NUMBERS,
        FieldType.BOOLEAN: (True, False),
        FieldType.DATE: DATES,
        FieldType.DATETIME: MOMENTS,
    }[one.type]


@dataclass
class Person:
    """A client, with what the ledger knows of it."""

    columns: Mapping[str, Any]
    attributes: Mapping[str, Any]
    lists: set[int] = field(default_factory=set)
    happened: list[tuple[Event, int | None, datetime]] = field(default_factory=list)
    """The event, its mailing and its time."""


def matches(node: Node, person: Person) -> bool:
    """Whether the segment has this person, by the words of docs/segments.md."""
    match node:
        case And(nodes):
            return all(matches(one, person) for one in nodes)
        case Or(nodes):
            return any(matches(one, person) for one in nodes)
        case Not(negated):
            return not matches(negated, person)
        case Happened(event, mailing_id, days):
            start = datetime.min.replace(tzinfo=UTC) if days is None else _first_moment(TODAY - timedelta(days))
            return any(
                event is one and mailing_id in (None, of) and moment >= start for one, of, moment in person.happened
            )
        case Condition():
            return _holds(node, FIELDS[node.field], person)


def _holds(node: Condition, one: Field, person: Person) -> bool:
    value = person.columns[one.name] if one.column else person.attributes.get(one.name)
    operand: Any = node.value
    if value in (None, "", []):
        return False
    match node.operator:
        case Operator.EXISTS:
            return True
        case Operator.IN_LIST:
            return operand in person.lists
        case Operator.CONTAINS if one.type is FieldType.LIST:
            return operand in value
        case Operator.CONTAINS:
            return operand.lower() in str(value).lower()
        case Operator.STARTS_WITH:
            return str(value).startswith(operand)
        case Operator.IN:
            return any(_holds(Condition(one.name, Operator.EQUAL, each), one, person) for each in operand)
    if one.type in (FieldType.DATE, FieldType.DATETIME):
        return _moment_holds(node, one, value)
    if one.name == "phone_number":
        value = str(value)
    return _COMPARE[node.operator](value, operand)


def _moment_holds(node: Condition, one: Field, value: str) -> bool:
    day = date.fromisoformat(value[:10])
    operand = node.value
    if node.operator in (Operator.WITHIN, Operator.WITHIN_LAST):
        assert isinstance(operand, int)
        days = [TODAY + timedelta(n if node.operator is Operator.WITHIN else -n) for n in range(operand + 1)]
        return any(_anniversary(day, each) for each in days) if one.repeats_yearly else day in days
    if isinstance(operand, Relative):
        meant = TODAY + timedelta(operand.days)
        if one.repeats_yearly and node.operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            return _anniversary(day, meant) == (node.operator is Operator.EQUAL)
        return _COMPARE[node.operator](day, meant)
    assert isinstance(operand, str)
    if len(operand) == len("2026-11-29"):
        return _COMPARE[node.operator](value[:10], operand)
    return _COMPARE[node.operator](value, operand)


_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: eq,
    Operator.NOT_EQUAL: ne,
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}


def _anniversary(born: date, day: date) -> bool:
    if (born.month, born.day) == (2, 29) and (day + timedelta(1)).month == 3 and day.month == 2:
        return True
    return (born.month, born.day) == (day.month, day.day)


def _first_moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
