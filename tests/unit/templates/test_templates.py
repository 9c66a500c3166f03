from __future__ import annotations

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.templates import (
    EmptyText,
    MissingValue,
    Template,
    TooLong,
    compile_template,
    stored_template,
)
from tests.unit.templates.declared import FIELDS, render

GOLDEN = [
    # text, values, the exact text
    ("Привет, {{ name }}!", {"name": "Анна"}, "Привет, Анна!"),
    ("{{name}}{{ город }}", {"name": "A", "город": "Б"}, "AБ"),
    ("{{ NAME }}", {"name": "x"}, "x"),
    ("{{ name }}", {"name": "{{ nick }} %s {% if %}"}, "{{ nick }} %s {% if %}"),
    ('{{ name | default: "друг" }}', {}, "друг"),
    ('{{ name | default: "друг" }}', {"name": ""}, "друг"),
    ('{{ name | default: "друг" }}', {"name": " \t"}, "друг"),
    ('{{ name | default: "друг" }}', {"name": "Аня"}, "Аня"),
    ("{{ nick | default: name }}", {"name": "Анна"}, "Анна"),
    ('{{ nick | default: name | default: "друг" | upcase }}', {}, "ДРУГ"),
    ("{{ age | default: 18 }}", {}, "18"),
    ("{{ name | upcase }} {{ name | downcase }}", {"name": "Анна straße"}, "АННА STRASSE анна straße"),
    ("{{ name | capitalize }}", {"name": "анна ПЕТРОВА"}, "Анна петрова"),
    ("[{{ name | strip }}]", {"name": "  Анна "}, "[Анна]"),
    ("{{ name | truncate: 4 }}", {"name": "Александра"}, "Але…"),
    ("{{ name | truncate: 4, '' }}", {"name": "Александра"}, "Алек"),
    ("{{ name | truncate: 2, '...' }}", {"name": "Александра"}, ".."),
    ("{{ name | truncate: 10 }}", {"name": "Александра"}, "Александра"),
    ('{{ birthday | date: "%d.%m.%Y %y %-d/%-m %%" }}', {"birthday": "1990-03-05"}, "05.03.1990 90 5/3 %"),
    ('{{ visit | date: "%d.%m %H:%M:%S %-H" }}', {"visit": "2026-11-29T08:25:43.511000Z"}, "29.11 08:25:43 8"),
    ('{{ birthday | date: "%d.%m" | default: "скоро" }}', {}, "скоро"),
    ("{{ age }}", {"age": "1000000000000000000000000000000"}, "1000000000000000000000000000000"),
    ("{{ age }}", {"age": "1e3"}, "1000"),
    ("{{ age }}", {"age": "-12.50"}, "-12.5"),
    ("{{ age }}", {"age": "7.0"}, "7"),
    ("{{ age }}", {"age": "100"}, "100"),
    ("{{ cities }}", {"cities": '["Казань", "Уфа"]'}, "Казань, Уфа"),
    ('{{ cities | default: "нет" }}', {"cities": "[]"}, "нет"),
    ("{{ phone_number }} {{ tag }}", {"phone_number": "7916", "tag": "a"}, "7916 a"),
    ("{% if vip %}да{% endif %}.", {"vip": "true"}, "да."),
    ("{% if vip %}да{% endif %}.", {"vip": "false"}, "."),
    ("{% if vip %}да{% endif %}.", {}, "."),
    ("{% unless vip %}нет{% endunless %}.", {}, "нет."),
    ("{% unless vip %}нет{% else %}да{% endunless %}.", {"vip": "true"}, "да."),
    ("{% if name %}{{ name }}, {% endif %}привет", {}, "привет"),
    ("{% if name %}{{ name }}, {% endif %}привет", {"name": "  "}, "привет"),
    ("{% if cities %}1{% else %}0{% endif %}", {"cities": "[]"}, "0"),
    ("{% if age %}1{% endif %}.", {"age": "0"}, "1."),
    ("{% if age > 17.5 and vip or name == 'x' %}1{% else %}0{% endif %}", {"age": "18", "vip": "true"}, "1"),
    ("{% if name == 'x' or vip and age < 18 %}1{% else %}0{% endif %}", {"name": "x"}, "1"),
    ("{% if vip and age < 18 or name == 'x' %}1{% else %}0{% endif %}", {"name": "x"}, "1"),
    ("{% if vip and name == 'x' or name == 'x' %}1{% else %}0{% endif %}", {"name": "y", "vip": "true"}, "0"),
    ("{% if 18 <= age %}1{% else %}0{% endif %}", {"age": "18.0"}, "1"),
    ("{% if age == 10 %}1{% else %}0{% endif %}", {"age": "1e1"}, "1"),
    ("{% if age > 9 %}1{% else %}0{% endif %}", {"age": "10"}, "1"),
    ("{% if age > limit_ %}1{% else %}0{% endif %}", {"age": "10", "limit_": "9"}, "1"),
    ("{% if name != 'x' %}1{% else %}0{% endif %}", {}, "0"),
    ("{% if name <> 'x' %}1{% else %}0{% endif %}", {"name": "y"}, "1"),
    ("{% if name == nil %}1{% elsif name == 'x' %}2{% else %}3{% endif %}", {}, "1"),
    ("{% if name == nil %}1{% elsif name == 'x' %}2{% else %}3{% endif %}", {"name": "x"}, "2"),
    ("{% if name == nil %}1{% elsif name == 'x' %}2{% else %}3{% endif %}", {"name": "z"}, "3"),
    ("{% if name != blank %}1{% else %}0{% endif %}", {"name": " "}, "0"),
    ("{% if name contains 'нн' %}1{% else %}0{% endif %}", {"name": "Анна"}, "1"),
    ("{% if cities contains 'Уфа' %}1{% else %}0{% endif %}", {"cities": '["Казань", "Уфа"]'}, "1"),
    ("{% if cities contains 'Уф' %}1{% else %}0{% endif %}", {"cities": '["Казань", "Уфа"]'}, "0"),
    ("{% if vip == false %}1{% else %}0{% endif %}", {"vip": "false"}, "1"),
    ("{% if birthday < '1990-03-06' %}1{% else %}0{% endif %}", {"birthday": "1990-03-05"}, "1"),
    ("{% if visit >= '2026-11-29' %}1{% else %}0{% endif %}", {"visit": "2026-11-29T00:00:00.000000Z"}, "1"),
    ("{% if visit > '2026-11-29T03:00+03:00' %}1{% endif %}.", {"visit": "2026-11-29T00:00:00.000001Z"}, "1."),
    ("а {{- name -}} б", {"name": "x"}, "аxб"),
    ("a{{ ' ' }}b {{ name }}\n", {"name": "x"}, "a b x\n"),
    ("100 % {{ name }} { } %", {"name": "x"}, "100 % x { } %"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values", "expected"), GOLDEN)
def test_the_same_values_give_the_same_bytes(text: str, values: dict[str, str], expected: str) -> None:
    assert render(text, **values).encode() == expected.encode()


@pytest.mark.parametrize("text", ["Hello", "100 %", "} {", "}}", "", "{ {name} }", "%}"])
def test_a_text_without_braces_is_plain(text: str) -> None:
    assert compile_template(text, FIELDS) is None


def test_fields_are_in_the_order_in_which_they_occur() -> None:
    template = compile_template("{{ nick | default: name }}{% if vip and name %}{{ age }}{% endif %}", FIELDS)
    assert template is not None
    assert template.fields == ("nick", "name", "vip", "age")
    assert template.types == ("text", "text", "boolean", "number")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_value_without_a_default_is_named(value: str | None) -> None:
    with pytest.raises(MissingValue) as caught:
        render("{{ name }} {{ nick }}", name="x", nick=value)
    assert caught.value.name == "nick"
    assert caught.value.reason == Reason(ReasonCode.MISSING_VALUE, {"field": "nick"})
    assert "nick" in caught.value.reason.sentence


@pytest.mark.parametrize(
    "text",
    ["{{ NICK }}", "{{ '' | default: nick }}", "{{ nick | upcase | default: name }}", "{{ Nick | default: '' }}"],
)
def test_a_missing_value_has_the_name_of_its_field(text: str) -> None:
    with pytest.raises(MissingValue) as caught:
        render(text)
    assert caught.value.name == "nick"


def test_a_missing_value_in_a_branch_that_is_not_taken_is_not_missed() -> None:
    assert render("{% if vip %}{{ name }}{% endif %}x") == "x"


def test_a_text_has_at_most_1600_characters() -> None:
    assert len(render("{{ name }}!", name="я" * 1599)) == 1600
    for text, name in (("{{ name }}!", "я" * 1600), ("{{ name | truncate: 3 }}{{ name }}", "я" * 100_000)):
        with pytest.raises(TooLong) as caught:
            render(text, name=name)
        assert caught.value.reason.code is ReasonCode.TEXT_OVER_LIMIT


def test_a_text_is_not_empty() -> None:
    with pytest.raises(EmptyText) as caught:
        render("{% if vip %}x{% endif %} ")
    assert caught.value.reason.code is ReasonCode.TEXT_EMPTY


def test_a_stored_template_needs_no_declared_fields() -> None:
    stored = stored_template("{% if age > 5 %}{{ name }}{% endif %}", ["age", "name"], ["number", "text"])
    assert isinstance(stored, Template)
    assert stored.fields == ("age", "name")
    assert stored.render(["6", "x"]) == "x"
