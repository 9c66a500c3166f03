"""The parser of an NDJSON file: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from werkzeug.exceptions import BadRequest

from api.clients.import_columns import COLUMNS, OTHERS, Column, Faults
from api.clients.import_rows import Row, UnparsableRow
from api.clients.line_reader import LineReader
from api.http.json_body import strict_json
from shared.domain.sentences import ErrorCode


@dataclass(slots=True)
class NdjsonFile:
    """A file with one JSON object a line, in UTF-8."""

    lines: LineReader
    columns: Sequence[Column] = ()
    wrong: Faults = field(default_factory=dict)
    delimiter: str | None = None
    blank_lines: int = 0
    others: set[str] = field(default_factory=set)
    """Those of OTHERS that a row so far has."""

    @property
    def names(self) -> Sequence[str]:
        """The names that its objects have."""
        return (*COLUMNS, *(name for name in OTHERS if name in self.others))

    def in_columns(self, cells: Sequence[str]) -> Sequence[str]:
        """The cells of a row in the order of `names`."""
        if len(cells) != len(COLUMNS) + len(OTHERS):
            return cells
        return [cell for name, cell in zip((*COLUMNS, *OTHERS), cells, strict=True) if name in self.names]

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
                    row = strict_json(line.encode(), "line")
                    if type(row) is dict and len(row) != len(COLUMNS):
                        self.others.update(name for name in OTHERS if name in row)
                    yield lines.number, row, None
                except BadRequest as error:
                    yield lines.number, UnparsableRow(error.description or ""), [line.rstrip("\r\n")]
        if not lines.number:
            raise BadRequest(ErrorCode.FILE_EMPTY())
