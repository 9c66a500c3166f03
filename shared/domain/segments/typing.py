"""The types of a segment: its conditions suit the fields that there are, and their values have the stored form.

The form of values is that of FieldType, with one addition: a field of the type datetime is also compared with a date,
which means the whole day in UTC.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches

from shared.domain.attribute_values import normal_text
from shared.domain.field_types import FieldType
from shared.domain.segments.errors import ConditionError, Part, SegmentError
from shared.domain.segments.tree import (
    OPERATORS,
    And,
    Condition,
    Field,
    Happened,
    Node,
    Not,
    Operator,
    Or,
    Relative,
    Value,
)
from shared.domain.sentences import ErrorCode, Sentence
from shared.domain.tag_normalization import normal

MAX_DEPTH = 30
"""Levels of a tree: and, or, not, and the conditions in them."""
MAX_CONDITIONS = 200
MAX_VALUES = 1000
"""Of one `in`."""
MAX_TEXT = 500
"""Characters of a value."""
MAX_DAYS = 36_600
"""A hundred years."""
MAX_DIGITS = 15
"""Significant digits of a number, all of which a float keeps."""
MAX_ID = 2**63 - 1
FIRST_YEAR, LAST_YEAR = 1, 9998
"""One day more is a date, too."""

COLUMN_OPERATORS = {
    "phone_number": (
        Operator.EQUAL,
        Operator.NOT_EQUAL,
        Operator.IN,
        Operator.STARTS_WITH,
        Operator.CONTAINS,
        Operator.EXISTS,
        Operator.IN_LIST,
    ),
}
"""The operators of columns that have others than their type."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII
)
_NOT_DIGITS = re.compile(r"[\s()+-]")


def typed(node: Node, fields: Mapping[str, Field], path: str = "") -> Node:
    """The tree with all values in the stored form. Raises SegmentError with the path of the node."""
    check_size(node)
    return _typed(node, fields, path)


def _typed(node: Node, fields: Mapping[str, Field], path: str) -> Node:
    match node:
        case And(nodes):
            return And(tuple(_typed(one, fields, f"{path}.and[{place}]") for place, one in enumerate(nodes)))
        case Or(nodes):
            return Or(tuple(_typed(one, fields, f"{path}.or[{place}]") for place, one in enumerate(nodes)))
        case Not(negated):
            return Not(_typed(negated, fields, f"{path}.not"))
        case _:
            try:
                return typed_condition(node, fields)
            except ConditionError as error:
                where = f"{path}.{error.part}" + (f"[{error.place}]" if error.place else "")
                raise SegmentError(error.fault, path=where.removeprefix(".")) from error


def check_size(node: Node) -> None:
    """Raises SegmentError for a tree that is too deep or has too many conditions."""
    level, depth, conditions = [node], 0, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise SegmentError(ErrorCode.SEGMENT_TOO_DEEP(limit=MAX_DEPTH))
        below: list[Node] = []
        for one in level:
            match one:
                case And(nodes) | Or(nodes):
                    below += nodes
                case Not(negated):
                    below.append(negated)
                case _:
                    conditions += 1
        if conditions > MAX_CONDITIONS:
            raise SegmentError(ErrorCode.SEGMENT_TOO_MANY_CONDITIONS(limit=MAX_CONDITIONS))
        level = below


def typed_condition(node: Condition | Happened, fields: Mapping[str, Field]) -> Condition | Happened:
    """The condition with its values in the stored form. Raises ConditionError."""
    if isinstance(node, Happened):
        if node.mailing_id is not None:
            _check_whole(node.mailing_id, 1, MAX_ID, "mailing_id")
        if node.days is not None:
            _check_whole(node.days, 0, MAX_DAYS, "days")
        return node
    field = fields.get(node.field)
    if field is None:
        raise ConditionError("field", unknown_field(node.field, fields))
    operators = operators_of(field)
    if node.operator not in operators:
        raise ConditionError("operator", _wrong_operator(field, node.operator, operators))
    return Condition(field.name, node.operator, _typed_operand(field, node.operator, node.value))


