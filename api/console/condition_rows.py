"""Rows of a form as the syntax tree of a segment, and back.

A row is one condition: a field or an event, an operator, a value. Rows stand in groups. If all groups must hold, one
row of each group is enough; if one group is enough, all of its rows must hold. Trees of another shape have no rows, and
are edited as texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.domain.field_types import FieldType
from shared.domain.segments.errors import ConditionError
from shared.domain.segments.tree import And, Condition, Event, Field, Happened, Node, Not, Operator, Or, Relative, Value
from shared.domain.segments.typing import operators_of, typed_condition
from shared.domain.sentences import Sentence

ALL, ANY = "all", "any"
"""How groups are joined."""

NOT = "not "
"""Before an operator that is negated: `not in`. A missing value fulfils it."""

HAPPENED = "happened"
"""The operator of events."""

NEGATED = frozenset(
    {
        *(Operator.IN, Operator.CONTAINS, Operator.STARTS_WITH),
        *(Operator.EXISTS, Operator.WITHIN, Operator.WITHIN_LAST, Operator.IN_LIST),
    }
)
"""Operators that are offered negated, too."""

DAY_COUNTS = frozenset({Operator.WITHIN, Operator.WITHIN_LAST})
DATES = frozenset({FieldType.DATE, FieldType.DATETIME})

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:[.,][0-9]{1,40})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BETWEEN = re.compile(r"[,;\n]")


@dataclass(frozen=True, slots=True)
class Row:
    """A condition as it is typed."""

    field: str = ""
    """The name of a field or of an event; empty if none is chosen."""
    operator: str = ""
    value: str = ""
    """For an event the id of a mailing, or nothing."""
    days: str = ""
    """Days from today, instead of the value of a date; for an event, in how many last days."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen yet."""
        return not self.field


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a form, in groups."""

    joined: str = ALL
    groups: Sequence[Sequence[Row]] = field(default_factory=lambda: ((Row(),),))


class RowError(Exception):
    """What is wrong with rows, by their places: the group, and the row in it."""

    def __init__(self, faults: Mapping[tuple[int, int], Sentence]) -> None:
        super().__init__()
        self.faults = faults


class Choice(NamedTuple):
    """An operator that a row offers."""

    key: str
    kind: str
    """What its values are typed in: nothing, text, number, boolean, date, values, count, list, ledger."""


def choices_of(name: str, fields: Mapping[str, Field]) -> list[Choice]:
    """The operators that a row with this field or event offers; none for an unknown field."""
    if name in [*Event]:
        return [Choice(HAPPENED, "ledger"), Choice(NOT + HAPPENED, "ledger")]
    known = fields.get(name)
    if known is None:
        return []
    choices = []
    for operator in operators_of(known):
        kind = _kind(known, operator)
        choices.append(Choice(operator.value, kind))
        if operator in NEGATED or (operator is Operator.EQUAL and known.type is FieldType.BOOLEAN):
            choices.append(Choice(NOT + operator.value, kind))
    return choices


def choice_of(row: Row, fields: Mapping[str, Field]) -> Choice | None:
    """The operator of a row, or the first one of its field if it has none that is offered; None without a field."""
    choices = choices_of(row.field, fields)
    return next((one for one in choices if one.key == row.operator), choices[0] if choices else None)


def node_of(rows: Rows, fields: Mapping[str, Field]) -> Node | None:
    """The typed tree of rows, without those in which no field is chosen; None if there is no other.

    Raises RowError.
    """
    faults: dict[tuple[int, int], Sentence] = {}
    groups: list[list[Node]] = []
    for place, group in enumerate(rows.groups):
        groups.append([])
        for number, row in enumerate(group):
            if row.is_empty:
                continue
            try:
                groups[-1].append(_typed(row, fields))
            except ConditionError as error:
                faults[place, number] = error.fault
    if faults:
        raise RowError(faults)
    return _joined(rows.joined, groups)


def draft_of(rows: Rows, fields: Mapping[str, Field]) -> Node | None:
    """The tree of rows that may be half filled in: it may be wrong."""
    groups = [[_leaf(row, fields) for row in group if not row.is_empty] for group in rows.groups]
    return _joined(rows.joined, groups)


def rows_of(node: Node, fields: Mapping[str, Field]) -> Rows | None:
    """The rows of a tree; None for a tree that rows can't show."""
    joined = ANY if isinstance(node, Or) else ALL
    nodes = node.nodes if isinstance(node, And | Or) else (node,)
    inner = And if joined == ANY else Or
    groups = []
    for one in nodes:
        members = one.nodes if isinstance(one, inner) else (one,)
        group = [row for row in (_row(member, fields) for member in members) if row]
        if len(group) < len(members):
            return None
        groups.append(group)
    return Rows(joined, groups)


