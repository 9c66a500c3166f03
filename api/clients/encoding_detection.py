"""Detection of a file's encoding while the file is read, without buffering it.

A byte order mark decides, and so do the zero bytes of UTF-16. A file with neither is read as UTF-8 line by line, and
the first line that is not valid UTF-8 decides: the file is Windows-1251 if all before it was ASCII. Nothing is guessed:
a single ambiguous line is rejected, and a file whose lines contradict each other is refused before anything has
changed. The caller can declare the encoding instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from shared.domain.sentences import ErrorCode
from shared.errors import CodedError

UTF_8, UTF_16LE, UTF_16BE, WINDOWS_1251 = "utf-8", "utf-16le", "utf-16be", "windows-1251"
CHOICES = (UTF_8, WINDOWS_1251, UTF_16LE, UTF_16BE, "windows-1252", "koi8-r", "ibm866")
"""The encodings that a caller may declare, by their names in the WHATWG Encoding Standard, which HTTP uses."""
ALIASES = {
    **{"utf8": UTF_8, "utf-16": UTF_16LE, "utf16": UTF_16LE, "utf-16-le": UTF_16LE, "utf-16-be": UTF_16BE},
    **{"us-ascii": UTF_8, "ascii": UTF_8, "cp1251": WINDOWS_1251, "win-1251": WINDOWS_1251, "cp1252": "windows-1252"},
    **{"cp866": "ibm866", "866": "ibm866"},
}
HEAD = 4096
"""Bytes at the beginning that are inspected."""

_NOT_TEXT = (
    (b"PK\x03\x04", ErrorCode.WORKBOOK),
    (b"\xd0\xcf\x11\xe0", ErrorCode.OLD_WORKBOOK),
    (b"\x1f\x8b", ErrorCode.PACKED),
    (b"%PDF-", ErrorCode.PDF),
    (b"\xff\xfe\0\0", ErrorCode.UTF_32),
    (b"\0\0\xfe\xff", ErrorCode.UTF_32),
)
_MARKS = ((b"\xef\xbb\xbf", UTF_8), (b"\xff\xfe", UTF_16LE), (b"\xfe\xff", UTF_16BE))

_CERTAIN = 4
"""Valid UTF-8 characters beyond ASCII after which the encoding is certain: in Windows-1251 each would be a capital
letter followed by a sign such as ё or №."""

# Bytes that are not UTF-8, decoded with surrogateescape (PEP 383); and the replacement character.
_UNDECODED = re.compile("[\udc80-\udcff]")
_REPLACED = re.compile("\ufffd")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")

# Signs that text read as Windows-1251 is in another encoding: signs and letters that no Russian word has (IBM866);
# Cyrillic letters within a Latin word, or é at its end (Windows-1252); words in which only the first letter is small
# (KOI8-R).
_NOT_1251 = re.compile(
    "[ЂЃѓ†‡‰Љ‹ЊЌЋЏђљ›њќћџЈ¤¦¬\xad\x98]|[©®]\\w|[A-Za-z][А-яЁё]{1,2}[A-Za-z]|[a-z]й\\b|\\b[а-яё][А-ЯЁ]{2,}\\b"
)


class Undecodable(CodedError):
    """A line can't be decoded in the file's encoding."""


@dataclass(slots=True)
class Encoding:
    """The encoding of a file, as far as it has been detected."""

    name: str
    """One of CHOICES."""
    known: bool
    """Whether it is declared by a byte order mark or the caller. If not, `text` detects it."""
    seen: int = 0
    """Valid UTF-8 characters beyond ASCII so far."""
    first: int = 0
    """The first line with a character beyond ASCII."""

    @property
    def title(self) -> str:
        """Its display name."""
        return self.name.upper().replace("WINDOWS", "Windows")

    @property
    def read_as(self) -> tuple[str, str]:
        """The codec to decode its bytes with, and the codec's error handler."""
        if self.name.startswith("utf-16"):
            return self.name, "replace"
        # Until it is known, it is read as UTF-8 in a way from which the bytes can be recovered.
        return (self.name if self.known else UTF_8), "surrogateescape"

    def text(self, line: str, number: int) -> str:
        """Decodes a line that was read with `read_as` and has characters beyond ASCII.

        Raises Undecodable, and BadRequest when lines contradict each other.
        """
        if self.known:
            if (_REPLACED if self.name.startswith("utf-16") else _UNDECODED).search(line):
                raise Undecodable(ErrorCode.WRONG_ENCODING, encoding=self.title)
            return line
        return self._detect(line, number)

    def _detect(self, line: str, number: int) -> str:
        wrong = len(_UNDECODED.findall(line))
        right = len(_BEYOND_ASCII.findall(line)) - wrong
        if self.name == WINDOWS_1251:
            if right >= _CERTAIN and right >= wrong:
                raise BadRequest(ErrorCode.ENCODINGS_CONTRADICT(first=self.first, line=number))
            if not wrong:
                raise Undecodable(ErrorCode.ENCODING_AMBIGUOUS)
            return self._as_1251(line, number)
        if not self.first and wrong > right:
            self.first, self.name = number, WINDOWS_1251
            return self._as_1251(line, number)
        if wrong:
            if wrong > right and self.seen < _CERTAIN:
                raise BadRequest(ErrorCode.ENCODINGS_CONTRADICT(first=self.first, line=number))
            raise Undecodable(ErrorCode.WRONG_ENCODING, encoding="UTF-8")
        self.first = self.first or number
        self.seen += right
        self.known = self.seen >= _CERTAIN
        return line

    @staticmethod
    def _as_1251(line: str, number: int) -> str:
        text = line.encode(errors="surrogateescape").decode("cp1251", errors="replace")
        if "\ufffd" in text or _NOT_1251.search(text):
            raise BadRequest(ErrorCode.ENCODING_UNDETECTABLE(line=number))
        return text


def encoding_of(head: bytes, declared: str) -> tuple[Encoding, bytes]:
    """Detects the encoding from the beginning of a file; returns it and the beginning without its byte order mark.

    `declared` is the charset of the request, or empty. A byte order mark takes precedence.

    Raises UnsupportedMediaType for a file that is not text, and for an encoding that is not one of CHOICES.
    """
    for mark, code in _NOT_TEXT:
        if head.startswith(mark):
            raise UnsupportedMediaType(code())
    name = ALIASES.get(declared.lower(), declared.lower())
    if name and name not in CHOICES:
        raise UnsupportedMediaType(ErrorCode.ENCODING_UNKNOWN(choices=", ".join(CHOICES)))
    for mark, marked in _MARKS:
        if head.startswith(mark):
            return Encoding(marked, known=True), head.removeprefix(mark)
    # Some software declares every text as UTF-8 without checking.
    if name in ("", UTF_8) and (found := _utf_16_without_mark(head)):
        return Encoding(found, known=True), head
    if not name and head.lstrip()[:1] == b"<":
        raise UnsupportedMediaType(ErrorCode.WEB_PAGE())
    return Encoding(name or UTF_8, known=bool(name)), head


def _utf_16_without_mark(head: bytes) -> str | None:
    """In UTF-16, digits and delimiters have one zero byte each, always on the same side."""
    first, second = head[::2].count(0), head[1::2].count(0)
    many = 2 + len(head) // 8
    if second > many and not first:
        return UTF_16LE
    if first > many and not second:
        return UTF_16BE
    return None
