"""What an answer's schema dumps is what marshmallow would dump."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import marshmallow as ma
import pytest

from api.http.fields import Ids, Instant, ObjectOrNull, PhoneNumber, PlainText
from api.http.schemas import ResponseSchema


class Colour(Enum):
    RED = "red"


class Inner(ResponseSchema):
    number = ma.fields.Integer()


class Outer(ResponseSchema):
    """Every kind of field that answers have."""

    text = PlainText()
    whole = ma.fields.Integer()
    broken = ma.fields.Float()
    exact = ma.fields.Decimal(as_string=True)
    flag = ma.fields.Boolean()
    colour = ma.fields.Enum(Colour, by_value=ma.fields.String)
    at = Instant(metadata={})
    phone = PhoneNumber()
    renamed = ma.fields.Integer(attribute="original")
    keyed = ma.fields.String(data_key="otherwise")
    one = ma.fields.Nested(Inner)
    some = ma.fields.List(ma.fields.Nested(Inner))
    more = ma.fields.Nested(Inner(many=True))
    details = ma.fields.Dict()
    listed = Ids(metadata={})
    maybe = ObjectOrNull(Inner(), "")


FULL: dict[str, Any] = {
    "text": "Привет",
    "whole": 7,
    "broken": 0.25,
    "exact": Decimal("4.50"),
    "flag": True,
    "colour": Colour.RED,
    "at": datetime(2032, 6, 2, 18, 25, 43, 511_001, UTC),
    "phone": 79161234567,
    "original": 3,
    "keyed": "x",
    "one": {"number": 1},
    "some": [SimpleNamespace(number=2)],
    "more": [{"number": 3}],
    "details": {"a": ["b"]},
    "listed": (1, 2),
    "maybe": {"number": 4},
}

NOTHING: dict[str, Any] = {**dict.fromkeys(FULL), "listed": ()}

TEXTS = ('"', "\\", "/", "\n\t\r\b\f", "\x00\x1f\x7f", "\u2028", "Привет", "😀", "%s %d %%", "</script>")


@pytest.mark.parametrize("values", [FULL, NOTHING])
def test_an_object_and_a_dict_are_dumped_as_by_marshmallow(values: dict[str, Any]) -> None:
    expected = ma.Schema.dump(Outer(), values)
    assert set(expected) == set(Outer().fields) - {"keyed"} | {"otherwise"}
    assert Outer().dump(values) == expected
    assert Outer().dump(SimpleNamespace(**values)) == expected
    assert Outer(many=True).dump([values]) == [expected]
    assert Outer().dump([values, values], many=True) == [expected, expected]


@pytest.mark.parametrize("values", [FULL, NOTHING, *({**FULL, "text": text} for text in TEXTS)])
def test_the_json_is_what_the_json_module_writes_of_what_marshmallow_dumps(values: dict[str, Any]) -> None:
    expected = json.dumps(ma.Schema.dump(Outer(), values), ensure_ascii=False, separators=(",", ":"))
    assert Outer().dumps(values) == expected
    assert Outer(many=True).dumps([SimpleNamespace(**values), values]) == f"[{expected},{expected}]"