def _joined(joined: str, groups: Sequence[Sequence[Node]]) -> Node | None:
    outer, inner = (Or, And) if joined == ANY else (And, Or)
    nodes = tuple(group[0] if len(group) == 1 else inner(tuple(group)) for group in groups if group)
    return None if not nodes else nodes[0] if len(nodes) == 1 else outer(nodes)


def _kind(known: Field, operator: Operator) -> str:
    match operator:
        case Operator.EXISTS:
            return "nothing"
        case Operator.IN:
            return "values"
        case Operator.IN_LIST:
            return "list"
        case _ if operator in DAY_COUNTS:
            return "count"
    if known.type in DATES:
        return "date"
    return known.type.value if known.type in (FieldType.NUMBER, FieldType.BOOLEAN) else "text"


def _typed(row: Row, fields: Mapping[str, Field]) -> Node:
    condition, is_negated = _condition(row, fields)
    typed = typed_condition(condition, fields)
    return Not(typed) if is_negated else typed


def _leaf(row: Row, fields: Mapping[str, Field]) -> Node:
    condition, is_negated = _condition(row, fields)
    return Not(condition) if is_negated else condition


def _condition(row: Row, fields: Mapping[str, Field]) -> tuple[Condition | Happened, bool]:
    """The condition of a row, and whether it is negated."""
    choice = choice_of(row, fields)
    if choice is None:
        return Condition(row.field, Operator.EXISTS), False
    operator, is_negated = choice.key.removeprefix(NOT), choice.key.startswith(NOT)
    if operator == HAPPENED:
        mailing, days = (_whole(text) if text.strip() else None for text in (row.value, row.days))
        return Happened(Event(row.field), mailing, days), is_negated  # type: ignore[arg-type]  # checked with its type
    return Condition(row.field, Operator(operator), _operand(row, choice.kind, fields[row.field])), is_negated


def _operand(row: Row, kind: str, known: Field) -> Value | Relative | tuple[Value, ...] | None:
    match kind:
        case "nothing":
            return None
        case "values":
            return tuple(_value(one, known) for one in _BETWEEN.split(row.value) if one.strip())
        case "count" | "list":
            return _whole(row.value)
        case "date" if row.days.strip():
            days = _whole(row.days)
            return Relative(days) if isinstance(days, int) else days
        case _:
            return _value(row.value, known)


def _value(text: str, known: Field) -> Value:
    match known.type:
        case FieldType.NUMBER if _NUMBER.fullmatch(text.strip()):
            return float(text.strip().replace(",", "."))
        case FieldType.BOOLEAN if text in ("true", "false"):
            return text == "true"
        case _:
            return text.strip()


def _whole(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text.strip()) else text.strip()


def _row(node: Node, fields: Mapping[str, Field]) -> Row | None:
    """The row of a condition; None if there is none that gives this condition again."""
    negated = isinstance(node, Not)
    match node.node if isinstance(node, Not) else node:
        case Happened(event, mailing_id, days):
            row = Row(event.value, HAPPENED, *("" if one is None else str(one) for one in (mailing_id, days)))
        case Condition(name, operator, value):
            row = Row(name, operator.value, *_typed_in(value))
        case _:
            return None
    row = Row(row.field, NOT + row.operator, row.value, row.days) if negated else row
    choice = choice_of(row, fields)
    if choice is None or choice.key != row.operator:
        return None
    if choice.kind == "date" and not row.days and not _DAY.fullmatch(row.value):
        return None  # a date field of a browser shows no time of day
    return row if _leaf(row, fields) == node else None


def _typed_in(value: Value | Relative | tuple[Value, ...] | None) -> tuple[str, str]:
    """The fields of a row with this value: the value, and days."""
    match value:
        case None:
            return "", ""
        case Relative(days):
            return "", str(days)
        case tuple():
            return ", ".join(_typed_in(one)[0] for one in value), ""
        case bool():
            return str(value).lower(), ""
        case _:
            return str(value), ""
