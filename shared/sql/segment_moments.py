"""Conditions of segments on dates and moments as SQL.

A day is the half-open interval from its first moment to that of the next day, in UTC. Attributes are compared as texts
in the order of their bytes, which is the order of time (shared/domain/field_types.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Condition, Field, Operator, Relative

AddParameter = Callable[..., str]
"""Takes a value, and optionally a cast such as `::bigint`; returns the placeholder."""

COMPARISONS = {
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "<>",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
}

DAYS_OF_ALL_YEARS = 365
"""So many days after a day is its next anniversary: all days of a year are among them."""


def attribute_text(field: Field, add: AddParameter) -> str:
    """The value of a declared field as a text; NULL if it is missing."""
    return f"client.attributes ->> {add(field.name)}"


def moment_condition(field: Field, node: Condition, today: date, add: AddParameter) -> str:
    """The condition on a field that is a date or a moment. `add` adds a parameter and returns its placeholder."""
    return _Moments(field, today, add).sql(node)


class _Moments:
    """Compiles a condition on one field."""

    def __init__(self, field: Field, today: date, add: AddParameter) -> None:
        self._field, self._today, self._add = field, today, add

    def sql(self, node: Condition) -> str:
        if self._field.repeats_yearly and _is_anniversary(node):
            return self._anniversary(node)
        today = self._today
        match node.operator, node.value:
            case Operator.WITHIN, int(days):
                return self._between(today, _day(today, days + 1))
            case Operator.WITHIN_LAST, int(days):
                return self._between(_day(today, -days), _day(today, 1))
            case Operator.IN, tuple(values):
                return " OR ".join(f"({self._compared(Operator.EQUAL, one)})" for one in values)
            case operator, value:
                return self._compared(operator, value)

    def _compared(self, operator: Operator, value: object) -> str:
        """The value compared with a day, which has a first and a next moment, or with a moment."""
        if isinstance(value, str) and len(value) > len("2026-11-29"):
            return f"{self._value()} {COMPARISONS[operator]} {self._start(value)}"
        first = _day(self._today, value.days) if isinstance(value, Relative) else date.fromisoformat(str(value))
        if self._field.type is FieldType.DATE:
            return self._is(COMPARISONS[operator], first)
        next_day = _day(first, 1)
        match operator:
            case Operator.EQUAL:
                return self._between(first, next_day)
            case Operator.NOT_EQUAL:
                return f"{self._is('<', first)} OR {self._is('>=', next_day)}"
            case Operator.LESS | Operator.GREATER_OR_EQUAL:
                return self._is(COMPARISONS[operator], first)
            case _:
                return self._is("<" if operator is Operator.LESS_OR_EQUAL else ">=", next_day)

    def _between(self, first: date, end: date) -> str:
        return f"{self._is('>=', first)} AND {self._is('<', end)}"

    def _is(self, comparison: str, day: date) -> str:
        start = day.isoformat() if self._field.type is FieldType.DATE else f"{day.isoformat()}T00:00:00.000000Z"
        return f"{self._value()} {comparison} {self._start(start)}"

    def _value(self) -> str:
        if self._field.column:
            return f"client.{self._field.name}"
        return f'({attribute_text(self._field, self._add)}) COLLATE "C"'

    def _start(self, moment: str) -> str:
        return self._add(moment, "::timestamptz" if self._field.column else "")

    def _anniversary(self, node: Condition) -> str:
        match node.operator, node.value:
            case Operator.WITHIN, int(days):
                first, length = 0, days
            case Operator.WITHIN_LAST, int(days):
                first, length = -days, days
            case _, Relative(days):
                first, length = days, 0
            case _:
                raise AssertionError(node)
        if length >= DAYS_OF_ALL_YEARS:
            return f"client.attributes ? {self._add(self._field.name)}"
        days_of_year = sorted(anniversaries(_day(self._today, first), length))
        compared = "<> ALL" if node.operator is Operator.NOT_EQUAL else "= ANY"
        month_and_day = f"substr({attribute_text(self._field, self._add)}, {len('2026-') + 1})"
        return f"{month_and_day} {compared}({self._add(days_of_year, '::text[]')})"


def anniversaries(first: date, days: int) -> set[str]:
    """The days such as `02-28` from a day on: those on which what happened on them is celebrated.

    29 February is celebrated on 28 February in the other years.
    """
    found = set()
    for one in (_day(first, place) for place in range(days + 1)):
        found.add(f"{one:%m-%d}")
        if (one.month, one.day) == (2, 28) and _day(one, 1).month == 3:
            found.add("02-29")
    return found


def _is_anniversary(node: Condition) -> bool:
    if node.operator in (Operator.WITHIN, Operator.WITHIN_LAST):
        return True
    return isinstance(node.value, Relative) and node.operator in (Operator.EQUAL, Operator.NOT_EQUAL)


def _day(day: date, days: int) -> date:
    return day + timedelta(days=days)
