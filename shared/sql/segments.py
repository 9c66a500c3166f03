"""Segments as SQL: the fields that clients have, and the condition that a syntax tree is.

A condition on a missing value does not hold, and its negation does. So conditions may be NULL, which counts as false
where it is not negated, and negations are `IS NOT TRUE`, which never is. Existence of rows is never NULL: its negation
is NOT EXISTS, which the planner can turn into one join for all clients.

Days are those of UTC: `today` is what READ_TODAY says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

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
    Value,
)
from shared.domain.segments.typing import MAX_DIGITS, typed
from shared.json_parameter import json_parameter
from shared.sql.segment_moments import COMPARISONS, attribute_text, moment_condition

# The declared fields of clients, with the attributes of Field (shared/domain/segments/tree.py).
READ_FIELDS = "SELECT name, type::text, repeats_yearly FROM client_field ORDER BY id"

# The day on which conditions are evaluated, by the database's clock.
READ_TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date AS today"


def condition(
    node: Node, fields: Mapping[str, Field], today: date, prefix: str = "segment"
) -> tuple[str, dict[str, Any]]:
    """The condition on the table `client`, in brackets, and its parameters, all of whose names begin with `prefix`.

    The SQL depends on the shape of the tree, and on the columns that it names: all else is in the parameters. Raises
    SegmentError if the tree does not suit the fields.
    """
    compiler = _Compiler(fields, today, prefix)
    return f"({compiler.sql(typed(node, fields))})", compiler.parameters


def negated_condition(
    node: Node, fields: Mapping[str, Field], today: date, prefix: str = "excluded"
) -> tuple[str, dict[str, Any]]:
    """The condition that a client is not in a segment, as `condition`. Raises SegmentError."""
    compiler = _Compiler(fields, today, prefix)
    return f"({compiler.sql(Not(typed(node, fields)))})", compiler.parameters


class _OfMailings(NamedTuple):
    """That an event happened in one of some mailings."""

    event: Event
    mailing_ids: tuple[int, ...]
    days: int | None


def _joined(nodes: Iterable[Node]) -> list[Node | _OfMailings]:
    """Alternatives, of which those that differ in the mailing only are one.

    Each EXISTS may become a join with all partitions of the ledger: to plan a hundred of them takes seconds.
    """
    joined: list[Node | _OfMailings] = []
    mailings: dict[tuple[Event, int | None], dict[int, None]] = {}
    for node in nodes:
        match node:
            case Happened(event, int(mailing_id), days):
                mailings.setdefault((event, days), {})[mailing_id] = None
            case _:
                joined.append(node)
    return joined + [_OfMailings(event, tuple(ids), days) for (event, days), ids in mailings.items()]


class _Compiler:
    """Compiles one typed tree, and collects its parameters."""

    def __init__(self, fields: Mapping[str, Field], today: date, prefix: str) -> None:
        self._fields, self._today, self._prefix = fields, today, prefix
        self.parameters: dict[str, Any] = {}

    def sql(self, node: Node | _OfMailings) -> str:
        match node:
            case And(nodes):
                negated = [one.node for one in nodes if isinstance(one, Not)]
                others = [self.sql(one) for one in nodes if not isinstance(one, Not)]
                return " AND ".join(f"({one})" for one in (*others, *map(self._negated, _joined(negated))))
            case Or(nodes):
                return " OR ".join(f"({self.sql(one)})" for one in _joined(nodes))
            case Not(negated):
                return self._negated(negated)
            case Happened(event, mailing_id, days):
                return self._happened(event, None if mailing_id is None else (mailing_id,), days)
            case _OfMailings(event, mailing_ids, days):
                return self._happened(event, mailing_ids, days)
            case Condition():
                return self._condition(node)

    def _negated(self, node: Node | _OfMailings) -> str:
        match node:
            case Happened() | _OfMailings() | Condition(_, Operator.IN_LIST):
                return f"NOT {self.sql(node)}"
            case Not(same):
                return self.sql(same)
            case Or(nodes):
                return " AND ".join(f"({self._negated(one)})" for one in _joined(nodes))
            case _:
                return f"({self.sql(node)}) IS NOT TRUE"

    def _parameter(self, value: object, cast: str = "") -> str:
        name = f"{self._prefix}_{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s{cast}"

    def _condition(self, node: Condition) -> str:
        field = self._fields[node.field]
        if field.name == "phone_number":
            return self._phone_number(node)
        if field.type is FieldType.LIST:
            return self._list(field, node)
        if node.operator is Operator.EXISTS:
            return self._exists(field)
        match field.type:
            case FieldType.DATE | FieldType.DATETIME:
                return moment_condition(field, node, self._today, self._parameter)
            case FieldType.TEXT:
                return self._text(field, node)
            case _:
                return self._number_or_boolean(field, node)

    def _exists(self, field: Field) -> str:
        if not field.column:
            return f"client.attributes ? {self._parameter(field.name)}"
        return "client.tag <> ''" if field.name == "tag" else f"client.{field.name} IS NOT NULL"

    def _list(self, field: Field, node: Condition) -> str:
        if field.name == "tags":
            if node.operator is Operator.EXISTS:
                return "client.tag <> '' OR client.tags <> '{}'"
            tag = self._parameter(node.value)
            return f"client.tag = {tag} OR (client.tags <> '{{}}' AND client.tags @> ARRAY[{tag}])"
        if node.operator is Operator.EXISTS:
            return self._exists(field)
        return self._has({field.name: [node.value]})

    def _has(self, attributes: dict[str, Any]) -> str:
        """That the attributes have these."""
        return f"client.attributes @> {self._parameter(json_parameter(attributes), '::jsonb')}"

    def _text(self, field: Field, node: Condition) -> str:
        if node.operator is Operator.EQUAL and not field.column:
            return self._has({field.name: node.value})
        value = f"client.{field.name}" if field.column else attribute_text(field, self._parameter)
        match node.operator:
            case Operator.IN:
                return f"{value} = ANY({self._parameter(_list_of(node.value), '::text[]')})"
            case Operator.NOT_EQUAL if field.name == "tag":
                return f"{value} <> {self._parameter(node.value)} AND {value} <> ''"
            case Operator.CONTAINS:
                return f"{value} ILIKE {self._parameter(_containing(str(node.value)))}"
            case Operator.STARTS_WITH:
                return f"starts_with({value}, {self._parameter(node.value)})"
            case _:
                return f"{value} {COMPARISONS[node.operator]} {self._parameter(node.value)}"

    def _number_or_boolean(self, field: Field, node: Condition) -> str:
        operator = node.operator
        if field.column:
            if operator is Operator.IN:
                return f"client.{field.name} = ANY({self._parameter(_list_of(node.value), '::numeric[]')})"
            return f"client.{field.name} {COMPARISONS[operator]} {self._parameter(node.value, '::numeric')}"
        if operator is Operator.EQUAL:
            return self._has({field.name: node.value})
        value = f"client.attributes -> {self._parameter(field.name)}"
        if operator is Operator.IN:
            values = [json_parameter(one) for one in _list_of(node.value)]
            return f"({value}) = ANY({self._parameter(values, '::jsonb[]')})"
        return f"({value}) {COMPARISONS[operator]} {self._parameter(json_parameter(node.value), '::jsonb')}"

    def _phone_number(self, node: Condition) -> str:
        number = "client.phone_number"
        match node.operator:
            case Operator.EXISTS:
                return "true"
            case Operator.IN:
                numbers = [int(str(one)) for one in _list_of(node.value)]
                return f"{number} = ANY({self._parameter(numbers, '::bigint[]')})"
            case Operator.IN_LIST:
                listed = "SELECT FROM number_list_entry AS entry WHERE entry.phone_number = client.phone_number"
                return f"EXISTS ({listed} AND entry.list_id = {self._parameter(node.value)})"
            case Operator.STARTS_WITH:
                return self._begins(str(node.value))
            case Operator.CONTAINS:
                return f"{number}::text LIKE {self._parameter(_containing(str(node.value)))}"
            case _:
                compared = self._parameter(int(str(node.value)), "::bigint")
                return f"{number} {COMPARISONS[node.operator]} {compared}"

    def _begins(self, digits: str) -> str:
        """That a number begins with these digits: it is in a range, for each count of digits."""
        if digits.startswith("0"):
            return "false"
        ranges = []
        for rest in range(MAX_DIGITS - len(digits) + 1):
            low, high = int(digits) * 10**rest, (int(digits) + 1) * 10**rest - 1
            bounds = f"{self._parameter(low, '::bigint')} AND {self._parameter(high, '::bigint')}"
            ranges.append(f"client.phone_number BETWEEN {bounds}")
        return " OR ".join(ranges)

    def _happened(self, event: Event, mailing_ids: tuple[int, ...] | None, days: int | None) -> str:
        since = None if days is None else f"{(self._today - timedelta(days)).isoformat()}T00:00:00Z"
        if event is Event.REPLIED:
            found = "FROM inbound_message AS reply"
            conditions = ["reply.client_id = client.id"]
            if mailing_ids is not None:
                found += " JOIN message AS answered ON answered.id = reply.message_id"
                conditions.append(f"answered.mailing_id = {self._one_of(mailing_ids)}")
            moment = "reply.received_at"
        else:
            found = "FROM message AS written"
            conditions = ["written.client_id = client.id", _STATES[event]]
            if mailing_ids is not None:
                conditions.append(f"written.mailing_id = {self._one_of(mailing_ids)}")
            moment = "written.sent_at" if event is Event.RECEIVED else "written.delivery_at"
        if since is not None:
            conditions.append(f"{moment} >= {self._parameter(since, '::timestamptz')}")
        return f"EXISTS (SELECT {found} WHERE {' AND '.join(conditions)})"

    def _one_of(self, ids: tuple[int, ...]) -> str:
        return self._parameter(ids[0]) if len(ids) == 1 else f"ANY({self._parameter(list(ids), '::bigint[]')})"


_STATES = {
    Event.RECEIVED: "written.status = 'sent'",
    Event.DELIVERED: "written.delivery = 'delivered'",
    Event.UNDELIVERED: "written.delivery = 'undelivered'",
}


def _list_of(value: Value | Relative | tuple[Value, ...] | None) -> list[Value]:
    return list(value) if isinstance(value, tuple) else []


def _containing(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
