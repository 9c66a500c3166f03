"""The fields of the tests of templates, and a template filled in by name."""

from __future__ import annotations

from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field, known_fields
from shared.domain.templates import compile_template

FIELDS = known_fields(
    [
        Field("name", FieldType.TEXT),
        Field("nick", FieldType.TEXT),
        Field("город", FieldType.TEXT),
        Field("age", FieldType.NUMBER),
        Field("limit_", FieldType.NUMBER),
        Field("vip", FieldType.BOOLEAN),
        Field("birthday", FieldType.DATE, repeats_yearly=True),
        Field("paid_until", FieldType.DATE),
        Field("visit", FieldType.DATETIME),
        Field("cities", FieldType.LIST),
    ]
)


def render(text: str, **values: str | None) -> str:
    """The text for a client with these values, in their stored form."""
    template = compile_template(text, FIELDS)
    assert template is not None
    return template.render([values.get(name) for name in template.fields])
