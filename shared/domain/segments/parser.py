"""The language of segments: a text becomes a typed syntax tree (docs/segments.md). Only the API reads texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, NamedTuple

from lark.exceptions import UnexpectedInput

from shared.domain.field_types import FieldType
from shared.domain.segments.errors import ConditionError, SegmentError
from shared.domain.segments.grammar import Draft, Leaf, Written, parser
from shared.domain.segments.syntax_errors import syntax_error
from shared.domain.segments.tree import Condition, Event, Field, Happened, Node, Not, Operator, Relative, Value
from shared.domain.segments.typing import MAX_DIGITS, typed_condition, unknown_field
from shared.domain.segments.writer import to_text
from shared.domain.sentences import ErrorCode

__all__ = ["MAX_LENGTH", "Parsed", "Reference", "parse", "read", "to_text"]

MAX_LENGTH = 4000
"""Characters of a text."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPED = re.compile(r"\\([\\\"'])")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DIGITS = re.compile(r"[0-9]+")
_NOT_WHOLE = 0.5
"""Stands for a number that is not whole, where only whole ones are accepted."""


class Reference(NamedTuple):
    """A mailing or a list of numbers that a text names."""

    kind: Literal["mailing", "list"]
    id: int
    column: int


class Parsed(NamedTuple):
    """What a text is."""

    node: Node
    references: list[Reference]


def parse(text: str, fields: Mapping[str, Field]) -> Node:
    """The syntax tree of a text, with values in their stored form. Raises SegmentError with the column."""
    return read(text, fields).node


def read(text: str, fields: Mapping[str, Field]) -> Parsed:
    """The same, with what the text refers to, for a caller who knows what there is."""
    _check(text)
    # As names of fields and values are stored; columns count a letter with its accent once.
    text = unicodedata.normalize("NFC", text)
    try:
        draft: Draft = parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise syntax_error(text, error) from None
    references: list[Reference] = []
    return Parsed(_node(draft, fields, references), references)


def _check(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise SegmentError(ErrorCode.SEGMENT_TOO_LONG(limit=MAX_LENGTH), column=MAX_LENGTH + 1)
    if wrong := _UNSTORABLE.search(text):
        code = ErrorCode.NUL_CHARACTER if wrong[0] == "\0" else ErrorCode.HALF_A_SURROGATE_PAIR
        raise SegmentError(code(), column=wrong.start() + 1)
    if not text.strip():
        raise SegmentError(ErrorCode.SEGMENT_EMPTY(), column=1)


def _node(draft: Draft, fields: Mapping[str, Field], references: list[Reference]) -> Node:
    if isinstance(draft, Leaf):
        try:
            node = _happened(draft) if isinstance(draft.operator, Event) else _condition(draft, draft.operator, fields)
            leaf = typed_condition(node, fields)
        except ConditionError as error:
            raise SegmentError(error.fault, column=_start(draft, error) + 1) from None
        references += _references(draft, leaf)
        return Not(leaf) if draft.is_negated else leaf
    nodes = tuple(_node(one, fields, references) for one in draft.nodes)
    return Not(nodes[0]) if draft.kind is Not else draft.kind(nodes)  # type: ignore[arg-type]


def _condition(leaf: Leaf, operator: Operator, fields: Mapping[str, Field]) -> Condition:
    name = leaf.name.lower()
    field = fields.get(name)
    if field is None:
        raise ConditionError("field", unknown_field(str(leaf.name), fields))
    if leaf.operator_start == leaf.start and field.type is not FieldType.BOOLEAN:
        raise ConditionError("field", ErrorCode.SEGMENT_NOT_A_BOOLEAN(field=name, type=field.type))
    values = tuple(_value(written, place, field, operator) for place, written in enumerate(leaf.values))
    if operator is Operator.IN:
        return Condition(name, operator, values)  # type: ignore[arg-type]  # relative days are refused by their type
    return Condition(name, operator, values[0] if values else None)


def _happened(leaf: Leaf) -> Happened:
    mailing_id = None if leaf.mailing is None else _whole(leaf.mailing)
    days = None if leaf.days is None else _whole(leaf.days)
    return Happened(Event(leaf.operator), mailing_id, days)  # type: ignore[arg-type]


def _references(draft: Leaf, leaf: Condition | Happened) -> list[Reference]:
    match leaf:
        case Happened(_, int(mailing_id)) if draft.mailing is not None:
            return [Reference("mailing", mailing_id, (draft.mailing.start_pos or 0) + 1)]
        case Condition(_, Operator.IN_LIST, int(list_id)):
            return [Reference("list", list_id, draft.values[0].start + 1)]
        case _:
            return []


def _start(leaf: Leaf, error: ConditionError) -> int:
    match error.part:
        case "operator":
            return leaf.operator_start
        case "value" if leaf.values:
            return leaf.values[error.place].start
        case "mailing_id" if leaf.mailing is not None:
            return leaf.mailing.start_pos or 0
        case "days" if leaf.days is not None:
            return leaf.days.start_pos or 0
        case _:
            return leaf.start


def _value(written: Written, place: int, field: Field, operator: Operator) -> Value | Relative:
    match written.kind:
        case "string":
            return _unquoted(written.text)
        case "boolean":
            return written.text.lower() == "true"
        case "days":
            days = _whole(written.text)
            if not isinstance(days, int):
                raise ConditionError("value", ErrorCode.SEGMENT_WHOLE_EXPECTED(), place)
            return Relative(days)
    if operator in (Operator.WITHIN, Operator.WITHIN_LAST, Operator.IN_LIST):
        return _whole(written.text)
    if field.type in (FieldType.TEXT, FieldType.LIST) and _DIGITS.fullmatch(written.text):
        return written.text
    if len(written.text.replace(".", "").lstrip("-0")) > MAX_DIGITS:
        raise ConditionError("value", ErrorCode.SEGMENT_NUMBER_TOO_LONG(limit=MAX_DIGITS), place)
    return float(written.text)


def _whole(text: str) -> int | float:
    return int(text) if _WHOLE.fullmatch(text) else _NOT_WHOLE


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return _ESCAPED.sub(r"\1", inner) if text[0] in "\"'" else inner
