"""Imports and exports as JSON and in query strings."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.http.csv_files import CsvFormArguments
from api.http.fields import Region, TrueOrFalse
from api.http.schemas import ResponseSchema


class ImportArguments(CsvFormArguments):
    """How a file is to be imported, and its rejected rows are to be written."""

    default_region = Region(
        metadata={
            "description": "The country whose phone numbers may come without its code, as they are dialled there; "
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
    metadata = {"description": "Which field; null when it is the row as a whole.", "example": "timezone"}
    return ma.fields.String(required=True, allow_none=True, metadata=metadata)


def _reason(description: str) -> ma.fields.String:
    example = "Must be the name of an IANA time zone, such as Europe/Moscow."
    return ma.fields.String(required=True, metadata={"description": description, "example": example})


class RowFault(ResponseSchema):
    """What is wrong with a row of an import."""

    line = _count("Where the row begins, from 1.", 3)
    field = _field()
    reason = _reason("Why.")


class RowReason(ResponseSchema):
    """Something that is wrong with several rows of an import."""

    field = _field()
    reason = _reason("Why, with `…` in place of numbers where these differ.")
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
    """What an import came to, in rows, and how the file was understood."""

    dry_run = ma.fields.Boolean(
        required=True, metadata={"description": "Whether nothing was changed.", "example": False}
    )
    rows = _count("Rows of the file: the sum of the next four.", 1000)
    added = _count("New clients.", 990)
    changed = _count("Clients that were different.", 7)
    unchanged = _count("Clients that were the same.", 2)
    rejected = _count("Rows that changed nothing.", 1)
    blank_lines = _count("Lines that hold nothing, and are no rows.", 0)
    encoding = ma.fields.String(
        required=True,
        metadata={"description": "The encoding that was detected or declared.", "example": "windows-1251"},
    )
    delimiter = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What stands between the cells of CSV; null for JSON lines.", "example": ";"},
    )
    columns = _texts("The columns, as the file names them.", ["phone_number", "operator_code", "tag", "timezone"])
    ignored_columns = _texts("Those that no client has. They are not read.", [])
    sample = ma.fields.List(
        ma.fields.Nested(SampleRow),
        required=True,
        metadata={"description": "The first five rows, cells cut after 200."},
    )
    reasons = ma.fields.List(
        ma.fields.Nested(RowReason),
        required=True,
        metadata={"description": "What is wrong with how many rows, the most frequent first: the first 100."},
    )
    reasons_left_out = _count("Reasons beyond those.", 0)
    errors = ma.fields.List(
        ma.fields.Nested(RowFault),
        required=True,
        metadata={"description": "What is wrong with which row, by line, for the first 1,000. All as `text/csv`."},
    )
    errors_left_out = _count("Rejected rows beyond those.", 0)
