"""The rows of a file, common to all formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import BadRequest

from api.clients.file_columns import COLUMNS
from api.clients.lines import Lines
from api.http.json_body import strict_json

EMPTY_FILE = "The file is empty."


@dataclass(frozen=True, slots=True)
class UnparsableRow:
    """A row that can't be parsed into fields, and why."""

    reason: str


Row = tuple[int, Any, Sequence[str] | None]
"""The number of the line where a row begins, counted from 1; its fields by name, or another JSON value; and its
cells as they are in the file, if it has cells."""


@dataclass(slots=True)
class NdjsonFile:
    """A file with one JSON object a line, in UTF-8."""

    lines: Lines
    names: Sequence[str] = COLUMNS
    ignored: Sequence[str] = ()
    delimiter: str | None = None
    blank_lines: int = 0

    def rows(self) -> Iterator[Row]:
        """The rows. Raises BadRequest if the file is empty."""
        lines = self.lines
        for line in lines:
            if lines.fault:
                yield lines.number, UnparsableRow(lines.fault), [line]
            elif not line or line.isspace():
                self.blank_lines += 1
            else:
                try:
                    yield lines.number, strict_json(line.encode(), "The line"), None
                except BadRequest as error:
                    yield lines.number, UnparsableRow(error.description or ""), [line.rstrip("\r\n")]
        if not lines.number:
            raise BadRequest(EMPTY_FILE)
