"""The parser of an NDJSON file: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from werkzeug.exceptions import BadRequest

from api.clients.import_columns import COLUMNS
from api.clients.import_rows import Row, UnparsableRow
from api.clients.line_reader import LineReader
from api.http.json_body import strict_json
from shared.domain.sentences import ErrorCode


@dataclass(slots=True)
class NdjsonFile:
    """A file with one JSON object a line, in UTF-8."""

    lines: LineReader
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
                    yield lines.number, strict_json(line.encode(), "line"), None
                except BadRequest as error:
                    yield lines.number, UnparsableRow(error.description or ""), [line.rstrip("\r\n")]
        if not lines.number:
            raise BadRequest(ErrorCode.FILE_EMPTY())
