"""Syntax trees of segments as JSON, as the database stores them and the API takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import And, Condition, Event, Happened, Node, Not, Operator, Or, Relative, Value
from shared.domain.segments.typing import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES
from shared.domain.sentences import ErrorCode

JSON = dict[str, Any]
Member = TypeVar("Member", Event, Operator)


def to_json(node: Node) -> JSON:
    """The JSON of a tree. Keys without a value are left out."""
    match node:
        case And(nodes):
            return {"and": [to_json(one) for one in nodes]}
        case Or(nodes):
            return {"or": [to_json(one) for one in nodes]}
        case Not(negated):
            return {"not": to_json(negated)}
        case Happened(event, mailing_id, days):
            known = {"mailing_id": mailing_id, "days": days}
            return {"event": event.value} | {key: value for key, value in known.items() if value is not None}
        case Condition(field, operator, value):
            given = {} if value is None else {"value": _operand_to_json(value)}
            return {"field": field, "operator": operator.value} | given


def from_json(value: object) -> Node:
    """The tree of a JSON value; its conditions are not checked against the fields (typing.py).

    Raises SegmentError with the path of what is wrong, whatever the value is.
    """
    return _node(value, "", 1)


def _node(value: object, path: str, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise SegmentError(ErrorCode.SEGMENT_TOO_DEEP(limit=MAX_DEPTH), path=path)
    match value:
        case {"and": nodes, **rest} if not rest:
            return And(_nodes(nodes, _inside(path, "and"), depth))
        case {"or": nodes, **rest} if not rest:
            return Or(_nodes(nodes, _inside(path, "or"), depth))
        case {"not": negated, **rest} if not rest:
            return Not(_node(negated, _inside(path, "not"), depth + 1))
        case {"event": event, **rest} if rest.keys() <= {"mailing_id", "days"}:
            ids = [_whole(rest, key, path) for key in ("mailing_id", "days")]
            return Happened(_member(Event, event, _inside(path, "event")), *ids)
        case {"field": field, "operator": operator, **rest} if rest.keys() <= {"value"}:
            # No field is called so, and an error could not repeat half of a surrogate pair.
            if not (isinstance(field, str) and field.isprintable()):
                raise SegmentError(ErrorCode.SEGMENT_NOT_A_FIELD(), path=_inside(path, "field"))
            known = _member(Operator, operator, _inside(path, "operator"))
            return Condition(field, known, _operand(rest.get("value"), _inside(path, "value")))
        case _:
            raise SegmentError(ErrorCode.SEGMENT_NOT_A_NODE(), path=path)


def _nodes(value: object, path: str, depth: int) -> tuple[Node, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise SegmentError(ErrorCode.SEGMENT_NOT_NODES(), path=path)
    if len(value) > MAX_CONDITIONS:
        raise SegmentError(ErrorCode.SEGMENT_TOO_MANY_CONDITIONS(limit=MAX_CONDITIONS), path=path)
    return tuple(_node(one, f"{path}[{place}]", depth + 1) for place, one in enumerate(value))


def _member(kind: type[Member], value: Any, path: str) -> Member:
    try:
        return kind(value)
    except ValueError:
        raise SegmentError(ErrorCode.NOT_ONE_OF(choices=", ".join(kind)), path=path) from None


def _whole(node: Mapping[Any, object], key: str, path: str) -> int | None:
    value = node.get(key)
    if value is not None and type(value) is not int:
        raise SegmentError(ErrorCode.SEGMENT_WHOLE_EXPECTED(), path=_inside(path, key))
    return value


def _operand(value: object, path: str) -> Value | Relative | tuple[Value, ...] | None:
    match value:
        case None:
            return None
        case {"today": int(days), **rest} if not rest and type(days) is int:
            return Relative(days)
        case list() as values if all(_is_value(one) for one in values):
            if len(values) > MAX_VALUES:
                raise SegmentError(ErrorCode.SEGMENT_TOO_MANY_VALUES(limit=MAX_VALUES), path=path)
            return tuple(values)
        case str() | int() | float():
            return value
        case _:
            raise SegmentError(ErrorCode.SEGMENT_NOT_A_VALUE(), path=path)


def _operand_to_json(value: Value | Relative | tuple[Value, ...]) -> object:
    match value:
        case Relative(days):
            return {"today": days}
        case tuple():
            return list(value)
        case _:
            return value


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float)


def _inside(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
