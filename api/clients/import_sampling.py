"""What the first rows of a file tell: the keys of its JSON objects, and the types of fields that are to be declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from api.clients.import_columns import ATTRIBUTES, Column, Recogniser
from api.clients.import_options import ImportOptions
from api.clients.import_rows import Row
from api.clients.import_values import JSON_LINE, json_object
from api.http.csv_files import unescape_formula
from shared.domain.attribute_values import typed_text
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.errors import Invalid

SAMPLE_ROWS = 200
"""Rows that decide. A value further down that has another type rejects its row."""
MAX_SAMPLE_KEYS = 200
"""Keys of JSON objects that are recognised."""

_WORDS = {"да", "нет", "yes", "no", "true", "false"}
"""What is taken for a boolean: 1 and 0 are as often numbers."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,8})(?:[.,][0-9]{1,6})?")
"""What is taken for a number: longer digits, and those that begin with zero, are of a code, a card or a phone."""


def with_keys(
    options: ImportOptions, names: Sequence[str], columns: Sequence[Column], rows: Sequence[Row]
) -> list[Column]:
    """The columns, those of JSON objects followed by a column for each of their keys in these rows.

    `columns` are those of CSV; for JSON lines there is none, and the names in `attributes` are not translated.
    """
    recogniser = Recogniser(options, names)
    taken = {column.target for column in columns if column.target}
    found = []
    for column in columns:
        found.append(column)
        if column.target == ATTRIBUTES:
            for key in _keys(_objects(column, rows)):
                one = recogniser.key(column, key, taken)
                taken |= {one.target} if one.target else set()
                found.append(one)
    return found


def with_types(options: ImportOptions, columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns with the types of new fields. A new field without any value is not declared, unless it is chosen."""

    def typed(column: Column) -> Column:
        if not column.is_new or column.has_type:
            return column
        guessed = _type_of([value for value in values_of(column, rows) if value not in ("", None)], options.zone)
        if guessed is None and not column.is_chosen:
            return column._replace(target=None, field=None, is_new=False)
        return column._replace(field=Field(str(column.target), guessed or FieldType.TEXT))

    return [typed(column) for column in columns]


def declared_keys(options: ImportOptions, rows: Sequence[Row]) -> list[Column]:
    """The names that `attributes` of JSON lines may have: those of declared fields, and those that are to be declared.

    Other than those of a column, they are names of fields already.
    """
    declared = [
        Column(name, JSON_LINE, name, name, one.field)
        for name, one in options.declared.items()
        if one.field is not None
    ]
    if not options.create_fields:
        return declared
    recogniser = Recogniser(options)
    attributes = Column(ATTRIBUTES, JSON_LINE, target=ATTRIBUTES)
    new = [
        recogniser.key(attributes, key, ())._replace(name=key)
        for key in _keys(_objects(attributes, rows))
        if key not in options.declared
    ]
    return declared + [column for column in new if column.is_new and column.target == column.key]


def values_of(column: Column, rows: Sequence[Row]) -> Iterator[Any]:
    """The values of a column in these rows: texts, or of a key any JSON."""
    if column.key is not None:
        for found in _objects(column, rows):
            if column.key in found:
                yield found[column.key]
        return
    for _, row, cells in rows:
        if column.place == JSON_LINE:
            yield row.get(column.name) if isinstance(row, dict) else None
        elif isinstance(row, dict) and cells is not None and column.place < len(cells):
            yield unescape_formula(cells[column.place]).strip()


def _objects(column: Column, rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a column in these rows; what is not one is left out."""
    for _, row, cells in rows:
        if not isinstance(row, dict):
            continue
        if column.place == JSON_LINE:
            found = row.get(ATTRIBUTES)
        else:
            try:
                found = json_object(unescape_formula(cells[column.place])) if cells else None
            except Invalid:
                continue
        if isinstance(found, dict):
            yield found


def _keys(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for found in objects for key in found)
    return list(keys)[:MAX_SAMPLE_KEYS]


def _type_of(values: Sequence[Any], zone: tzinfo | None) -> FieldType | None:
    """The narrowest type that all values have; None if there are none, or they are objects."""
    if not values:
        return None
    if all(isinstance(value, list) for value in values):
        return FieldType.LIST
    if all(isinstance(value, bool) for value in values):
        return FieldType.BOOLEAN
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return FieldType.NUMBER
    if any(isinstance(value, dict | list) for value in values):
        return None
    texts = [str(value).strip() for value in values]
    checks: Mapping[FieldType, Callable[[str], bool]] = {
        FieldType.BOOLEAN: lambda text: text.lower() in _WORDS,
        FieldType.NUMBER: lambda text: _NUMBER.fullmatch(text) is not None,
        FieldType.DATE: lambda text: _is_read(FieldType.DATE, text, zone),
        FieldType.DATETIME: lambda text: _is_read(FieldType.DATETIME, text, zone),
    }
    return next((name for name, check in checks.items() if all(map(check, texts))), FieldType.TEXT)


def _is_read(kind: FieldType, text: str, zone: tzinfo | None) -> bool:
    try:
        typed_text(Field("", kind), text, zone)
    except Invalid:
        return False
    return True
