"""The writer of CSV files for the API and the console, with escaping against CSV injection.

A spreadsheet treats a cell that begins with one of a few characters as a formula (OWASP, CSV Injection). Such a cell
gets a quote before it; one that begins with quotes and then such a character gets one more, and reading removes one. So
an import restores every text that an export has written.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import validate

from api.http.fields import TrueOrFalse, rfc_3339

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
BYTE_ORDER_MARK = "\ufeff"

# The full-width forms too: spreadsheets for East Asian scripts treat them like the others.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


class CsvFormArguments(ma.Schema):
    """Options of a CSV file, in a query string."""

    delimiter = ma.fields.String(
        load_default="comma",
        validate=validate.OneOf(DELIMITERS, error="Must be one of: comma, semicolon, tab."),
        metadata={
            "description": "The delimiter of CSV. Excel expects the one of the regional settings, in Russia and "
            "most of Europe a semicolon.",
            "example": "semicolon",
        },
    )
    bom = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Whether CSV begins with a byte order mark, by which Excel recognises UTF-8.",
            "example": True,
        },
    )


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The delimiter of a CSV file, and whether it has a byte order mark."""

    delimiter: str = ","
    bom: bool = False

    @classmethod
    def of(cls, delimiter: str, bom: bool) -> CsvForm:
        """The form that CsvFormArguments describe."""
        return cls(DELIMITERS[delimiter], bom)

    @property
    def beginning(self) -> str:
        """A byte order mark, or nothing."""
        return BYTE_ORDER_MARK if self.bom else ""

    def lines(self, rows: Iterable[Sequence[Any]]) -> str:
        """Rows of cells as CSV (RFC 4180, but for the delimiter)."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter).writerows(rows)
        return text.getvalue()


def cell(value: object) -> object:
    """A value as a cell: `yes` and `no`, times in UTC, and text escaped so that it is not a formula."""
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return rfc_3339(value)
        case str():
            return escape_formula(value)
        case _:
            return value


def escape_formula(text: str) -> str:
    """The text as a cell that is not a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_formula(written: str) -> str:
    """Reverses `escape_formula`; other cells are returned unchanged."""
    return written[1:] if written.startswith("'") and _FORMULA.match(written) else written


def saved_as(name: str) -> dict[str, str]:
    """The header with which a browser saves a response under that name."""
    return {"Content-Disposition": f"attachment; filename={name}"}


def csv_response(pieces: Iterable[str], name: str) -> Response:
    """A response with a CSV file that is written while it is sent."""
    return Response(pieces, content_type="text/csv; charset=utf-8", headers=saved_as(name))
