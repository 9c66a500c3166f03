"""The lines of a file as text, read in chunks."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from api.clients.encoding_detection import HEAD, Encoding, Undecodable, encoding_of
from shared.domain.sentences import ErrorCode, Sentence

CHUNK_BYTES = 65_536
"""Bytes that are read at a time."""
MAX_LINE = 65_536
"""Characters. A row has some 150; the limit rejects files without line ends."""
MAX_SHOWN = 200
"""Characters that are kept of a longer line, to identify it."""

LINE_ENDS = ("\n", "\r")
END_OF_FILE = "\x1a"
"""Ctrl-Z, the end of a text file in DOS."""


class Line(NamedTuple):
    """A line that was read, with its number from 1 and its error, if any."""

    number: int
    text: str
    fault: Sentence | None


class LineReader:
    """The lines of a file, each with its line end (LF, CR LF or CR).

    `number` is the number of the last line read, from 1; `fault` says why it can't be read, or is None. Reading raises
    BadRequest if the encoding can't be detected; creating raises UnsupportedMediaType for a file that is not text.
    """

    def __init__(self, stream: io.RawIOBase | io.BytesIO, encoding: str = "") -> None:
        """`encoding` is the declared one; if empty, it is detected."""
        head = _read(stream, HEAD)
        self.encoding: Encoding
        self.encoding, head = encoding_of(head, encoding)
        codec, errors = self.encoding.read_as
        # newline="" keeps line ends unchanged, so that those within quotes are preserved.
        whole = io.BufferedReader(_Rejoined(head, stream), CHUNK_BYTES)
        self._text = io.TextIOWrapper(whole, codec, errors, newline="")
        self._readline = self._text.readline
        self._again: deque[Line] = deque()
        self.number = 0
        self.fault: Sentence | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            self.number, text, self.fault = self._again.popleft()
            return text
        line = self._readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.fault = None
        if line[-1] in LINE_ENDS and line.isascii():
            return line
        return self._look_at(line)

    def give_back(self, lines: Sequence[Line]) -> None:
        """Pushes lines back, to be read again before all others."""
        self._again.extendleft(reversed(lines))

    def _look_at(self, line: str) -> str:
        if line[-1] not in LINE_ENDS:
            if len(line) == MAX_LINE:
                return self._skip(line)
            # The last line of the file.
            line = line.rstrip(END_OF_FILE)
        if not line.isascii():
            try:
                # Concatenated files have a byte order mark at the beginning of each.
                line = self.encoding.text(line, self.number).lstrip("\ufeff")
            except Undecodable as error:
                self.fault = error.sentence
        return line

    def _skip(self, line: str) -> str:
        self.fault = ErrorCode.LINE_TOO_LONG()
        shown = line[:MAX_SHOWN]
        while line and not line.endswith(LINE_ENDS):
            line = self._readline(MAX_LINE)
        return shown


class _Rejoined(io.RawIOBase):
    """A stream together with its beginning, which was read already."""

    def __init__(self, head: bytes, rest: io.RawIOBase | io.BytesIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            return self._rest.readinto(buffer) or 0
        size = min(len(buffer), len(self._head))
        buffer[:size] = self._head[:size]
        self._head = self._head[size:]
        return size


def _read(stream: io.RawIOBase | io.BytesIO, size: int) -> bytes:
    """Reads `size` bytes, or fewer at the end of the stream."""
    pieces: list[bytes] = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
