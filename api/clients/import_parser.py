"""An upload, read as it arrives: in pieces of bounded size, from bytes to lines to rows, whatever is in it.

What is wrong with one row is that row's. The whole file is refused, before anything has changed, only when it can't be
told what it is: no text, an encoding that nobody can tell, a first line that names no columns, a broken gzip, an early
end.
"""

from __future__ import annotations

import gzip
import io
import time
import zlib
from typing import Any

from flask import Request
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)

from api.clients.csv_reader import CsvFile, csv_file
from api.clients.file_rows import NdjsonFile
from api.clients.lines import PIECE, Lines

CSV, NDJSON = "text/csv", "application/x-ndjson"

UPLOAD_TIMEOUT = 3600.0
"""Seconds from an upload's first byte to its last: it holds a thread of the API, though nothing in the database."""

_CUT_OFF = "The body ended early, or did not go on. Nothing has changed."

ClientsFile = CsvFile | NdjsonFile


def open_upload(request: Request, max_bytes: int) -> ClientsFile:
    """The file that a request's body is, CSV or NDJSON, plain or compressed with gzip; of CSV, the first line is read.

    Raises UnsupportedMediaType for what is not announced as such a file, or is none, and BadRequest or 422 for a first
    line that names other columns. Reading the rows raises BadRequest when nobody can tell the encoding,
    RequestEntityTooLarge beyond `max_bytes` (unpacked, too), ClientDisconnected when the body ends early and
    RequestTimeout when it goes on for longer than UPLOAD_TIMEOUT.
    """
    if request.mimetype not in (CSV, NDJSON):
        raise UnsupportedMediaType(f"Send the clients as Content-Type: {CSV} or {NDJSON}.")
    request.max_content_length = max_bytes
    stream: io.RawIOBase = _Body(request)
    match request.headers.get("Content-Encoding", "identity").lower():
        case "gzip":
            stream = _GunzipReader(stream, max_bytes)
        case "identity":
            pass
        case _:
            raise UnsupportedMediaType("The only Content-Encoding that is taken is gzip.")
    if request.mimetype == CSV:
        return csv_file(Lines(stream, request.mimetype_params.get("charset", "")))
    # RFC 8259, section 8.1: JSON is in UTF-8.
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send JSON in UTF-8.")
    return NdjsonFile(Lines(stream, "utf-8"))


class _Body(io.RawIOBase):
    """A request's body, piece by piece. An early end is no end: what came by then is not what was meant."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream
        self._length = request.content_length
        self._read = 0
        self._deadline = time.monotonic() + UPLOAD_TIMEOUT

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


class _GunzipReader(io.RawIOBase):
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
