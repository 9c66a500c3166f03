"""Imports and exports as JSON and in query strings."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate
from werkzeug.exceptions import BadRequest

from api.clients.import_options import Choice, Choices
from api.http.csv_files import CsvFormArguments
from api.http.fields import DEFAULT_REGION, PlainText, Timezone, TrueOrFalse
from api.http.json_body import strict_json
from api.http.response_fields import boolean, int64, objects, string, strings
from api.http.schemas import ResponseSchema
from shared.domain.field_types import FieldType
from shared.domain.sentences import ErrorCode

MAX_CHOICES = 500
"""Columns whose fields one request may choose."""


class ColumnChoices(PlainText):
    """A JSON object in a query string: by the name of a column, its field."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            chosen = strict_json(text.encode(), "value")
        except BadRequest as error:
            raise ma.ValidationError(error.description or "") from None
        if not isinstance(chosen, dict) or len(chosen) > MAX_CHOICES:
            raise ma.ValidationError(ErrorCode.NOT_CHOICES_OF_COLUMNS())
        choices: Choices = {name: _choice(one) for name, one in chosen.items()}
        return choices


def _choice(given: Any) -> Choice:
    match given:
        case None:
            return Choice(None)
        case str() if _may_be_name(given):
            return Choice(given)
        case {"field": str(name), "type": str(kind)} if len(given) == 2 and _may_be_name(name) and kind in TYPES:
            return Choice(name, FieldType(kind))
    raise ma.ValidationError(ErrorCode.NOT_CHOICES_OF_COLUMNS())


def _may_be_name(text: str) -> bool:
    """Whether errors can repeat the text: it has no NUL, and no half of a surrogate pair."""
    return bool(text) and text.isprintable()


TYPES = tuple(kind.value for kind in FieldType)


class ImportArguments(CsvFormArguments):
    """Options of an import, and of the file of its rejected rows."""

    default_region = DEFAULT_REGION
    columns = ColumnChoices(
        metadata={
            "description": "A JSON object that says what columns are whose names are not recognised, or to be "
            "recognised otherwise: by the name of a column, its field; null to ignore it; or for a field that is to be "
            'declared, `{"field": "city", "type": "text"}`. A key of JSON objects in a column `attributes` has the '
            "name `attributes.key`.",
            "example": '{"Город": "city", "Комментарий": null}',
        }
    )
    create_fields = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Whether a column that is not recognised becomes a field of clients, with the type that "
            "its values in the first 200 rows have.",
            "example": True,
        },
    )
    fill = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Whether operator code, time zone and tag may be missing. A known client keeps its own; a "
            "new one gets code and time zone from the plan of its phone number.",
            "example": True,
        },
    )
    default_timezone = Timezone(
        metadata={
            "description": "With `fill`, the time zone of new clients whose number does not tell it. Also that of "
            "times without an offset in fields of dates and times.",
            "example": "Europe/Moscow",
        }
    )
    empty = ma.fields.String(
        load_default="keep",
        validate=validate.OneOf(("keep", "remove"), error="Must be one of: keep, remove."),
        metadata={
            "description": "What an empty cell does to a known client: `keep` what it has, or `remove` it. Only of "
            "`external_id`, `tags` and fields.",
            "example": "remove",
        },
    )
    tags = ma.fields.String(
        load_default="add",
        validate=validate.OneOf(("add", "replace"), error="Must be one of: add, replace."),
        metadata={
            "description": "Whether the tags of a row are added to those of a known client, or replace them.",
            "example": "replace",
        },
    )
    dry_run = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Report what the import would do now, and change nothing.",
            "example": True,
        },
    )


def _field() -> ma.fields.String:
    metadata = {"description": "The field; null for an error of the whole row.", "example": "timezone"}
    return ma.fields.String(required=True, allow_none=True, metadata=metadata)


def _reason(description: str) -> ma.fields.String:
    example = "Must be the name of an IANA time zone, such as Europe/Moscow."
    return string(description, example)


def _reason_code() -> ma.fields.String:
    metadata = {
        "description": "The reason as a code, which does not change; null if the field is missing or has another type.",
        "example": "not_a_timezone",
    }
    return ma.fields.String(required=True, allow_none=True, metadata=metadata)


class RowFault(ResponseSchema):
    """An error in a row of an import."""

    line = int64("Where the row begins, from 1.", 3)
    field = _field()
    reason = _reason("The reason.")
    reason_code = _reason_code()


class RowReason(ResponseSchema):
    """An error that several rows of an import have."""

    field = _field()
    reason = _reason("The reason, with `…` in place of numbers that differ.")
    reason_code = _reason_code()
    rows = int64("How many rows.", 1)
    lines = ma.fields.List(
        ma.fields.Integer(metadata={"format": "int64"}),
        required=True,
        metadata={"description": "Where the first five of them begin.", "example": [3]},
    )


class SampleRow(ResponseSchema):
    """One of the first rows of a file."""

    line = int64("Where it begins, from 1.", 2)
    cells = strings("Its cells, in the order of `columns`.", ["79161234567", "916", "vip", "Europe/Moscow"])


class ColumnSchema(ResponseSchema):
    """What a column of a file is."""

    column = string("Its name; of a key of JSON objects, `column.key`.", "Город")
    field = string("The field of clients; null if it is ignored.", "city", allow_none=True)
    type = string(
        "The type of the field: `text`, `number`, `boolean`, `date`, `datetime` or `list`; null if the column is "
        "ignored, or has JSON objects.",
        "text",
        allow_none=True,
    )
    new = boolean("Whether the field is declared by this import, or would be.", False)
    samples = strings("Up to three different values in the first rows.", ["Казань", "Уфа"])
    bad_cells = int64("Rows in which the field has an error.", 0)


class ImportedSchema(ResponseSchema):
    """The result of an import: counts of rows, and how the file was read."""

    dry_run = boolean("Whether nothing was changed.", False)
    rows = int64("Rows of the file: the sum of the next four.", 1000)
    added = int64("Clients that were added.", 990)
    changed = int64("Clients that were changed.", 7)
    unchanged = int64("Clients that were equal already.", 2)
    rejected = int64("Rows with errors. They changed nothing.", 1)
    blank_lines = int64("Blank lines, which are not rows.", 0)
    encoding = string("The encoding that was detected or declared.", "windows-1251")
    delimiter = string("The delimiter of CSV; null for JSON lines.", ";", allow_none=True)
    columns = strings("The columns, as the file names them.", ["phone_number", "operator_code", "tag", "timezone"])
    ignored_columns = strings("Columns that are not fields of a client. They are ignored.", [])
    fields_ = objects(ColumnSchema, "What each column is.", data_key="fields", attribute="fields")
    sample = objects(SampleRow, "The first five rows; cells are cut after 200 characters.")
    reasons = objects(RowReason, "The 100 most frequent errors, with how many rows have each.")
    reasons_left_out = int64("Reasons beyond those.", 0)
    errors = objects(RowFault, "The errors of the first 1,000 rejected rows, by line. `Accept: text/csv` returns all.")
    errors_left_out = int64("Rejected rows beyond those.", 0)
