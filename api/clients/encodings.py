"""Which encoding a file is in, found out while it is read: nothing is held back to look at the end first.

A byte order mark tells, and so do the zero bytes of UTF-16. What has neither is read as UTF-8 line by line, and the
first lines with a byte that UTF-8 can't have decide: the file is in Windows-1251 if it has been in ASCII until there.
What could be read in two ways, or as neither, is guessed by nobody: the line is left out where it is one line's, and
the file is refused, before anything has changed, where the lines contradict each other. A caller who knows better says
the encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.exceptions import BadRequest, UnsupportedMediaType

UTF_8, UTF_16LE, UTF_16BE, WINDOWS_1251 = "utf-8", "utf-16le", "utf-16be", "windows-1251"
CHOICES = (UTF_8, WINDOWS_1251, UTF_16LE, UTF_16BE, "windows-1252", "koi8-r", "ibm866")
"""What a caller may say, in the names of the WHATWG Encoding Standard, which HTTP's `charset` uses."""
ALIASES = {
    **{"utf8": UTF_8, "utf-16": UTF_16LE, "utf16": UTF_16LE, "utf-16-le": UTF_16LE, "utf-16-be": UTF_16BE},
    **{"us-ascii": UTF_8, "ascii": UTF_8, "cp1251": WINDOWS_1251, "win-1251": WINDOWS_1251, "cp1252": "windows-1252"},
    **{"cp866": "ibm866", "866": "ibm866"},
}
HEAD = 4096
"""Bytes at the beginning that are looked at."""

UNTELLABLE = (
    "The encoding can't be told: line {line} is neither UTF-8 nor plain Windows-1251. "
    "Save the file as CSV UTF-8, or say which encoding it is in."
)
CONTRADICTION = (
    "The encoding can't be told: lines {first} and {line} are in different ones. "
    "Save the file as CSV UTF-8, or say which encoding it is in."
)
EITHER = "Could be UTF-8 or Windows-1251: say which encoding the file is in."
WORKBOOK = "This is a workbook or an archive, and not a text. Save the sheet as “CSV UTF-8”, and send that file."
OLD_WORKBOOK = "This is a workbook of an old Excel, and not a text. Save the sheet as “CSV UTF-8”, and send that file."
PACKED = "This is packed with gzip. Unpack it, or announce it as Content-Encoding: gzip."
WEB_PAGE = "This is a web page or XML, and not CSV. Open it in Excel, save it as “CSV UTF-8”, and send that file."
PDF = "This is a PDF, and not a text. Send the clients as CSV."
UTF_32 = "This is UTF-32, which is not read. Save the file as UTF-8."

_NOT_TEXT = (
    (b"PK\x03\x04", WORKBOOK),
    (b"\xd0\xcf\x11\xe0", OLD_WORKBOOK),
    (b"\x1f\x8b", PACKED),
    (b"%PDF-", PDF),
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
)
_MARKS = ((b"\xef\xbb\xbf", UTF_8), (b"\xff\xfe", UTF_16LE), (b"\xfe\xff", UTF_16BE))

_CLEAR = 4
"""Characters beyond ASCII that are UTF-8 without a fault, from which on it is no chance: in Windows-1251 each would be
a capital letter followed by a sign such as ё or №."""

# How bytes that are not UTF-8 look after decoding with surrogateescape (PEP 383), and what else does not decode.
_UNDECODED = re.compile("[\udc80-\udcff]")
_REPLACED = re.compile("\ufffd")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")

# What text in another encoding looks like when it is read as Windows-1251: signs and letters that no Russian word has
# (IBM866); a Cyrillic letter or two inside of a Latin word, or what é becomes at its end (Windows-1252); words in which
# only the first letter is small (KOI8-R).
_NOT_1251 = re.compile(
    "[ЂЃѓ†‡‰Љ‹ЊЌЋЏђљ›њќћџЈ¤¦¬\xad\x98]|[©®]\\w|[A-Za-z][А-яЁё]{1,2}[A-Za-z]|[a-z]й\\b|\\b[а-яё][А-ЯЁ]{2,}\\b"
)


