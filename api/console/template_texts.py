"""What the pages with a text offer for it: the fields of clients and the filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from flask import current_app
from flask_babel import gettext

from api.client_fields.queries import usable_fields
from api.console.attribute_inputs import label_of
from api.console.blueprint import blp
from api.console.condition_labels import COLUMN_LABELS
from api.http.fields import MAX_ID
from api.segments import queries
from shared.domain.field_types import FieldType
from shared.domain.opt_out_links import OPT_OUT_FIELD
from shared.domain.segments.tree import COLUMNS
from shared.domain.templates import RESERVED_NAMES


class Insert(NamedTuple):
    """Something that a button writes into a text."""

    name: str
    label: str
    words: str


@blp.app_template_global()
def template_inserts() -> list[Insert]:
    """The fields of clients and the filters."""
    declared = [(field.name, field.type, label_of(field)) for field in usable_fields()]
    columns = [(field.name, field.type, str(COLUMN_LABELS[field.name])) for field in COLUMNS]
    links = [(OPT_OUT_FIELD.name, OPT_OUT_FIELD.type, gettext("the link to opt out"))]
    fields = [
        Insert(name, label, _words(name, kind))
        for name, kind, label in (*declared, *columns, *(links if current_app.config["OPT_OUT_URL"] else ()))
        if name not in RESERVED_NAMES
    ]
    filters = [
        Insert("default", gettext("a text for clients without a value"), ' | default: "…"'),
        Insert("date", gettext("the format of a date"), ' | date: "%d.%m.%Y"'),
        Insert("truncate", gettext("at most so many characters"), " | truncate: 20"),
        Insert("upcase", gettext("in capital letters"), " | upcase"),
        Insert("downcase", gettext("in small letters"), " | downcase"),
        Insert("capitalize", gettext("with a capital letter at the beginning"), " | capitalize"),
        Insert("strip", gettext("without blanks around it"), " | strip"),
    ]
    return [*fields, *filters]


@blp.app_template_global()
def segment_names(segment_ids: Iterable[int]) -> dict[int, str]:
    """The names of these saved segments by id, without those that are removed."""
    return queries.segment_names(segment_ids)


@blp.app_template_global()
def names_of_audience(fields: Mapping[str, Any]) -> str:
    """The mark of a mailing or of a draft, the name of its saved segment, or its conditions."""
    segment_id = fields.get("segment_id")
    if segment_id:
        written = str(segment_id)
        number = int(written) if written.isdecimal() else 0
        return segment_names([number]).get(number, written) if 0 < number <= MAX_ID else written
    return str(fields.get("segment") or fields.get("mark") or "")


def _words(name: str, kind: FieldType) -> str:
    match kind:
        case FieldType.BOOLEAN:
            return f"{{% if {name} %}}…{{% endif %}}"
        case FieldType.DATE | FieldType.DATETIME:
            return f'{{{{ {name} | date: "%d.%m.%Y" }}}}'
        case _:
            return f"{{{{ {name} }}}}"
