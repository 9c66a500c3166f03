"""An upload, read as it arrives: in pieces of bounded size, from bytes to lines to rows, whatever is in it.

What is wrong with one row is that row's. The whole file is refused, before anything has changed, only when it can't be
told where its next row begins: a header that names no columns, a quote never closed, a broken gzip, an early end.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Request
from webargs.flaskparser import abort
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)

from api.clients.cells import unguarded
from api.clients.schemas import ClientBody
from api.json_body import strict_json
from shared.clients import MAX_LABEL

CSV, NDJSON = "text/csv", "application/x-ndjson"
COLUMNS = ClientBody.Meta.fields

UPLOAD_PATIENCE = 3600.0
"""Seconds from an upload's first byte to its last: it holds a thread of the API, though nothing in the database."""
PIECE = 65_536
"""Bytes that are read at a time."""
MAX_LINE = 65_536
"""Characters. A row has some 150; what has no line ends is not a file of rows."""

_CUT_OFF = "The body ended early, or did not go on. Nothing has changed."
_EMPTY = "The file is empty."
_LINE_ENDS = ("\n", "\r")
# How bytes that are not UTF-8 look after decoding with surrogateescape (PEP 383).
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that has no fields to look at, and why."""

    reason: str


Row = tuple[int, Any]
"""The number of the line where a row begins, counted from 1, and its fields by name; or what else was there."""


def read_rows(request: Request, max_bytes: int) -> Iterator[Row]:
    """The rows of a request's body, CSV or NDJSON, plain or compressed with gzip.

    Raises UnsupportedMediaType at once. Reading on raises BadRequest for a file whose rows can't be told apart,
    RequestEntityTooLarge beyond `max_bytes` (unpacked, too), ClientDisconnected when it ends early and RequestTimeout
    when it goes on for longer than UPLOAD_PATIENCE; 422 answers a header with wrong columns.
    """
    if request.mimetype not in (CSV, NDJSON):
        raise UnsupportedMediaType(f"Send the clients as Content-Type: {CSV} or {NDJSON}.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send the clients in UTF-8.")
    request.max_content_length = max_bytes
    stream: io.RawIOBase = _Body(request)
    match request.headers.get("Content-Encoding", "identity").lower():
        case "gzip":
            stream = _Unpacked(stream, max_bytes)
        case "identity":
            pass
        case _:
            raise UnsupportedMediaType("The only Content-Encoding that is taken is gzip.")
    lines = Lines(stream)
    return csv_rows(lines) if request.mimetype == CSV else ndjson_rows(lines)


class Lines:
    """The lines of a file in UTF-8, with or without a byte order mark.

    One that can't be read comes as an empty line, and `fault` says why until it is taken.
    """

    def __init__(self, stream: io.RawIOBase) -> None:
        # newline="": lines end as they do in the file, which tells a line end from one inside quotes.
        self._text = io.TextIOWrapper(io.BufferedReader(stream, PIECE), "utf-8-sig", "surrogateescape", newline="")
        self.number = 0
        self.fault = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == MAX_LINE and not line.endswith(_LINE_ENDS):
            self.fault = f"Is longer than {MAX_LINE:,} characters."
            while line and not line.endswith(_LINE_ENDS):
                line = self._text.readline(MAX_LINE)
            return "\n"
        if not line.isascii() and _UNDECODED.search(line):
            self.fault = "Is not UTF-8."
            return "\n"
        return line

    def take_fault(self) -> str:
        """What is wrong with the last line or lines, if anything; asked again, nothing is."""
        fault, self.fault = self.fault, ""
        return fault


def csv_rows(lines: Lines) -> Iterator[Row]:
    """The rows of a CSV file (RFC 4180) whose first line names the columns, in any order."""
    reader = csv.reader(lines, strict=True)
    names = _header(reader, lines)
    while True:
        first = lines.number + 1
        reason = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"Is not CSV: {error}."
        reason = reason or lines.take_fault()
        # What was meant to end in the first line has taken others in: which, nobody can know.
        if lines.number > first and (reason or lines.number - first > MAX_LABEL):
            raise BadRequest(f"A quote that line {first} opens is not closed, or not where its cell ends.")
        if reason:
            yield first, Unreadable(reason)
        elif cells and len(cells) != len(names):
            yield first, Unreadable(f"Has {len(cells)} columns, and the header has {len(names)}.")
        elif cells:
            fields = dict(zip(names, cells, strict=True))
            fields["tag"] = unguarded(fields["tag"])
            yield first, fields


def ndjson_rows(lines: Lines) -> Iterator[Row]:
    """The rows of a file with one JSON object a line. Blank lines are none."""
    for line in lines:
        if fault := lines.take_fault():
            yield lines.number, Unreadable(fault)
        elif not line.isspace():
            try:
                yield lines.number, strict_json(line.encode(), "The line")
            except BadRequest as error:
                yield lines.number, Unreadable(error.description or "")
    if not lines.number:
        raise BadRequest(_EMPTY)


def _header(reader: Iterator[list[str]], lines: Lines) -> list[str]:
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise BadRequest(f"The first line, which names the columns, is not CSV: {error}.") from error
    if not lines.number:
        raise BadRequest(_EMPTY)
    if fault := lines.take_fault():
        raise BadRequest(f"The first line, which names the columns: {fault}")
    wrong = {name: ["Missing column: the first line names all four."] for name in COLUMNS if name not in names}
    wrong |= {name[:MAX_LABEL]: ["Unknown column."] for name in names if name not in COLUMNS}
    wrong |= {name: ["Named more than once."] for name in COLUMNS if names.count(name) > 1}
    if wrong:
        abort(422, errors={"csv": wrong})
    return names


class _Body(io.RawIOBase):
    """A request's body, piece by piece. An early end is no end: what came by then is not what was meant."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream
        self._length = request.content_length
        self._read = 0
        self._deadline = time.monotonic() + UPLOAD_PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except ClientDisconnected:
            raise ClientDisconnected(_CUT_OFF) from None
        self._read += len(data)
        if not data and self._length is not None and self._read < self._length:
            raise ClientDisconnected(_CUT_OFF)
        if time.monotonic() > self._deadline:
            raise RequestTimeout("The upload has taken too long.")
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(io.RawIOBase):
    """What gzip packed, up to `limit` bytes: a few packed ones can stand for very many."""

    def __init__(self, packed: io.RawIOBase, limit: int) -> None:
        self._file = gzip.GzipFile(fileobj=io.BufferedReader(packed, PIECE))
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read1(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise BadRequest("The body is not gzip, or not the whole of it.") from error
        self._left -= len(data)
        if self._left < 0:
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)
