"""Rows of the console's form and syntax trees: each shows the other, or says that it can't."""

from __future__ import annotations

import pytest

from api.console.condition_rows import Row, RowError, Rows, choices_of, node_of, rows_of
from shared.domain.field_types import FieldType
from shared.domain.segments.parser import parse, to_text
from shared.domain.segments.tree import Field, known_fields

FIELDS = known_fields(
    [
        Field("city", FieldType.TEXT),
        Field("score", FieldType.NUMBER),
        Field("vip", FieldType.BOOLEAN),
        Field("birthday", FieldType.DATE, repeats_yearly=True),
        Field("seen", FieldType.DATETIME),
        Field("likes", FieldType.LIST),
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        'city = "Казань"',
        'city in ("a", "b") or score >= 7.5',
        'tags contains "vip" and (birthday within 7 days or birthday < today - 3 days) and vip',
        "(not vip and score in (1, 2)) or not received mailing 41 within last 3 days",
        "city does not exist and likes exists and not delivered and replied within last 1 day",
        'phone_number not in list 3 and operator_code in (916, 926) and not city starts with "K"',
        'seen >= "2026-01-02" and seen within last 30 days and created_at < "2026-03-01"',
    ],
)
def test_rows_give_the_tree_that_they_show(text: str) -> None:
    node = parse(text, FIELDS)
    rows = rows_of(node, FIELDS)
    assert rows is not None
    assert node_of(rows, FIELDS) == node


@pytest.mark.parametrize(
    "text",
    [
        'not (city = "a" or city = "b")',
        'city = "a" or (city = "b" and (city = "c" or vip))',
        'not city = "a"',
        'city in ("a, b", "c")',
        'seen > "2026-01-02T10:00:00Z"',
    ],
)
def test_a_tree_that_rows_would_change_has_none(text: str) -> None:
    assert rows_of(parse(text, FIELDS), FIELDS) is None


def test_rows_without_a_field_are_no_conditions() -> None:
    assert node_of(Rows(), FIELDS) is None
    rows = Rows("any", [[Row(), Row("vip", "=", "true")], [Row()], [Row("city", "exists")]])
    node = node_of(rows, FIELDS)
    assert node is not None
    assert to_text(node) == "vip or city exists"


def test_what_is_wrong_has_the_place_of_its_row() -> None:
    rows = Rows("all", [[Row("score", "=", "7,5"), Row("score", "=", "much")], [Row("nobody", "=", "x")]])
    with pytest.raises(RowError) as caught:
        node_of(rows, FIELDS)
    assert set(caught.value.faults) == {(0, 1), (1, 0)}


def test_operators_are_those_of_the_type() -> None:
    assert [one.key for one in choices_of("vip", FIELDS)] == ["=", "not =", "!=", "exists", "not exists"]
    assert [one.key for one in choices_of("likes", FIELDS)] == [
        *("contains", "not contains", "exists", "not exists"),
    ]
    assert [one.key for one in choices_of("replied", FIELDS)] == ["happened", "not happened"]
    assert choices_of("nobody", FIELDS) == []