class Undecodable(Exception):
    """A line is not text in the file's encoding; the message is a sentence."""


@dataclass(slots=True)
class Encoding:
    """The encoding of a file, as far as it is known yet."""

    name: str
    """One of CHOICES."""
    known: bool
    """Whether a mark or the caller says so. If not, `text` looks at what comes."""
    seen: int = 0
    """Characters beyond ASCII that were UTF-8."""
    first: int = 0
    """The first line with a character beyond ASCII."""

    @property
    def title(self) -> str:
        """Its name for a person."""
        return self.name.upper().replace("WINDOWS", "Windows")

    @property
    def read_as(self) -> tuple[str, str]:
        """The codec that its bytes are read with, and what that does with those that it can't."""
        if self.name.startswith("utf-16"):
            return self.name, "replace"
        # What is not known yet is read as UTF-8, from which the bytes can be had back.
        return (self.name if self.known else UTF_8), "surrogateescape"

    def text(self, line: str, number: int) -> str:
        """A line that was read so and has characters beyond ASCII, as what it is.

        Raises Undecodable, and BadRequest when lines contradict each other.
        """
        if self.known:
            if (_REPLACED if self.name.startswith("utf-16") else _UNDECODED).search(line):
                raise Undecodable(f"Is not {self.title}.")
            return line
        return self._find_out(line, number)

    def _find_out(self, line: str, number: int) -> str:
        wrong = len(_UNDECODED.findall(line))
        right = len(_BEYOND_ASCII.findall(line)) - wrong
        if self.name == WINDOWS_1251:
            if right >= _CLEAR and right >= wrong:
                raise BadRequest(CONTRADICTION.format(first=self.first, line=number))
            if not wrong:
                raise Undecodable(EITHER)
            return self._as_1251(line, number)
        if not self.first and wrong > right:
            self.first, self.name = number, WINDOWS_1251
            return self._as_1251(line, number)
        if wrong:
            if wrong > right and self.seen < _CLEAR:
                raise BadRequest(CONTRADICTION.format(first=self.first, line=number))
            raise Undecodable("Is not UTF-8.")
        self.first = self.first or number
        self.seen += right
        self.known = self.seen >= _CLEAR
        return line

    @staticmethod
    def _as_1251(line: str, number: int) -> str:
        text = line.encode(errors="surrogateescape").decode("cp1251", errors="replace")
        if "\ufffd" in text or _NOT_1251.search(text):
            raise BadRequest(UNTELLABLE.format(line=number))
        return text


def encoding_of(head: bytes, declared: str) -> tuple[Encoding, bytes]:
    """The encoding of a file with that beginning, and the beginning without its byte order mark.

    `declared` is the charset of the request, or empty. A byte order mark takes precedence.

    Raises UnsupportedMediaType for what is no text, and for an encoding that is not one of CHOICES.
    """
    for mark, reason in _NOT_TEXT:
        if head.startswith(mark):
            raise UnsupportedMediaType(reason)
    name = ALIASES.get(declared.lower(), declared.lower())
    if name and name not in CHOICES:
        raise UnsupportedMediaType(f"This encoding is not read. Those that are: {', '.join(CHOICES)}.")
    for mark, marked in _MARKS:
        if head.startswith(mark):
            return Encoding(marked, known=True), head.removeprefix(mark)
    # Software that announces all texts as UTF-8 does not look at them.
    if name in ("", UTF_8) and (found := _utf_16_without_mark(head)):
        return Encoding(found, known=True), head
    if not name and head.lstrip()[:1] == b"<":
        raise UnsupportedMediaType(WEB_PAGE)
    return Encoding(name or UTF_8, known=bool(name)), head


def _utf_16_without_mark(head: bytes) -> str | None:
    """Digits and delimiters have a zero byte each, always on the same side."""
    first, second = head[::2].count(0), head[1::2].count(0)
    many = 2 + len(head) // 8
    if second > many and not first:
        return UTF_16LE
    if first > many and not second:
        return UTF_16BE
    return None