def operators_of(field: Field) -> tuple[Operator, ...]:
    """The operators that conditions on the field may have."""
    return COLUMN_OPERATORS.get(field.name, OPERATORS[field.type]) if field.column else OPERATORS[field.type]


def unknown_field(name: str, fields: Mapping[str, Field]) -> Sentence:
    """What is said of a name that no field has: the closest one, or all."""
    shown = name if len(name) <= 40 else f"{name[:40]}…"
    if closest := get_close_matches(name[:40].lower(), fields, n=1):
        return ErrorCode.SEGMENT_FIELD_LIKE(name=shown, closest=closest[0])
    return ErrorCode.SEGMENT_NO_SUCH_FIELD(name=shown, choices=", ".join(fields))


def _wrong_operator(field: Field, operator: Operator, operators: tuple[Operator, ...]) -> Sentence:
    choices = ", ".join(operators)
    return ErrorCode.SEGMENT_WRONG_OPERATOR(field=field.name, type=field.type, operator=operator, choices=choices)


def _typed_operand(
    field: Field, operator: Operator, value: Value | Relative | tuple[Value, ...] | None
) -> Value | Relative | tuple[Value, ...] | None:
    match operator:
        case Operator.EXISTS:
            if value is not None:
                raise ConditionError("value", ErrorCode.SEGMENT_NO_VALUE_HERE())
            return None
        case Operator.IN:
            return _typed_values(field, value)
        case Operator.WITHIN | Operator.WITHIN_LAST:
            return _check_whole(value, 0, MAX_DAYS)
        case Operator.IN_LIST:
            return _check_whole(value, 1, MAX_ID)
    if isinstance(value, Relative):
        if field.type not in (FieldType.DATE, FieldType.DATETIME):
            raise ConditionError("value", _wrong_type(field))
        _check_whole(value.days, -MAX_DAYS, MAX_DAYS)
        return value
    if operator is Operator.STARTS_WITH and field.name == "phone_number":
        return _digits(value)
    typed_value = _typed_value(field, value)
    return _whole_text(field, typed_value) if operator in (Operator.EQUAL, Operator.NOT_EQUAL) else typed_value


def _typed_values(field: Field, values: Value | Relative | tuple[Value, ...] | None) -> tuple[Value, ...]:
    if not isinstance(values, tuple) or not values:
        raise ConditionError("value", ErrorCode.SEGMENT_VALUES_EXPECTED())
    if len(values) > MAX_VALUES:
        raise ConditionError("value", ErrorCode.SEGMENT_TOO_MANY_VALUES(limit=MAX_VALUES))
    typed_values = []
    for place, value in enumerate(values):
        try:
            typed_values.append(_whole_text(field, _typed_value(field, value)))
        except ConditionError as error:
            raise ConditionError("value", error.fault, place) from error
    return tuple(typed_values)


def _typed_value(field: Field, value: object) -> Value:
    if isinstance(value, Relative) and field.type in (FieldType.DATE, FieldType.DATETIME):
        raise ConditionError("value", ErrorCode.SEGMENT_RELATIVE_IN_LIST())
    return _TYPED[field.type](field, value)


def _text(field: Field, value: object) -> Value:
    # Digits without quotes, as in `operator_code in (916, 926)`, are the text of these digits.
    text = str(value) if type(value) is int and value >= 0 else value
    if not isinstance(text, str):
        raise ConditionError("value", _wrong_type(field))
    _check_storable(text)
    if not field.column:
        # In the form of stored values (attribute_values.py). A part of a text may begin or end with a blank.
        text = normal_text(text) if field.type is FieldType.LIST else unicodedata.normalize("NFC", text)
    elif field.name in ("tag", "tags"):
        text = normal(text)
    elif field.name == "phone_number":
        text = _digits(text)
    if not text:
        raise ConditionError("value", ErrorCode.SEGMENT_EMPTY_TEXT())
    if len(text) > MAX_TEXT:
        raise ConditionError("value", ErrorCode.SEGMENT_TEXT_TOO_LONG(limit=MAX_TEXT))
    return text


