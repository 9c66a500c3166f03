"""The inputs of a client's attributes: one for each declared field, named `attributes.` and the field's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import marshmallow as ma
from flask_babel import format_date, format_decimal, gettext

from api.client_fields.queries import FieldRow
from api.console.datetimes import Moments, read_moments
from api.console.forms import untouched
from api.console.labels import CLIENT_FIELDS, FIELDS
from api.console.template_filters import moment
from shared.domain.attribute_values import Stored, typed_text, written_text
from shared.domain.client_fields import attribute_name
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.errors import Invalid


def input_name(field: FieldRow) -> str:
    """The name of the input of a field."""
    return attribute_name(field.name)


def label_of(field: FieldRow) -> str:
    """A field as the console calls it."""
    return field.label or str(CLIENT_FIELDS.get(field.name, field.name))


def field_names(fields: Sequence[FieldRow]) -> dict[str, Any]:
    """The labels of all fields of a client, by their names in forms and in the audit."""
    return {**FIELDS, **{input_name(field): label_of(field) for field in fields}}


def written_values(fields: Sequence[FieldRow], attributes: Mapping[str, Any]) -> dict[str, str]:
    """The values of the inputs for a client with these attributes."""
    return {input_name(field): written_text(attributes.get(field.name)) for field in fields}


def read_moments_of(fields: Sequence[FieldRow], form: Mapping[str, str]) -> Moments:
    """The inputs of times, which are in the viewer's time zone."""
    return read_moments(form, [input_name(field) for field in fields if field.type is FieldType.DATETIME])


def read_attributes(
    fields: Sequence[FieldRow], typed: Mapping[str, Any], attributes: Mapping[str, Any]
) -> dict[str, Stored | None]:
    """The values that the inputs change in a client with these attributes, by field; None removes one.

    Raises ValidationError, by the names of the inputs.
    """
    before = written_values(fields, attributes)
    kept = untouched(typed, before)
    changed: dict[str, Stored | None] = {}
    errors: dict[str, list[str]] = {}
    for field in fields:
        name = input_name(field)
        if name in typed and name not in kept:
            try:
                changed[field.name] = typed_text(Field(field.name, field.type), str(typed[name]))
            except Invalid as error:
                errors[name] = [error.sentence]
    if errors:
        raise ma.ValidationError(errors)
    return changed


def shown_value(value: Stored, field_type: FieldType) -> str:
    """A value as the viewer reads it."""
    match field_type:
        case FieldType.BOOLEAN:
            return gettext("yes") if value else gettext("no")
        case FieldType.NUMBER:
            return str(format_decimal(value, format="#,##0.###############"))
        case FieldType.DATE:
            return str(format_date(date.fromisoformat(str(value))))
        case FieldType.DATETIME:
            return moment(datetime.fromisoformat(str(value)))
        case FieldType.LIST:
            return ", ".join(value) if isinstance(value, list) else str(value)
        case FieldType.TEXT:
            return str(value)
