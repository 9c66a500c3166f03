"""Syntax trees of segments as texts."""

from __future__ import annotations

import re
from decimal import Decimal

from shared.domain.segments.tree import And, Condition, Happened, Node, Not, Operator, Or, Relative, Value

_PHONE_DIGITS = frozenset({"phone_number", "operator_code"})
_TO_ESCAPE = re.compile(r'["\\]')


def to_text(node: Node) -> str:
    """The text of a tree. If the tree is typed, parsing the text gives the same tree."""
    match node:
        case And(nodes):
            return " and ".join(_in_brackets(one) for one in nodes)
        case Or(nodes):
            # Brackets of `and` inside of `or` are not needed, but read better.
            return " or ".join(_in_brackets(one) for one in nodes)
        case Not(Condition(name, Operator.IN | Operator.IN_LIST as operator, value)):
            return f"{name} not {operator} {_operand(name, operator, value)}"
        case Not(Condition(name, Operator.EXISTS)):
            return f"{name} does not exist"
        case Not(negated):
            return f"not {_in_brackets(negated)}"
        case Happened(event, mailing_id, days):
            of = "" if mailing_id is None else f" mailing {mailing_id}"
            return f"{event}{of}" + ("" if days is None else f" within last {_days(days)}")
        case Condition(name, Operator.EQUAL, True):
            return name
        case Condition(name, Operator.EXISTS):
            return f"{name} exists"
        case Condition(name, operator, value):
            return f"{name} {operator} {_operand(name, operator, value)}"


def _in_brackets(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, And | Or) else text


def _operand(name: str, operator: Operator, value: Value | Relative | tuple[Value, ...] | None) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_value(name, one) for one in value)})"
    if isinstance(value, Relative):
        if value.days == 0:
            return "today"
        return f"today {'+' if value.days > 0 else '-'} {_days(abs(value.days))}"
    if operator in (Operator.WITHIN, Operator.WITHIN_LAST) and isinstance(value, int):
        return _days(value)
    return "" if value is None else _value(name, value)


def _days(days: int) -> str:
    return f"{days} day" if days == 1 else f"{days} days"


def _value(name: str, value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() if name in _PHONE_DIGITS and value.isascii() and value.isdecimal():
            return value
        case str():
            return f'"{_TO_ESCAPE.sub(lambda found: chr(92) + found[0], value)}"'
        case float():
            return format(Decimal(repr(value)), "f")
        case _:
            return str(value)
