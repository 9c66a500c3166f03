"""Compiles the outputs of a template: a field or a literal, and filters, typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter, FilteredExpression
from liquid.builtin.expressions.path import Path
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, StringLiteral
from liquid.expression import Expression

from shared.domain.field_types import FieldType
from shared.domain.sentences import ErrorCode
from shared.domain.templates import rendering, values

if TYPE_CHECKING:
    from shared.domain.templates.compiler import Compiler

MAX_TRUNCATED = 1600
"""The greatest length of `truncate`: that of a text."""


class _Source(NamedTuple):
    """What filters are applied to."""

    text: rendering.Optional
    unformatted: FieldType | None = None
    """The type of a value that is not a text before a filter makes it one: a date or a boolean."""
    field: str = ""
    """The field that is missing if the text is; none for a literal."""


def compile_output(compiler: Compiler, expression: FilteredExpression) -> rendering.Node:
    """The node of `{{ … }}`. Raises TemplateError."""
    left, filters = expression.left, expression.filters or []
    if isinstance(left, StringLiteral) and not filters:
        return left.value
    source = _source(compiler, left)
    for one in filters:
        source = _filtered(compiler, source, one)
    if source.unformatted is not None:
        raise compiler.error(_NEEDED[source.unformatted], left.token)
    if not source.field and rendering.is_missing(source.text(())):
        raise compiler.error(ErrorCode.TEMPLATE_OUTPUT, left.token)  # it would be missing for every client
    return rendering.output(source.text, source.field)


_NEEDED = {
    FieldType.BOOLEAN: ErrorCode.TEMPLATE_NEEDS_IF,
    FieldType.DATE: ErrorCode.TEMPLATE_NEEDS_DATE,
    FieldType.DATETIME: ErrorCode.TEMPLATE_NEEDS_DATE,
}


def _source(compiler: Compiler, expression: Expression) -> _Source:
    match expression:
        case Path():
            position, kind = compiler.field(expression)
            shown = values.SHOWN.get(kind)
            unformatted = None if shown else kind
            return _Source(rendering.field_text(position, shown or str), unformatted, compiler.names[position])
        case StringLiteral():
            literal = expression.value
        case IntegerLiteral() | FloatLiteral():
            literal = expression.token.value
        case _:
            raise compiler.error(ErrorCode.TEMPLATE_OUTPUT, expression.token)
    return _Source(lambda _: literal)


def _filtered(compiler: Compiler, source: _Source, one: Filter) -> _Source:
    match one.name:
        case "date":
            return _Source(rendering.changed(source.text, _date(compiler, source, one)), field=source.field)
        case "default":
            return _default(compiler, source, one)
        case "truncate":
            change = _truncate(compiler, one)
        case name if name in values.TEXT_FILTERS:
            change = values.TEXT_FILTERS[name]
            if one.args:
                raise compiler.error(ErrorCode.TEMPLATE_ARGUMENTS, one.token, name=name)
        case name:
            raise compiler.error(ErrorCode.TEMPLATE_FILTER, one.token, name=name, choices=", ".join(values.FILTERS))
    if source.unformatted is not None:
        raise compiler.error(_NEEDED[source.unformatted], one.token)
    return _Source(rendering.changed(source.text, change), field=source.field)


def _arguments(compiler: Compiler, one: Filter, *counts: int) -> list[Expression]:
    """The arguments of a filter, as many as it may have. Raises TemplateError."""
    if len(one.args) not in counts or any(isinstance(given, KeywordArgument) for given in one.args):
        raise compiler.error(ErrorCode.TEMPLATE_ARGUMENTS, one.token, name=one.name)
    return [given.value for given in one.args]


def _date(compiler: Compiler, source: _Source, one: Filter) -> values.Shown:
    (form,) = _arguments(compiler, one, 1)
    if source.unformatted not in (FieldType.DATE, FieldType.DATETIME):
        raise compiler.error(ErrorCode.TEMPLATE_NO_DATE, one.token)
    if not isinstance(form, StringLiteral):
        raise compiler.error(ErrorCode.TEMPLATE_ARGUMENTS, one.token, name=one.name)
    try:
        return values.date_format(form.value, with_time=source.unformatted is FieldType.DATETIME)
    except ValueError as fault:
        raise compiler.error(
            ErrorCode.TEMPLATE_DATE_FORMAT, form.token, part=str(fault), choices=values.DATE_PARTS
        ) from None


def _default(compiler: Compiler, source: _Source, one: Filter) -> _Source:
    (other,) = _arguments(compiler, one, 1)
    if source.unformatted is not None:
        raise compiler.error(_NEEDED[source.unformatted], one.token)
    replacement = _source(compiler, other)
    if replacement.unformatted is not None:
        raise compiler.error(_NEEDED[replacement.unformatted], other.token)
    return _Source(rendering.with_default(source.text, replacement.text), field=source.field or replacement.field)


def _truncate(compiler: Compiler, one: Filter) -> values.Shown:
    length, *end = _arguments(compiler, one, 1, 2)
    if (
        not isinstance(length, IntegerLiteral)
        or not 1 <= length.value <= MAX_TRUNCATED
        or not all(isinstance(given, StringLiteral) for given in end)
    ):
        raise compiler.error(ErrorCode.TEMPLATE_ARGUMENTS, one.token, name=one.name)
    return values.truncate(length.value, end[0].value if end else "…")  # type: ignore[attr-defined]
