"""The words of the rows of conditions: fields, events and operators, in the viewer's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from api.client_fields.queries import usable_fields
from api.console.attribute_inputs import label_of
from api.console.condition_rows import DATES, HAPPENED, NOT
from shared.domain.segments.tree import COLUMNS, Event, Field, Operator

COLUMN_LABELS: Mapping[str, LazyString] = {
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("First tag"),
    "timezone": lazy_gettext("Time zone"),
    "external_id": lazy_gettext("External id"),
    "tags": lazy_gettext("Tags"),
    "created_at": lazy_gettext("Day of adding"),
    "unknown_subscriber_count": lazy_gettext("Times in a row not in service"),
}

EVENT_LABELS: Mapping[Event, LazyString] = {
    Event.RECEIVED: lazy_gettext("A message was sent"),
    Event.DELIVERED: lazy_gettext("A message was delivered"),
    Event.UNDELIVERED: lazy_gettext("A message was not delivered"),
    Event.REPLIED: lazy_gettext("The client replied"),
}

OPERATOR_LABELS: Mapping[str, LazyString] = {
    Operator.EQUAL: lazy_gettext("is"),
    NOT + Operator.EQUAL: lazy_gettext("is not, or is not known"),
    Operator.NOT_EQUAL: lazy_gettext("is not"),
    Operator.LESS: lazy_gettext("is less than"),
    Operator.LESS_OR_EQUAL: lazy_gettext("is at most"),
    Operator.GREATER: lazy_gettext("is greater than"),
    Operator.GREATER_OR_EQUAL: lazy_gettext("is at least"),
    Operator.IN: lazy_gettext("is one of"),
    NOT + Operator.IN: lazy_gettext("is none of"),
    Operator.CONTAINS: lazy_gettext("contains"),
    NOT + Operator.CONTAINS: lazy_gettext("does not contain"),
    Operator.STARTS_WITH: lazy_gettext("starts with"),
    NOT + Operator.STARTS_WITH: lazy_gettext("does not start with"),
    Operator.EXISTS: lazy_gettext("is known"),
    NOT + Operator.EXISTS: lazy_gettext("is not known"),
    Operator.WITHIN: lazy_gettext("is in the next days"),
    NOT + Operator.WITHIN: lazy_gettext("is not in the next days"),
    Operator.WITHIN_LAST: lazy_gettext("was in the last days"),
    NOT + Operator.WITHIN_LAST: lazy_gettext("was not in the last days"),
    Operator.IN_LIST: lazy_gettext("is in the number list"),
    NOT + Operator.IN_LIST: lazy_gettext("is not in the number list"),
    HAPPENED: lazy_gettext("yes"),
    NOT + HAPPENED: lazy_gettext("no"),
}

DATE_LABELS: Mapping[str, LazyString] = {
    Operator.LESS: lazy_gettext("is before"),
    Operator.LESS_OR_EQUAL: lazy_gettext("is not after"),
    Operator.GREATER: lazy_gettext("is after"),
    Operator.GREATER_OR_EQUAL: lazy_gettext("is not before"),
}


class FieldGroup(NamedTuple):
    """Fields that stand together in a choice."""

    label: LazyString
    fields: list[tuple[str, str]]
    """Names and labels."""


def field_groups() -> list[FieldGroup]:
    """All fields and events that a row may have."""
    columns = [(field.name, str(COLUMN_LABELS[field.name])) for field in COLUMNS]
    declared = [(field.name, label_of(field)) for field in usable_fields()]
    groups = [
        FieldGroup(lazy_gettext("Clients"), columns),
        FieldGroup(lazy_gettext("Fields of clients"), declared),
        FieldGroup(lazy_gettext("Earlier mailings"), [(event.value, str(EVENT_LABELS[event])) for event in Event]),
    ]
    return [group for group in groups if group.fields]


def operator_label(key: str, field: Field | None) -> str:
    """The label of an operator of a field, or of an event."""
    of_dates = DATE_LABELS if field and field.type in DATES else {}
    return str(of_dates.get(key, OPERATOR_LABELS[key]))
