"""The upload of an import file: a request's body as a CSV or NDJSON file, which is read as it arrives.

It is read in chunks of bounded size, from bytes (here) to lines (line_reader.py) to rows (csv_parser.py,
ndjson_parser.py).

An error in one row rejects that row. The whole file is refused, before anything has changed, only if it can't be read
at all: it is not text, its encoding can't be detected, its header names no columns, gzip is broken, or it ends early.
"""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Callable
from typing import Any

from flask import Request
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)

from api.clients.csv_parser import CsvFile, read_header
from api.clients.import_options import ImportOptions
from api.clients.line_reader import CHUNK_BYTES, LineReader
from api.clients.ndjson_parser import NdjsonFile
from shared.domain.sentences import ErrorCode

CSV, NDJSON = "text/csv", "application/x-ndjson"

UPLOAD_TIMEOUT = 3600.0
"""Seconds from an upload's first byte to its last: it occupies a thread of the API, but nothing in the database."""

ClientsFile = CsvFile | NdjsonFile


def open_upload(request: Request, max_bytes: int, options: ImportOptions) -> ClientsFile:
    """Opens a request's body as CSV or NDJSON, plain or compressed with gzip; of CSV, the header is read.

    `wrong` of the file has the errors among its columns.

    Raises UnsupportedMediaType for a body that is not declared as such a file, or is not one, and BadRequest for
    a header that can't be read. Reading the rows raises BadRequest if the encoding can't be detected,
    RequestEntityTooLarge beyond `max_bytes` (also uncompressed), ClientDisconnected when the body ends early and
    RequestTimeout when it takes longer than UPLOAD_TIMEOUT.
    """
    return open_as(request, max_bytes, lambda lines: read_header(lines, options))


def open_as(request: Request, max_bytes: int, read_csv: Callable[[LineReader], CsvFile]) -> ClientsFile:
    """As `open_upload`; `read_csv` reads the header of CSV."""
    if request.mimetype not in (CSV, NDJSON):
        raise UnsupportedMediaType(ErrorCode.FILE_TYPE_UNKNOWN(csv=CSV, ndjson=NDJSON))
    stream = open_body(request, max_bytes)
    if request.mimetype == CSV:
        return read_csv(LineReader(stream, request.mimetype_params.get("charset", "")))
    # RFC 8259, section 8.1: JSON is in UTF-8.
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(ErrorCode.FILE_JSON_NOT_UTF_8())
    return NdjsonFile(LineReader(stream, "utf-8"))


def open_body(request: Request, max_bytes: int) -> io.RawIOBase:
    """A request's body as a stream, without its compression. Raises as `open_upload` does."""
    request.max_content_length = max_bytes
    match request.headers.get("Content-Encoding", "identity").lower():
        case "gzip":
            return _GunzipReader(_Body(request), max_bytes)
        case "identity":
            return _Body(request)
        case _:
            raise UnsupportedMediaType(ErrorCode.CONTENT_ENCODING_UNKNOWN())


class _Body(io.RawIOBase):
    """A request's body, chunk by chunk. An early end is an error: the file would be incomplete."""

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
            raise ClientDisconnected(ErrorCode.FILE_CUT_OFF()) from None
        self._read += len(data)
        if not data and self._length is not None and self._read < self._length:
            raise ClientDisconnected(ErrorCode.FILE_CUT_OFF())
        if time.monotonic() > self._deadline:
            raise RequestTimeout(ErrorCode.UPLOAD_TOO_SLOW())
        buffer[: len(data)] = data
        return len(data)


class _GunzipReader(io.RawIOBase):
    """Decompresses gzip, up to `limit` bytes: few compressed bytes can expand to very many."""

    def __init__(self, compressed: io.RawIOBase, limit: int) -> None:
        self._file = gzip.GzipFile(fileobj=io.BufferedReader(compressed, CHUNK_BYTES))
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read1(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise BadRequest(ErrorCode.NOT_GZIP()) from error
        self._left -= len(data)
        if self._left < 0:
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)
