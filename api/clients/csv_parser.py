"""A CSV parser for any common delimiter, which accounts for every row even if quotes are wrong.

A row ends with its line, unless a quoted cell continues in the next line (RFC 4180). A misplaced quote would absorb the
rows after it; so a cell may continue only while the following lines do not look like rows. If they do, or the quote is
never closed, only the line with the quote is rejected, and the next line is a row again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from werkzeug.exceptions import BadRequest

from api.clients.import_columns import COLUMNS, column_indexes, count_known
from api.clients.import_rows import Row, UnparsableRow
from api.clients.line_reader import END_OF_FILE, MAX_LINE, Line, LineReader
from api.http.csv_files import unescape_formula
from shared.domain.client_rules import MAX_LABEL
from shared.domain.sentences import ErrorCode, Sentence

DELIMITERS = (",", ";", "\t", "|")
"""The delimiters to detect, in this order, if the first line does not declare one."""

_BLANK = f" \t\r\n\ufeff{END_OF_FILE}"
# A first line that declares the delimiter; Excel reads and writes it.
_SEPARATOR = re.compile('"?sep=([^"\\w\\s]|\t)"?[\r\n]*', re.IGNORECASE)
_PHONE_LIKE = re.compile(r"[\s\"'+(\-]*(?:[0-9][\s\-().]*){7,15}[\s\"']*")
# Written by people, not by programs: `a, "b, c"`.
_BLANK_BEFORE_QUOTE = re.compile('[,;\t|] +"')


@dataclass(slots=True)
class CsvFile:
    """A CSV file whose first line has been read."""

    lines: LineReader
    delimiter: str
    names: Sequence[str]
    """The columns as the file names them."""
    indexes: tuple[int, ...]
    """Where each of COLUMNS is."""
    blank_lines: int = 0
    """Blank lines so far."""

    @property
    def ignored(self) -> Sequence[str]:
        """The columns that are not fields of a client."""
        return [name for index, name in enumerate(self.names) if index not in self.indexes]

    def rows(self) -> Iterator[Row]:
        """The rows, each with its cells as they are in the file."""
        lines, delimiter, size = self.lines, self.delimiter, len(self.names)
        pick = itemgetter(*self.indexes)
        for line in lines:
            number, fault = lines.number, lines.fault
            cells: list[str] = []
            if fault:
                pass
            elif '"' in line:
                cells, line, fault = self._quoted(Line(number, line, None))
            else:
                cells = line.rstrip("\r\n").split(delimiter)
            if len(cells) == size and not fault:
                values = pick(cells)
                if "'" in line:
                    values = tuple(map(unescape_formula, values))
                yield number, dict(zip(COLUMNS, values, strict=True)), cells
            elif not fault and not line.strip(_BLANK):
                self.blank_lines += 1
            else:
                fault = fault or ErrorCode.WRONG_NUMBER_OF_COLUMNS(count=len(cells), expected=size)
                yield number, UnparsableRow(fault), cells or line.rstrip("\r\n").split(delimiter)

    def _quoted(self, first: Line) -> tuple[list[str], str, Sentence | None]:
        """The cells of a row with quotes, its text, and its error."""
        text, delimiter = first.text, self.delimiter
        skip_blanks = ' "' in text and _BLANK_BEFORE_QUOTE.search(text) is not None
        cells, fault = _parse((text,), delimiter, skip_blanks)
        if not fault:
            return cells, text, None
        taken = [first]
        cells, fault = _parse(self._continuation(taken), delimiter, skip_blanks)
        if len(taken) > 1 and (fault or len(cells) != len(self.names)):
            self.lines.give_back(taken[1:])
            return [], text, ErrorCode.QUOTE_NOT_CLOSED()
        if fault and text.count('"') % 2:
            fault = ErrorCode.QUOTE_NOT_CLOSED()
        return cells, "".join(line.text for line in taken), fault

    def _continuation(self, taken: list[Line]) -> Iterator[str]:
        """Yields the lines of a row while they may be one row; adds those after the first to `taken`."""
        yield taken[0].text
        like_rows = int(self._looks_like_a_row(taken[0].text))
        length = len(taken[0].text)
        # A client's texts have no more lines than characters.
        while len(taken) <= MAX_LABEL and length < MAX_LINE and (text := next(self.lines, None)) is not None:
            taken.append(Line(self.lines.number, text, self.lines.fault))
            length += len(text)
            like_rows += self._looks_like_a_row(text)
            if like_rows > 1 or self.lines.fault:
                return
            yield text

    def _looks_like_a_row(self, text: str) -> bool:
        cells = text.split(self.delimiter, len(self.names))
        index = self.indexes[0]
        return len(cells) >= len(self.names) or (
            1 < len(cells) > index and _PHONE_LIKE.fullmatch(cells[index]) is not None
        )


def open_csv(lines: LineReader) -> CsvFile:
    """Reads the header and returns the file.

    Raises BadRequest when it is empty or its first line can't be read; responds with 422 when that names other columns.
    """
    first = next((line for line in lines if lines.fault or line.strip(_BLANK)), "")
    if not lines.number:
        raise BadRequest(ErrorCode.FILE_EMPTY())
    blank_lines = lines.number - 1
    delimiter = ""
    if (separator := _SEPARATOR.fullmatch(first)) and not lines.fault:
        delimiter = separator[1]
        first = next(lines, "")
    if lines.fault:
        raise BadRequest(ErrorCode.HEADER_UNREADABLE(fault=lines.fault))
    delimiter, names = _header(_whole_header(first, lines), (delimiter,) if delimiter else DELIMITERS)
    return CsvFile(lines, delimiter, names, column_indexes(names), blank_lines)


def _whole_header(first: str, lines: LineReader) -> list[str]:
    """The lines of the first row: a column's name may continue in the next line."""
    taken = [Line(lines.number, first, None)]
    quotes, length = first.count('"'), len(first)
    while quotes % 2 and length < MAX_LINE and len(taken) <= MAX_LABEL and (text := next(lines, None)) is not None:
        taken.append(Line(lines.number, text, lines.fault))
        quotes += text.count('"')
        length += len(text)
    if quotes % 2:
        lines.give_back(taken[1:])
        return [first]
    return [line.text for line in taken]


def _header(lines: Sequence[str], delimiters: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter with which the first row names most columns, and its cells. Raises BadRequest if it is not CSV."""
    read = {delimiter: _parse(lines, delimiter) for delimiter in delimiters}
    best = max(read, key=lambda delimiter: (count_known(read[delimiter][0]), len(read[delimiter][0])))
    if faults := [fault for _, fault in read.values() if fault and not count_known(read[best][0])]:
        raise BadRequest(ErrorCode.HEADER_UNREADABLE(fault=faults[0]))
    return best, read[best][0]


def _parse(lines: Iterable[str], delimiter: str, skip_blanks: bool = False) -> tuple[list[str], Sentence | None]:
    """The cells of the first row, and its error."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=skip_blanks)
    try:
        return next(reader, []), None
    except csv.Error:
        return [], ErrorCode.QUOTE_NOT_DOUBLED()
