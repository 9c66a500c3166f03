"""How a CSV file is written: for programs, or for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import TrueOrFalse

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
BYTE_ORDER_MARK = "\ufeff"


class CsvFormArguments(ma.Schema):
    """How CSV is to be written, in a query string."""

    delimiter = ma.fields.String(
        load_default="comma",
        validate=validate.OneOf(DELIMITERS, error="Must be one of: comma, semicolon, tab."),
        metadata={
            "description": "Between the cells of CSV. Excel expects the one of the regional settings, in Russia and "
            "most of Europe a semicolon.",
            "example": "semicolon",
        },
    )
    bom = TrueOrFalse(
        load_default=False,
        metadata={
            "description": "Whether CSV begins with a byte order mark, by which Excel knows that it is UTF-8.",
            "example": True,
        },
    )


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The delimiter, and what stands before the first line."""

    delimiter: str = ","
    bom: bool = False

    @classmethod
    def of(cls, delimiter: str, bom: bool) -> CsvForm:
        """What CsvFormArguments ask for."""
        return cls(DELIMITERS[delimiter], bom)

    @property
    def beginning(self) -> str:
        """A byte order mark, or nothing."""
        return BYTE_ORDER_MARK if self.bom else ""

    def lines(self, rows: Iterable[Sequence[Any]]) -> str:
        """Rows as CSV (RFC 4180, but for the delimiter)."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter).writerows(rows)
        return text.getvalue()
