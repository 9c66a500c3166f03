"""The values of a row of a file: those of the columns that a client must have, and all others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import marshmallow as ma
from werkzeug.exceptions import BadRequest

from api.clients.fields import ExternalId, Labels
from api.clients.import_columns import ATTRIBUTES, COLUMNS, EXTERNAL_ID, TAGS, Column, Recogniser
from api.clients.import_options import ImportOptions
from api.clients.row_validation import RowError
from api.http.csv_files import unescape_formula
from api.http.json_body import strict_json
from shared.domain.attribute_values import Stored, split_list, stored_value, typed_text
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MAX_KEYS = 1000
"""Keys of JSON objects that are remembered."""

MAX_KNOWN = 10_000
"""Cells whose values are remembered: a file has the same cities, names and tags in many rows."""

_EXTERNAL_ID, _TAGS = ExternalId(), Labels()


@dataclass(slots=True)
class Values:
    """What a row gives a client. What it does not give stays as it is."""

    columns: dict[str, Any]
    """By COLUMNS, as they are in the file."""
    external_id: str | None = None
    tags: list[str] | None = None
    attributes: dict[str, Stored] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    """Attributes that are removed; also EXTERNAL_ID and TAGS."""
    faults: list[RowError] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but COLUMNS."""
        return not (self.external_id or self.tags is not None or self.attributes or self.removed or self.faults)


class ValueReader:
    """Reads the values of rows. `columns` are those of the file, and of the keys of its JSON objects."""

    def __init__(self, options: ImportOptions, columns: Iterable[Column]) -> None:
        self._options = options
        self._zone = options.zone
        columns = list(columns)
        self._cells = [
            column for column in columns if column.target and column.key is None and column.target not in COLUMNS
        ]
        self._keys = {(column.place, column.key): column for column in columns if column.key is not None}
        self._taken = {column.target for column in columns if column.target}
        self._recogniser = Recogniser(replace(options, create_fields=False), [column.name for column in columns])
        self._known: dict[tuple[str, str], Any] = {}
        self.late_ignored: list[str] = []
        """Keys of JSON objects that are ignored, of rows beyond the sample."""

    def of_cells(self, row: Mapping[str, Any], cells: Sequence[str]) -> Values:
        """The values of a row of CSV; `row` has those of COLUMNS."""
        values = Values(dict(row))
        for column in self._cells:
            text = unescape_formula(cells[column.place])
            # Not by _faults_of: a file may have a million rows.
            try:
                if column.target == ATTRIBUTES:
                    self._add_objects(values, column, text)
                else:
                    self._add_text(values, column, text)
            except Invalid as error:
                values.faults.append(RowError(error.field, error.sentence))
            except ma.ValidationError as error:
                values.faults.extend(RowError(str(column.target), reason) for reason in error.messages)
        return values

    def of_object(self, row: Mapping[str, Any]) -> Values:
        """The values of a line of JSON. Null removes a value."""
        values = Values({name: value for name, value in row.items() if name not in (EXTERNAL_ID, TAGS, ATTRIBUTES)})
        readers = {EXTERNAL_ID: self._add_external_id, TAGS: self._add_tags, ATTRIBUTES: self._add_attributes}
        for name, read in readers.items():
            if name in row:
                with _faults_of(values, name):
                    read(values, row[name])
        return values

    def _add_text(self, values: Values, column: Column, text: str) -> None:
        """Adds a cell. An empty one removes what there is, if that is asked for."""
        target = str(column.target)
        if not text.strip():
            if self._options.removes_empty:
                values.removed.append(target)
        elif target == EXTERNAL_ID:
            values.external_id = _EXTERNAL_ID.deserialize(text)
        elif target == TAGS:
            values.tags = self._typed(TAGS, text, lambda: _TAGS.deserialize(split_list(text)))
        elif field := column.field:
            value = self._typed(target, text, lambda: typed_text(field, text, self._zone))
            if value is not None:
                values.attributes[target] = value

    def _typed(self, target: str, text: str, read: Callable[[], Any]) -> Any:
        """The value of a cell; of a text that another row has had, the same value again."""
        known = self._known.get((target, text), self)
        if known is self:
            known = read()
            if len(self._known) < MAX_KNOWN:
                self._known[target, text] = known
        return known

    def _add_objects(self, values: Values, column: Column, text: str) -> None:
        """Adds the values of a JSON object in a cell, by its keys."""
        for key, value in json_object(text).items():
            found = self._keys.get((column.place, key)) or self._late(column, key)
            if found.target is None:
                continue
            with _faults_of(values, str(found.target)):
                if found.target in COLUMNS:
                    values.columns.setdefault(found.target, value if isinstance(value, str) else json.dumps(value))
                elif value is None or isinstance(value, str):
                    self._add_text(values, found, value or "")
                elif found.target == EXTERNAL_ID:
                    values.external_id = _EXTERNAL_ID.deserialize(json.dumps(value))
                elif found.field:
                    self._add_json(values, found.field, value)

    def _late(self, column: Column, key: str) -> Column:
        """The column that a key is which the first rows do not have: one of a field that is declared, or ignored."""
        found = self._recogniser.key(column, key, self._taken)
        if len(self._keys) < MAX_KEYS:
            self._keys[column.place, key] = found
            if found.target is None:
                self.late_ignored.append(found.name)
        return found

    @staticmethod
    def _add_json(values: Values, declared: Field, value: object) -> None:
        """Adds a value of JSON that is not a text. A number or a boolean may be the value of a text."""
        if declared.type is FieldType.TEXT and isinstance(value, int | float):
            value = json.dumps(value)
        if (stored := stored_value(declared, value)) is not None:
            values.attributes[declared.name] = stored

    @staticmethod
    def _add_external_id(values: Values, given: object) -> None:
        if given is None:
            values.removed.append(EXTERNAL_ID)
        else:
            values.external_id = _EXTERNAL_ID.deserialize(given)

    @staticmethod
    def _add_tags(values: Values, given: object) -> None:
        values.tags = _TAGS.deserialize(given)

    def _add_attributes(self, values: Values, given: object) -> None:
        if not isinstance(given, dict):
            raise Invalid(ATTRIBUTES, ErrorCode.NOT_AN_OBJECT_OF_VALUES)
        for name, value in given.items():
            found = self._keys.get((JSON_LINE, name))
            if found is None or found.field is None:
                values.faults.append(RowError(name, ErrorCode.FIELD_NOT_DECLARED(name=name)))
                continue
            with _faults_of(values, name):
                stored = stored_value(found.field, value)
                if stored is None:
                    values.removed.append(name)
                else:
                    values.attributes[name] = stored


JSON_LINE = -1
"""The index of the objects `attributes` of JSON lines, which are in no column."""


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a cell; empty for blanks. Raises Invalid."""
    if not text.strip():
        return {}
    try:
        found = strict_json(text.encode(), "cell")
    except (BadRequest, UnicodeEncodeError):
        raise Invalid(ATTRIBUTES, ErrorCode.NOT_AN_OBJECT_OF_VALUES) from None
    if not isinstance(found, dict):
        raise Invalid(ATTRIBUTES, ErrorCode.NOT_AN_OBJECT_OF_VALUES)
    return found


@contextmanager
def _faults_of(values: Values, name: str) -> Iterator[None]:
    """Adds the errors that reading a value raises to those of its row."""
    try:
        yield
    except Invalid as error:
        values.faults.append(RowError(error.field, error.sentence))
    except ma.ValidationError as error:
        values.faults.extend(RowError(name, reason) for reason in error.messages)
