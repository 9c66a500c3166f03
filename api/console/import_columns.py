"""The choice of fields for the columns of a file, as the page of an import shows and sends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext
from werkzeug.exceptions import BadRequest

from api.clients.import_columns import COLUMNS, OTHERS, Column
from api.clients.import_options import Choice, ImportOptions
from api.clients.import_report import ColumnReport
from api.console.labels import FIELD_TYPES
from shared.domain.field_types import FieldType
from shared.domain.sentences import ErrorCode

IGNORED, NEW = "-", "+"
"""A choice to ignore a column, and the beginning of a choice of a new field, before its type, `:` and its name."""

COLUMN_LABELS = {
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
    "external_id": lazy_gettext("External id"),
    "tags": lazy_gettext("Tags"),
    "attributes": lazy_gettext("Attributes as JSON"),
}
TYPE_CHOICES = {f"{NEW}{kind.value}": kind for kind in FieldType}


def read_choice(typed: str) -> Choice:
    """What a choice of the page means for a column. Raises BadRequest."""
    if typed == IGNORED:
        return Choice(None)
    kind, _, name = typed.partition(":")
    if not typed.startswith(NEW):
        return Choice(typed)
    if not name or kind not in TYPE_CHOICES:
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE())
    return Choice(name, TYPE_CHOICES[kind])


def of_file(choices: Mapping[str, Choice], names: Sequence[str]) -> dict[str, Choice]:
    """The choices for columns that a file has: the page keeps those that were made for another file."""
    there = {name.strip() for name in names}
    return {name: one for name, one in choices.items() if name in there or name.partition(".")[0] in there}


def mapping_of(columns: Sequence[ColumnReport], options: ImportOptions) -> dict[str, Any]:
    """The choice of a field for each column, in the words of the page."""
    declared = [(name, one.label or name) for name, one in options.declared.items()]
    return {
        "columns": [(report, _chosen(report.column)) for report in columns],
        "groups": [
            (lazy_gettext("Columns of every client"), [(name, COLUMN_LABELS[name]) for name in (*COLUMNS, *OTHERS)]),
            (lazy_gettext("Fields of clients"), declared),
        ],
        "types": [(choice, FIELD_TYPES[kind]) for choice, kind in TYPE_CHOICES.items()],
        "labels": {kind.value: label for kind, label in FIELD_TYPES.items()},
    }


def _chosen(column: Column) -> str:
    if column.is_new and column.field:
        return f"{NEW}{column.field.type.value}:{column.target}"
    return column.target or IGNORED
