"""A CSV parser for any common delimiter, which accounts for every row even if quotes are wrong.

A row ends with its line, unless a quoted cell continues in the next line (RFC 4180). A misplaced quote would absorb the
rows after it; so a cell may continue only while the following lines do not look like rows. If they do, or the quote is
never closed, only the line with the quote is rejected, and the next line is a row again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Protocol

from werkzeug.exceptions import BadRequest

from api.clients.import_columns import COLUMNS, Column, Faults, Recogniser, check_columns
from api.clients.import_options import ImportOptions
from api.clients.import_rows import Row, UnparsableRow
from api.clients.line_reader import END_OF_FILE, MAX_LINE, Line, LineReader
from api.http.csv_files import unescape_formula
from shared.domain.attribute_values import MAX_BYTES
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


class ColumnRecogniser(Protocol):
    """Finds the fields that the columns of a file are, by their names."""

    def count_known(self, names: Iterable[str]) -> int:
        """How many fields these header cells name."""

    def columns(self) -> tuple[Sequence[Column], Faults]:
        """The columns of the file, and the errors among them."""


@dataclass(slots=True)
class CsvFile:
    """A CSV file whose first line has been read."""

    lines: LineReader
    delimiter: str
    names: Sequence[str]
    """The columns as the file names them."""
    columns: Sequence[Column]
    """The fields that they are."""
    wrong: Faults
    """The errors among them: if there are any, no row can be read."""
    blank_lines: int = 0
    """Blank lines so far."""
    picked: Sequence[str] = COLUMNS
    """The fields that `rows` gives by their names."""

    @property
    def ignored(self) -> Sequence[str]:
        """The columns that are not fields of a client."""
        return [column.name for column in self.columns if column.target is None]

    def in_columns(self, cells: Sequence[str]) -> Sequence[str]:
        """The cells of a row in the order of `names`."""
        return cells

    @property
    def indexes(self) -> dict[str, int]:
        """Where each of `picked` is that the file has."""
        found = {column.target: column.place for column in self.columns if column.key is None}
        return {name: found[name] for name in self.picked if name in found}

    def rows(self) -> Iterator[Row]:
        """The rows, each with its cells as they are in the file. The fields are those of `picked` that it has."""
        lines, delimiter, size = self.lines, self.delimiter, len(self.names)
        indexes = self.indexes
        names, pick = tuple(indexes), _picker(tuple(indexes.values()))
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
                yield number, dict(zip(names, values, strict=True)), cells
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
        # A client's attributes have no more lines than characters.
        while len(taken) <= MAX_BYTES and length < MAX_LINE and (text := next(self.lines, None)) is not None:
            taken.append(Line(self.lines.number, text, self.lines.fault))
            length += len(text)
            like_rows += self._looks_like_a_row(text)
            if like_rows > 1 or self.lines.fault:
                return
            yield text

    def _looks_like_a_row(self, text: str) -> bool:
        cells = text.split(self.delimiter, len(self.names))
        index = next((column.place for column in self.columns if column.target == COLUMNS[0]), len(cells))
        return len(cells) >= len(self.names) or (
            1 < len(cells) > index and _PHONE_LIKE.fullmatch(cells[index]) is not None
        )


def open_csv(lines: LineReader, options: ImportOptions | None = None) -> CsvFile:
    """Reads the header and returns the file, as `read_header`. Responds with 422 when that names other columns."""
    file = read_header(lines, options or ImportOptions())
    check_columns(file.wrong)
    return file


def read_header(lines: LineReader, options: ImportOptions) -> CsvFile:
    """Reads the header of a file of clients, as `read_header_as` does."""
    return read_header_as(lines, partial(Recogniser, options))


def read_header_as(
    lines: LineReader, recogniser: Callable[[Sequence[str]], ColumnRecogniser], picked: Sequence[str] = COLUMNS
) -> CsvFile:
    """Reads the header and returns the file, whose `wrong` has the errors among its columns.

    `recogniser` gets the names of the columns. Raises BadRequest when it is empty or its first line can't be read.
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
    delimiters = (delimiter,) if delimiter else DELIMITERS
    delimiter, names = _header(_whole_header(first, lines), delimiters, recogniser(()).count_known)
    columns, wrong = recogniser(names).columns()
    return CsvFile(lines, delimiter, names, columns, wrong, blank_lines, picked)


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


def _header(
    lines: Sequence[str], delimiters: Sequence[str], count_known: Callable[[Sequence[str]], int]
) -> tuple[str, list[str]]:
    """The delimiter with which the first row names most columns, and its cells. Raises BadRequest if it is not CSV."""
    read = {delimiter: _parse(lines, delimiter) for delimiter in delimiters}
    best = max(read, key=lambda delimiter: (count_known(read[delimiter][0]), len(read[delimiter][0])))
    if faults := [fault for _, fault in read.values() if fault and not count_known(read[best][0])]:
        raise BadRequest(ErrorCode.HEADER_UNREADABLE(fault=faults[0]))
    return best, read[best][0]


def _picker(indexes: Sequence[int]) -> Callable[[Sequence[str]], tuple[Any, ...]]:
    """The function that returns the cells at these indexes."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda cells: tuple(cells[index] for index in indexes)


def _parse(lines: Iterable[str], delimiter: str, skip_blanks: bool = False) -> tuple[list[str], Sentence | None]:
    """The cells of the first row, and its error."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=skip_blanks)
    try:
        return next(reader, []), None
    except csv.Error:
        return [], ErrorCode.QUOTE_NOT_DOUBLED()