def _whole_text(field: Field, value: Value) -> Value:
    """A value that is compared with whole values, without the white space at its ends that those do not have."""
    if field.column or not isinstance(value, str) or field.type is not FieldType.TEXT:
        return value
    return _text(field, normal_text(value))


def _digits(value: object) -> str:
    """The digits of a phone number or of a part of it, which may be written with `+`, blanks, brackets and dashes."""
    digits = _NOT_DIGITS.sub("", str(value)) if type(value) in (str, int) else ""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MAX_DIGITS):
        raise ConditionError("value", ErrorCode.SEGMENT_NOT_DIGITS())
    return digits


def _check_storable(text: str) -> None:
    if "\0" in text:
        raise ConditionError("value", ErrorCode.NUL_CHARACTER())
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ConditionError("value", ErrorCode.HALF_A_SURROGATE_PAIR())


def _number(field: Field, value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConditionError("value", _wrong_type(field))
    if isinstance(value, float) and not math.isfinite(value):
        raise ConditionError("value", _wrong_type(field))
    if abs(value) >= 10**MAX_DIGITS or (isinstance(value, float) and float(f"{value:.{MAX_DIGITS}g}") != value):
        raise ConditionError("value", ErrorCode.SEGMENT_NUMBER_TOO_LONG(limit=MAX_DIGITS))
    return int(value) if value == int(value) else value


def _boolean(field: Field, value: object) -> Value:
    if not isinstance(value, bool):
        raise ConditionError("value", _wrong_type(field))
    return value


def _date(field: Field, value: object) -> Value:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            if FIRST_YEAR <= date.fromisoformat(value).year <= LAST_YEAR:
                return value
        except ValueError:
            pass
        raise ConditionError("value", ErrorCode.NO_SUCH_DATE())
    raise ConditionError("value", _wrong_type(field))


def _datetime(field: Field, value: object) -> Value:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return _date(field, value)
    parts = _DATETIME.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise ConditionError("value", _wrong_type(field))
    day, minutes, seconds, fraction, offset = parts.groups()
    iso = f"{day}T{minutes}{seconds or ':00'}.{(fraction or '0').ljust(6, '0')}"
    try:
        moment = datetime.fromisoformat(iso + ("+00:00" if offset in "Zz" else offset)).astimezone(UTC)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        pass
    raise ConditionError("value", ErrorCode.NO_SUCH_DATE())


def _wrong_type(field: Field) -> Sentence:
    return _EXPECTED[field.type](field=field.name)


def _check_whole(value: object, minimum: int, maximum: int, part: Part = "value") -> int:
    if type(value) is not int or not minimum <= value <= maximum:
        raise ConditionError(part, ErrorCode.SEGMENT_NOT_WHOLE(minimum=minimum, maximum=maximum))
    return value


_TYPED: Mapping[FieldType, Callable[[Field, object], Value]] = {
    FieldType.TEXT: _text,
    FieldType.LIST: _text,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
}
_EXPECTED = {
    FieldType.TEXT: ErrorCode.SEGMENT_TEXT_EXPECTED,
    FieldType.LIST: ErrorCode.SEGMENT_TEXT_EXPECTED,
    FieldType.NUMBER: ErrorCode.SEGMENT_NUMBER_EXPECTED,
    FieldType.BOOLEAN: ErrorCode.SEGMENT_BOOLEAN_EXPECTED,
    FieldType.DATE: ErrorCode.SEGMENT_DATE_EXPECTED,
    FieldType.DATETIME: ErrorCode.SEGMENT_DATETIME_EXPECTED,
}
