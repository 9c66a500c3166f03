"""Imports and exports as JSON and in query strings."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.http.csv_files import CsvFormArguments
from api.http.fields import Region, TrueOrFalse
from api.http.schemas import ResponseSchema


class ImportArguments(CsvFormArguments):
    """Options of an import, and of the file of its rejected rows."""

    default_region = Region(
        metadata={
            "description": "The country whose phone numbers may omit the country code, in national format; "
            "empty for none. Left out: `DEFAULT_REGION`.",
            "example": "RU",
        }
    )
    dry_run = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Report what the import would do now, and change nothing.",
            "example": True,
        },
    )


def _count(description: str, example: int) -> ma.fields.Integer:
    metadata = {"format": "int64", "description": description, "example": example}
    return ma.fields.Integer(required=True, metadata=metadata)


def _texts(description: str, example: list[str]) -> ma.fields.List[Any]:
    metadata = {"description": description, "example": example}
    return ma.fields.List(ma.fields.String(), required=True, metadata=metadata)


def _field() -> ma.fields.String:
    metadata = {"description": "The field; null for an error of the whole row.", "example": "timezone"}
    return ma.fields.String(required=True, allow_none=True, metadata=metadata)


def _reason(description: str) -> ma.fields.String:
    example = "Must be the name of an IANA time zone, such as Europe/Moscow."
    return ma.fields.String(required=True, metadata={"description": description, "example": example})


def _reason_code() -> ma.fields.String:
    metadata = {
        "description": "The reason as a code, which does not change; null if the field is missing or has another type.",
        "example": "not_a_timezone",
    }
    return ma.fields.String(required=True, allow_none=True, metadata=metadata)


class RowFault(ResponseSchema):
    """An error in a row of an import."""

    line = _count("Where the row begins, from 1.", 3)
    field = _field()
    reason = _reason("The reason.")
    reason_code = _reason_code()


class RowReason(ResponseSchema):
    """An error that several rows of an import have."""

    field = _field()
    reason = _reason("The reason, with `…` in place of numbers that differ.")
    reason_code = _reason_code()
    rows = _count("How many rows.", 1)
    lines = ma.fields.List(
        ma.fields.Integer(metadata={"format": "int64"}),
        required=True,
        metadata={"description": "Where the first five of them begin.", "example": [3]},
    )


class SampleRow(ResponseSchema):
    """One of the first rows of a file."""

    line = _count("Where it begins, from 1.", 2)
    cells = _texts("Its cells, in the order of `columns`.", ["79161234567", "916", "vip", "Europe/Moscow"])


class ImportedSchema(ResponseSchema):
    """The result of an import: counts of rows, and how the file was read."""

    dry_run = ma.fields.Boolean(
        required=True, metadata={"description": "Whether nothing was changed.", "example": False}
    )
    rows = _count("Rows of the file: the sum of the next four.", 1000)
    added = _count("Clients that were added.", 990)
    changed = _count("Clients that were changed.", 7)
    unchanged = _count("Clients that were equal already.", 2)
    rejected = _count("Rows with errors. They changed nothing.", 1)
    blank_lines = _count("Blank lines, which are not rows.", 0)
    encoding = ma.fields.String(
        required=True,
        metadata={"description": "The encoding that was detected or declared.", "example": "windows-1251"},
    )
    delimiter = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The delimiter of CSV; null for JSON lines.", "example": ";"},
    )
    columns = _texts("The columns, as the file names them.", ["phone_number", "operator_code", "tag", "timezone"])
    ignored_columns = _texts("Columns that are not fields of a client. They are ignored.", [])
    sample = ma.fields.List(
        ma.fields.Nested(SampleRow),
        required=True,
        metadata={"description": "The first five rows; cells are cut after 200 characters."},
    )
    reasons = ma.fields.List(
        ma.fields.Nested(RowReason),
        required=True,
        metadata={"description": "The 100 most frequent errors, with how many rows have each."},
    )
    reasons_left_out = _count("Reasons beyond those.", 0)
    errors = ma.fields.List(
        ma.fields.Nested(RowFault),
        required=True,
        metadata={
            "description": "The errors of the first 1,000 rejected rows, by line. `Accept: text/csv` returns all."
        },
    )
    errors_left_out = _count("Rejected rows beyond those.", 0)
