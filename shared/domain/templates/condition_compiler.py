"""Compiles the conditions of `if`, `elsif` and `unless`, typed, to functions of the values.

A comparison with a missing value does not hold, as in segments; neither does `!=`. `and` binds more tightly than `or`,
as in segments, too; Liquid itself has no precedence, and reads from the right.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.path import Path
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    FloatLiteral,
    IntegerLiteral,
    Literal,
    Nil,
    StringLiteral,
    TrueLiteral,
)
from liquid.expression import Expression

from shared.domain.field_types import FieldType
from shared.domain.sentences import ErrorCode
from shared.domain.templates.rendering import Test, Values, is_missing
from shared.domain.templates.values import list_of

if TYPE_CHECKING:
    from shared.domain.templates.compiler import Compiler

_Compared = Callable[[Any, Any], bool]


class _Comparison(NamedTuple):
    sign: str
    compared: _Compared
    mirrored: _Compared
    """The same with its sides exchanged."""


_COMPARISONS: dict[type[Expression], _Comparison] = {
    EqExpression: _Comparison("==", operator.eq, operator.eq),
    NeExpression: _Comparison("!=", operator.ne, operator.ne),
    LtExpression: _Comparison("<", operator.lt, operator.gt),
    LeExpression: _Comparison("<=", operator.le, operator.ge),
    GtExpression: _Comparison(">", operator.gt, operator.lt),
    GeExpression: _Comparison(">=", operator.ge, operator.le),
}
_EQUALITY = ("==", "!=")
_ORDERED = (FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME)

_COMPARED_FORM: dict[FieldType, Callable[[str], object]] = {FieldType.NUMBER: Decimal}
"""What compares, of the stored form of a value. Values of the other types compare as they are stored."""


def compile_condition(compiler: Compiler, expression: Expression) -> Test:
    """The test that an expression is. Raises TemplateError."""
    alternatives: list[list[Test]] = [[]]
    # Without parentheses, Liquid parses a chain of `and` and `or` as one that leans to the right.
    while isinstance(expression, (LogicalAndExpression, LogicalOrExpression)):
        alternatives[-1].append(_single(compiler, expression.left))
        if isinstance(expression, LogicalOrExpression):
            alternatives.append([])
        expression = expression.right
    alternatives[-1].append(_single(compiler, expression))
    return _any([_all(tests) for tests in alternatives])


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda values: all(test(values) for test in tests)


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda values: any(test(values) for test in tests)


def _single(compiler: Compiler, expression: Expression) -> Test:
    match expression:
        case Path():
            return _holds(*compiler.field(expression))
        case ContainsExpression():
            return _contains(compiler, expression.left, expression.right, expression)
        case (
            EqExpression() | NeExpression() | LtExpression() | LeExpression() | GtExpression() | GeExpression()
        ) as given:
            sign, compared, mirrored = _COMPARISONS[type(given)]
            if isinstance(given.left, Path):
                return _comparison(compiler, given.left, sign, compared, given.right)
            # `18 < age` is `age > 18`: the field decides the type.
            if isinstance(given.right, Path):
                return _comparison(compiler, given.right, sign, mirrored, given.left)
    raise compiler.error(ErrorCode.TEMPLATE_CONDITION, expression.token)


def _holds(position: int, kind: FieldType) -> Test:
    """A field alone: a boolean that is true, or any other value that is there."""
    if kind is FieldType.BOOLEAN:
        return lambda values: values[position] == "true"
    return _is_there(position, kind)


def _is_there(position: int, kind: FieldType) -> Test:
    if kind is FieldType.LIST:
        return lambda values: bool(list_of(values[position] or "[]"))
    return lambda values: not is_missing(values[position])


def _contains(compiler: Compiler, left: Expression, part: Expression, whole: Expression) -> Test:
    if not isinstance(left, Path) or not isinstance(part, StringLiteral):
        raise compiler.error(ErrorCode.TEMPLATE_CONDITION, whole.token)
    position, kind = compiler.field(left)
    text = part.value
    if kind is FieldType.LIST:
        return lambda values: text in list_of(values[position] or "[]")
    if kind is not FieldType.TEXT:
        raise compiler.error(ErrorCode.TEMPLATE_OPERATOR, left.token, type=kind.value, operator="contains")
    return lambda values: text in (values[position] or "")


def _comparison(compiler: Compiler, left: Path, sign: str, compared: _Compared, right: Expression) -> Test:
    position, kind = compiler.field(left)
    if not isinstance(right, (Path, Literal, Nil, Empty, Blank)):
        raise compiler.error(ErrorCode.TEMPLATE_CONDITION, right.token)
    if isinstance(right, (Nil, Empty, Blank)) and sign in _EQUALITY:
        is_there = _is_there(position, kind)
        return is_there if sign == "!=" else lambda values: not is_there(values)
    if kind is FieldType.LIST or not (sign in _EQUALITY or kind in _ORDERED):
        raise compiler.error(ErrorCode.TEMPLATE_OPERATOR, left.token, type=kind.value, operator=sign)
    form = _COMPARED_FORM.get(kind, str)
    if isinstance(right, Path):
        return _two_fields(compiler, (position, kind), compared, right)
    literal = _literal(compiler, right, kind)

    def test(values: Values) -> bool:
        value = values[position]
        return value is not None and compared(form(value), literal)

    return test


def _two_fields(compiler: Compiler, left: tuple[int, FieldType], compared: _Compared, right: Path) -> Test:
    (first, kind), (second, other) = left, compiler.field(right)
    if kind is not other:
        raise compiler.error(ErrorCode.TEMPLATE_LITERAL, right.token, type=kind.value)
    form = _COMPARED_FORM.get(kind, str)

    def test(values: Values) -> bool:
        one, two = values[first], values[second]
        return one is not None and two is not None and compared(form(one), form(two))

    return test


def _literal(compiler: Compiler, literal: Expression, kind: FieldType) -> object:
    """A literal in the form in which values of the type compare. Raises TemplateError for one of another type."""
    match literal, kind:
        case StringLiteral(), FieldType.TEXT:
            return literal.value
        case ((IntegerLiteral() | FloatLiteral()), FieldType.NUMBER):
            return Decimal(literal.token.value)
        case TrueLiteral(), FieldType.BOOLEAN:
            return "true"
        case FalseLiteral(), FieldType.BOOLEAN:
            return "false"
        case StringLiteral(), (FieldType.DATE | FieldType.DATETIME):
            if (stored := _stored_moment(literal.value, kind)) is not None:
                return stored
    raise compiler.error(ErrorCode.TEMPLATE_LITERAL, literal.token, type=kind.value)


def _stored_moment(value: str, kind: FieldType) -> str | None:
    """A date, or a date and time that is in UTC unless it says otherwise, in its stored form; None for neither."""
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if kind is FieldType.DATETIME:
            return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None
    return value if value == moment.date().isoformat() else None
