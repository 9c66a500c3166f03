"""Trees of segments as JSON, and their types."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import Condition, Node, Operator, Relative
from shared.domain.segments.tree_json import from_json, to_json
from shared.domain.segments.typing import MAX_CONDITIONS, MAX_DEPTH, typed
from shared.domain.sentences import ErrorCode
from shared.json_parameter import json_parameter
from tests.segments import FIELDS, random_tree

VIP = {"field": "vip", "operator": "=", "value": True}


def test_a_tree_is_read_from_its_own_json() -> None:
    chosen = random.Random(17)
    for _ in range(500):
        tree = random_tree(chosen)
        assert from_json(json.loads(json_parameter(to_json(tree)))) == tree
        assert typed(tree, FIELDS) == tree


def nested(depth: int) -> Any:
    tree: Any = VIP
    for _ in range(depth):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [
        (None, "", ErrorCode.SEGMENT_NOT_A_NODE),
        ([], "", ErrorCode.SEGMENT_NOT_A_NODE),
        ({}, "", ErrorCode.SEGMENT_NOT_A_NODE),
        ("vip", "", ErrorCode.SEGMENT_NOT_A_NODE),
        ({"and": [VIP, VIP], "or": [VIP, VIP]}, "", ErrorCode.SEGMENT_NOT_A_NODE),
        ({"and": {}}, "and", ErrorCode.SEGMENT_NOT_NODES),
        ({"and": [VIP]}, "and", ErrorCode.SEGMENT_NOT_NODES),
        ({"or": [VIP, {"and": [VIP, 7]}]}, "or[1].and[1]", ErrorCode.SEGMENT_NOT_A_NODE),
        ({"and": [VIP] * (MAX_CONDITIONS + 1)}, "and", ErrorCode.SEGMENT_TOO_MANY_CONDITIONS),
        (nested(10_000), ".".join(["not"] * MAX_DEPTH), ErrorCode.SEGMENT_TOO_DEEP),
        ({"event": []}, "event", ErrorCode.NOT_ONE_OF),
        ({"event": "received", "days": True}, "days", ErrorCode.SEGMENT_WHOLE_EXPECTED),
        ({"field": 7, "operator": "="}, "field", ErrorCode.SEGMENT_NOT_A_FIELD),
        ({"field": "\ud800", "operator": "="}, "field", ErrorCode.SEGMENT_NOT_A_FIELD),
        ({"field": "vip", "operator": {}}, "operator", ErrorCode.NOT_ONE_OF),
        (VIP | {"sql": "true"}, "", ErrorCode.SEGMENT_NOT_A_NODE),
        (VIP | {"value": {"today": "1"}}, "value", ErrorCode.SEGMENT_NOT_A_VALUE),
        (VIP | {"value": {"today": 1, "now": 2}}, "value", ErrorCode.SEGMENT_NOT_A_VALUE),
        (VIP | {"value": [[]]}, "value", ErrorCode.SEGMENT_NOT_A_VALUE),
        (VIP | {"value": [1] * 1001}, "value", ErrorCode.SEGMENT_TOO_MANY_VALUES),
    ],
)
def test_json_that_is_no_tree_is_refused_with_its_path(value: object, path: str, code: ErrorCode) -> None:
    with pytest.raises(SegmentError) as raised:
        from_json(value)
    assert (raised.value.path, raised.value.fault.code) == (path, code)


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [
        ({"not": VIP | {"field": "client; --"}}, "not.field", ErrorCode.SEGMENT_NO_SUCH_FIELD),
        (VIP | {"operator": "<"}, "operator", ErrorCode.SEGMENT_WRONG_OPERATOR),
        (VIP | {"value": 1}, "value", ErrorCode.SEGMENT_BOOLEAN_EXPECTED),
        (VIP | {"value": None}, "value", ErrorCode.SEGMENT_BOOLEAN_EXPECTED),
        (VIP | {"operator": "exists"}, "value", ErrorCode.SEGMENT_NO_VALUE_HERE),
        ({"field": "age", "operator": "=", "value": True}, "value", ErrorCode.SEGMENT_NUMBER_EXPECTED),
        ({"field": "age", "operator": "=", "value": float("inf")}, "value", ErrorCode.SEGMENT_NUMBER_EXPECTED),
        ({"field": "age", "operator": "=", "value": 10**400}, "value", ErrorCode.SEGMENT_NUMBER_TOO_LONG),
        ({"field": "age", "operator": "=", "value": 0.1 + 0.2}, "value", ErrorCode.SEGMENT_NUMBER_TOO_LONG),
        ({"field": "age", "operator": "in", "value": [1, "2"]}, "value[1]", ErrorCode.SEGMENT_NUMBER_EXPECTED),
        ({"field": "age", "operator": "in", "value": 1}, "value", ErrorCode.SEGMENT_VALUES_EXPECTED),
        ({"field": "age", "operator": "in", "value": []}, "value", ErrorCode.SEGMENT_VALUES_EXPECTED),
        ({"field": "city", "operator": "=", "value": "\0"}, "value", ErrorCode.NUL_CHARACTER),
        ({"field": "city", "operator": "=", "value": [1]}, "value", ErrorCode.SEGMENT_TEXT_EXPECTED),
        ({"field": "since", "operator": "within", "value": -1}, "value", ErrorCode.SEGMENT_NOT_WHOLE),
        ({"field": "phone_number", "operator": "in list", "value": "7"}, "value", ErrorCode.SEGMENT_NOT_WHOLE),
        ({"event": "received", "mailing_id": 10**400}, "mailing_id", ErrorCode.SEGMENT_NOT_WHOLE),
        ({"event": "received", "mailing_id": 1, "days": -1}, "days", ErrorCode.SEGMENT_NOT_WHOLE),
        ({"and": [{"or": [VIP] * 200}, VIP]}, "", ErrorCode.SEGMENT_TOO_MANY_CONDITIONS),
    ],
)
def test_a_tree_that_does_not_suit_the_fields_is_refused_with_its_path(
    value: object, path: str, code: ErrorCode
) -> None:
    with pytest.raises(SegmentError) as raised:
        typed(from_json(value), FIELDS)
    assert (raised.value.path, raised.value.fault.code) == (path, code)


@pytest.mark.parametrize(
    ("tree", "stored"),
    [
        (Condition("age", Operator.EQUAL, 18.0), Condition("age", Operator.EQUAL, 18)),
        (Condition("seen", Operator.LESS, Relative(-1)), Condition("seen", Operator.LESS, Relative(-1))),
        (
            Condition("seen", Operator.EQUAL, "2026-01-01T01:00:00.5+03:00"),
            Condition("seen", Operator.EQUAL, "2025-12-31T22:00:00.500000Z"),
        ),
        (
            Condition("phone_number", Operator.IN, ("+7 (916) 123-45-67", 79161234568)),
            Condition("phone_number", Operator.IN, ("79161234567", "79161234568")),
        ),
        # An accent that is a character of its own, as macOS writes it; blanks that no stored text has at its ends.
        (Condition("city", Operator.EQUAL, " \u0418\u0306ошкар\u00a0"), Condition("city", Operator.EQUAL, "Йошкар")),
        (Condition("city", Operator.IN, ("\u0418\u0306ошкар-Ола ",)), Condition("city", Operator.IN, ("Йошкар-Ола",))),
        (Condition("likes", Operator.CONTAINS, "ча\u0438\u0306 "), Condition("likes", Operator.CONTAINS, "чай")),
        (Condition("city", Operator.CONTAINS, " \u0418\u0306"), Condition("city", Operator.CONTAINS, " Й")),
        (Condition("city", Operator.STARTS_WITH, "\u0418\u0306"), Condition("city", Operator.STARTS_WITH, "Й")),
    ],
)
def test_values_get_the_form_in_which_attributes_are_stored(tree: Node, stored: Node) -> None:
    assert typed(tree, FIELDS) == stored
