from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.domain.templates import (
    RESERVED_NAMES,
    RenderError,
    StoredText,
    TemplateError,
    UnreadableText,
    compile_template,
)
from tests.unit.templates.declared import FIELDS

C = ErrorCode
ERRORS = [
    # text, code, line, column
    ("Hi {{ name", C.TEMPLATE_UNCLOSED, 1, 4),
    ("Hi {% if vip", C.TEMPLATE_UNCLOSED, 1, 4),
    ("Hi\n{{ name }}\n  {{ nme }}", C.TEMPLATE_FIELD, 3, 6),
    ("{{ name }}}", C.TEMPLATE_BRACES, 1, 11),
    ("{{ name }} }}", C.TEMPLATE_BRACES, 1, 12),
    ("{{ name }} %}", C.TEMPLATE_BRACES, 1, 12),
    ("{{{{ name }}}}", C.TEMPLATE_SYNTAX, 1, 3),
    ("{{ {{ name }} }}", C.TEMPLATE_SYNTAX, 1, 4),
    ("{{{ name }}}", C.TEMPLATE_SYNTAX, 1, 3),
    ("{{ '{{' }}", C.TEMPLATE_NO_FIELD, 1, 1),
    ("{{ }}", C.TEMPLATE_INCOMPLETE, 1, 6),
    ("{{", C.TEMPLATE_UNCLOSED, 1, 1),
    ("{%", C.TEMPLATE_UNCLOSED, 1, 1),
    ("{% %}", C.TEMPLATE_SYNTAX, 1, 1),
    ("{% if vip %}x", C.TEMPLATE_INCOMPLETE, 1, 14),
    ("{% if %}x{% endif %}", C.TEMPLATE_SYNTAX, 1, 4),
    ("{% endif %}", C.TEMPLATE_SYNTAX, 1, 4),
    ("{% if vip %}{% else %}{% elsif vip %}{% endif %}", C.TEMPLATE_SYNTAX, 1, 26),
    ("{% if vip %}{% else %}{% else %}{% endif %}", C.TEMPLATE_SYNTAX, 1, 26),
    ("{% if vip %}{% else vip %}{% endif %}", C.TEMPLATE_SYNTAX, 1, 21),
    ("{% if vip %}{% endif vip %}", C.TEMPLATE_SYNTAX, 1, 22),
    ("{% if vip %}{% endunless %}", C.TEMPLATE_SYNTAX, 1, 16),
    ("{% for x in cities %}{% endfor %}", C.TEMPLATE_TAG, 1, 4),
    ("{% assign x = 1 %}", C.TEMPLATE_TAG, 1, 4),
    ("{% include 'x' %}", C.TEMPLATE_TAG, 1, 4),
    ("{% render 'x' %}", C.TEMPLATE_TAG, 1, 4),
    ("{% case x %}{% endcase %}", C.TEMPLATE_TAG, 1, 4),
    ("{% capture x %}{% endcapture %}", C.TEMPLATE_TAG, 1, 4),
    ("{% cycle 1, 2 %}", C.TEMPLATE_TAG, 1, 4),
    ("{% increment x %}", C.TEMPLATE_TAG, 1, 4),
    ("{% liquid echo name %}", C.TEMPLATE_TAG, 1, 4),
    ("{% echo name %}", C.TEMPLATE_TAG, 1, 4),
    ("{% # note %}", C.TEMPLATE_TAG, 1, 4),
    ("{% comment %}x{% endcomment %}", C.TEMPLATE_TAG, 1, 4),
    ("a {% comment %} {{ name }}", C.TEMPLATE_TAG, 1, 6),
    ("{% doc %}x{% enddoc %}", C.TEMPLATE_SYNTAX, 1, 1),
    ("{% raw %}{{ x }}{% endraw %}", C.TEMPLATE_BRACES, 1, 1),
    ("{% raw %}x", C.TEMPLATE_TAG, 1, 4),
    ("{{ name.__class__ }}", C.TEMPLATE_PATH, 1, 4),
    ("{{ __class__ }}", C.TEMPLATE_FIELD, 1, 4),
    ("{{ name.size }}", C.TEMPLATE_PATH, 1, 4),
    ("{{ cities[0] }}", C.TEMPLATE_PATH, 1, 4),
    ("{{ cities[name] }}", C.TEMPLATE_PATH, 1, 4),
    ("{{ ['name'] }}", C.TEMPLATE_PATH, 1, 4),
    ("{{ .name }}", C.TEMPLATE_SYNTAX, 1, 4),
    ("{{ name. }}", C.TEMPLATE_INCOMPLETE, 1, 12),
    ("{{ name nick }}", C.TEMPLATE_SYNTAX, 1, 9),
    ("{{ name + nick }}", C.TEMPLATE_SYNTAX, 1, 9),
    ("{{ name if vip }}", C.TEMPLATE_SYNTAX, 1, 9),
    ("{{ (1..1000000000) }}", C.TEMPLATE_OUTPUT, 1, 4),
    ("{{ true }}", C.TEMPLATE_OUTPUT, 1, 4),
    ("{{ nil }}", C.TEMPLATE_OUTPUT, 1, 4),
    ("{{ name }}{{ ' ' | strip }}", C.TEMPLATE_OUTPUT, 1, 14),
    ("{{ name }}{{ '' | default: '' }}", C.TEMPLATE_OUTPUT, 1, 14),
    ("{{ vip }}", C.TEMPLATE_NEEDS_IF, 1, 4),
    ("{{ vip | default: 'x' }}", C.TEMPLATE_NEEDS_IF, 1, 10),
    ("{{ birthday }}", C.TEMPLATE_NEEDS_DATE, 1, 4),
    ("{{ name | default: birthday }}", C.TEMPLATE_NEEDS_DATE, 1, 20),
    ("{{ birthday | upcase }}", C.TEMPLATE_NEEDS_DATE, 1, 15),
    ("{{ birthday | date: '%H' }}", C.TEMPLATE_DATE_FORMAT, 1, 21),
    ("{{ birthday | date: '%B' }}", C.TEMPLATE_DATE_FORMAT, 1, 21),
    ("{{ birthday | date: '%' }}", C.TEMPLATE_DATE_FORMAT, 1, 21),
    ("{{ birthday | date: '%-Y' }}", C.TEMPLATE_DATE_FORMAT, 1, 21),
    ("{{ birthday | date: name }}", C.TEMPLATE_ARGUMENTS, 1, 15),
    ("{{ birthday | date }}", C.TEMPLATE_ARGUMENTS, 1, 15),
    ("{{ name | date: '%d' }}", C.TEMPLATE_NO_DATE, 1, 11),
    ("{{ 'now' | date: '%d' }}", C.TEMPLATE_NO_DATE, 1, 12),
    ("{{ name | upcase: 1 }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | truncate: 1000000000 }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | truncate: -1 }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | truncate }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | default: allow_false: 'x' }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | default: 'x', 'y' }}", C.TEMPLATE_ARGUMENTS, 1, 11),
    ("{{ name | append: 'x' }}", C.TEMPLATE_FILTER, 1, 11),
    ("{{ name | times: 99999999 }}", C.TEMPLATE_FILTER, 1, 11),
    ("{{ name || upcase }}", C.TEMPLATE_SYNTAX, 1, 9),
    ("{% if 1 %}x{% endif %}", C.TEMPLATE_CONDITION, 1, 7),
    ("{% if 1 == 1 %}x{% endif %}", C.TEMPLATE_CONDITION, 1, 9),
    ("{% if true %}x{% endif %}", C.TEMPLATE_CONDITION, 1, 7),
    ("{% if name == nick == name %}x{% endif %}", C.TEMPLATE_CONDITION, 1, 20),
    ("{% if (vip) %}x{% endif %}", C.TEMPLATE_SYNTAX, 1, 7),
    ("{% if not vip %}x{% endif %}", C.TEMPLATE_SYNTAX, 1, 7),
    ("{% if vip and %}x{% endif %}", C.TEMPLATE_INCOMPLETE, 1, 29),
    ("{% if name = 'x' %}x{% endif %}", C.TEMPLATE_SYNTAX, 1, 12),
    ("{% if name < 'x' %}x{% endif %}", C.TEMPLATE_OPERATOR, 1, 7),
    ("{% if age contains '1' %}x{% endif %}", C.TEMPLATE_OPERATOR, 1, 7),
    ("{% if name contains nick %}x{% endif %}", C.TEMPLATE_CONDITION, 1, 12),
    ("{% if cities == 'x' %}x{% endif %}", C.TEMPLATE_OPERATOR, 1, 7),
    ("{% if age == '5' %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 14),
    ("{% if name == 5 %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 15),
    ("{% if vip == 1 %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 14),
    ("{% if birthday == '05.03.1990' %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 19),
    ("{% if birthday == '2026-02-30' %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 19),
    ("{% if visit > '0001-01-01T00:00+14:00' %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 15),
    ("{% if age > name %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 13),
    ("{% if name > nil %}x{% endif %}", C.TEMPLATE_OPERATOR, 1, 7),
    ("{% if age > nil %}x{% endif %}", C.TEMPLATE_LITERAL, 1, 13),
    ("{{ nаme }}", C.TEMPLATE_FIELD, 1, 4),
    ("{{ na\u200bme }}", C.TEMPLATE_SYNTAX, 1, 6),
    ("{{ \u202ename }}", C.TEMPLATE_SYNTAX, 1, 4),
    ("{{ name }}" * 50 + "\n{{ name }}", C.TEMPLATE_OUTPUTS, 2, 1),
    ("{% if vip %}" * 101, C.TEMPLATE_TAGS, 1, 1201),
    ("{% if vip %}" * 11 + "{% endif %}" * 11, C.TEMPLATE_NESTED, 1, 121),
    ("{% if vip" + " and vip" * 20 + " %}x{% endif %}", C.TEMPLATE_COMPARISONS, 1, 7),
    ("{{ name }}" + "я" * 1591, C.TOO_LONG, 1, 1601),
    ("{{ name" + "[a" * 700 + " }}", C.TEMPLATE_INCOMPLETE, 1, 1411),
    ("{{ " + "9" * 1500 + " | truncate: 1 | x }}", C.TEMPLATE_FILTER, 1, 1521),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "column"), ERRORS)
def test_what_is_not_allowed_is_refused_at_its_place(text: str, code: ErrorCode, line: int, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text, FIELDS)
    error = caught.value
    assert (error.code, error.line, error.column, error.field) == (code, line, column, "text")


def test_what_is_just_allowed_is_not_refused() -> None:
    for text in (
        "{{ name }}" * 50,
        "{% if vip %}" * 10 + "x" + "{% endif %}" * 10,
        "{% if vip" + " and vip" * 19 + " %}x{% endif %}",
        "{{ name }}" + "я" * 1590,
    ):
        assert compile_template(text, FIELDS) is not None


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_words_of_the_language_are_no_fields(name: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(f"{{{{ {name} }}}}", {name: Field(name, FieldType.TEXT)})


SIGNS = ["{{", "}}", "{%", "%}", "{", "}", "-", "\n", " ", "|", ":", "'", '"', ",", ".", "[", "]", "==", "5", "é"]
WORDS = ["if", "endif", "unless", "else", "elsif", "raw", "name", "vip", "age", "date", "default", "contains", "and"]
PIECES = st.sampled_from([*SIGNS, *WORDS])


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_any_text_is_plain_a_template_or_refused(text: str) -> None:
    try:
        template = compile_template(text, FIELDS)
    except TemplateError:
        return
    if template is not None:
        try:
            template.render([None] * len(template.fields))
        except RenderError:
            return


@pytest.mark.parametrize(
    ("shown", "kind", "value"),
    [
        ("{{ field | date: '%d.%m' }}", "date", "soon"),
        ("{{ field | date: '%d.%m' }}", "date", "tomorrow, "),
        ("{{ field | date: '%H' }}", "datetime", "2026-11-29"),
        ("{% if field > 5 %}x{% endif %}", "number", "many"),
        ("{{ field }}", "list", "one"),
    ],
)
def test_a_value_of_another_type_makes_no_text(shown: str, kind: str, value: str) -> None:
    with pytest.raises(UnreadableText):
        StoredText(shown, ["field"], [kind]).body([value])
