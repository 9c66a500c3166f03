"""The values of the declared fields of clients: what is accepted, and the form in which it is stored.

`stored_value` takes a value of JSON, `typed_text` what a person types or a spreadsheet writes. Both return the value in
the form that FieldType says, None for no value, and raise Invalid with the name of the field.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from math import inf

from shared.domain.field_types import FieldType
from shared.domain.moments import FIRST_YEAR, LAST_YEAR, in_utc, read_moment
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid
from shared.json_parameter import json_parameter

Stored = str | int | float | bool | list[str]
"""A value in the form that FieldType says."""

MAX_TEXT = 500
"""Characters of a text, and of each text of a list."""
MAX_DIGITS = 15
"""Digits of a number before and after the point. A double has all of 15, and rounds more (IEEE 754)."""
MAX_VALUES = 100
"""Texts of a list."""
MAX_BYTES = 8192
"""Bytes of all attributes of a client as JSON in UTF-8."""
MAX_WRITTEN = 64
"""Characters of a number, a date or a time as it is written."""

_ENDS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u2060\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200C))
)
"""White space and characters without a width, which are taken off the ends of a text."""

_DATE = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})")
_WRITTEN_DATE = re.compile(r"(?:([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})|([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}))")
_SLASHED_DATE = re.compile(r"[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}(?:[T ].*)?", re.DOTALL)
_MIDNIGHT = re.compile(r"[T ]+0?0:00(?::00(?:\.0+)?)?\Z")
_WRITTEN_TIME = re.compile(r"(.+?)[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?")
_EXPONENTIAL = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_BLANKS = re.compile(r"[\s\u2007\u2060\ufeff]")
# A quote that is not closed where its text ends is a character like others.
_IN_LIST = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^;|]*))(?:[;|]|\Z)')
_MISREAD = {
    FieldType.NUMBER: ErrorCode.NOT_A_NUMBER,
    FieldType.BOOLEAN: ErrorCode.NOT_YES_OR_NO,
    FieldType.DATE: ErrorCode.NOT_A_DATE,
    FieldType.DATETIME: ErrorCode.NOT_A_MOMENT,
}
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "1", "да", "истина"), True),
    **dict.fromkeys(("false", "no", "0", "нет", "ложь"), False),
}


def stored_value(field: Field, typed: object) -> Stored | None:
    """A value of JSON as it is stored. None, and a text or a list without content, are no value. Raises Invalid."""
    return None if typed is None else _OF_JSON[field.type](field.name, typed)


def normal_text(text: str) -> str:
    """A text of a field as it is stored: accents are composed (NFC), and white space is taken off the ends."""
    return unicodedata.normalize("NFC", text).strip(_ENDS)


def check_size(attributes: Mapping[str, Stored]) -> None:
    """Raises Invalid, for `attributes`, for attributes of a client that are too large."""
    size = len(json_parameter(attributes).encode())
    if size > MAX_BYTES:
        raise Invalid("attributes", ErrorCode.ATTRIBUTES_TOO_LARGE, size=size, limit=MAX_BYTES)


def typed_text(field: Field, text: str, zone: tzinfo | None = None) -> Stored | None:
    """What a person or a spreadsheet writes as it is stored; None for blanks. Raises Invalid.

    - number: with a point or a comma before the decimals, and blanks between groups of three digits;
    - boolean: `да`, `нет`, `yes`, `no`, `true`, `false`, `истина`, `ложь`, `1`, `0`;
    - date: `31.12.2026` or `2026-12-31`; with slashes, day and month can be confused, so it is refused;
    - datetime: RFC 3339; or a time in `zone`, which is a date with `18:25`, with `18:25:43`, or alone for midnight;
    - list: its texts with `;` or `|` between them; one that contains these is in double quotes.
    """
    plain = text.strip(_ENDS)
    if not plain:
        return None
    match field.type:
        case FieldType.TEXT:
            return _text(field.name, text)
        case FieldType.LIST:
            return _list(field.name, split_list(plain))
        case _ if len(plain) > MAX_WRITTEN:
            raise Invalid(field.name, _MISREAD[field.type])
        case FieldType.NUMBER:
            return _typed_number(field.name, plain)
        case FieldType.BOOLEAN:
            return _typed_boolean(field.name, plain)
        case FieldType.DATE:
            return _typed_date(field.name, _MIDNIGHT.sub("", plain))
        case FieldType.DATETIME:
            return _typed_datetime(field.name, plain, zone)


def written_text(value: Stored | None) -> str:
    """A stored value as text: `typed_text` reads the same value from it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{Decimal(repr(value)):f}"
        case list():
            return join_list(value)
        case _:
            return value


def split_list(text: str) -> list[str]:
    """The texts of a list in one cell, with `;` or `|` between them. A text in double quotes may contain these."""
    found, at = [], 0
    while at < len(text):
        part = _IN_LIST.match(text, at)
        assert part is not None  # noqa: S101  its second half matches any text
        quoted, plain = part.groups()
        found.append(quoted.replace('""', '"') if quoted is not None else plain)
        at = part.end()
    return found


def join_list(texts: Iterable[str]) -> str:
    """The texts of a list in one cell: `split_list` reads the same texts from it."""
    return ";".join('"' + text.replace('"', '""') + '"' if re.search('[;|"]', text) else text for text in texts)


def _text(name: str, typed: object) -> str | None:
    if not isinstance(typed, str):
        raise Invalid(name, ErrorCode.NOT_A_TEXT)
    text = normal_text(typed)
    if "\0" in text:
        raise Invalid(name, ErrorCode.NUL_CHARACTER)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid(name, ErrorCode.HALF_A_SURROGATE_PAIR)
    if len(text) > MAX_TEXT:
        raise Invalid(name, ErrorCode.TOO_LONG, length=len(text), excess=len(text) - MAX_TEXT, limit=MAX_TEXT)
    return text or None


def _number(name: str, typed: object) -> int | float:
    # A bool is an int in Python.
    if isinstance(typed, bool) or not isinstance(typed, int | float) or typed in (inf, -inf) or typed != typed:
        raise Invalid(name, ErrorCode.NOT_A_NUMBER)
    if abs(typed) >= 10**MAX_DIGITS:
        raise Invalid(name, ErrorCode.NUMBER_TOO_LONG, limit=MAX_DIGITS)
    return _exactly(name, Decimal(repr(typed)))


def _exactly(name: str, number: Decimal) -> int | float:
    """The number, if none of its digits is lost."""
    _, digits, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  it is finite
    decimals = max(0, -exponent)
    if max(decimals, len(digits) + max(0, exponent)) > MAX_DIGITS:
        raise Invalid(name, ErrorCode.NUMBER_TOO_LONG, limit=MAX_DIGITS)
    return float(number) if decimals else int(number)


def _boolean(name: str, typed: object) -> bool:
    if not isinstance(typed, bool):
        raise Invalid(name, ErrorCode.NOT_TRUE_OR_FALSE)
    return typed


def _date(name: str, typed: object) -> str:
    match = _DATE.fullmatch(typed) if isinstance(typed, str) else None
    if match is None:
        raise Invalid(name, ErrorCode.NOT_A_DATE)
    return _day(name, *map(int, match.groups())).isoformat()


def _day(name: str, year: int, month: int, day: int) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise Invalid(name, ErrorCode.NO_SUCH_DATE) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Invalid(name, ErrorCode.NO_SUCH_DATE)
    return found


def _datetime(name: str, typed: object) -> str:
    return _written_moment(read_moment(typed, name))


def _written_moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _list(name: str, typed: object) -> list[str] | None:
    if not isinstance(typed, list) or not all(isinstance(text, str) for text in typed):
        raise Invalid(name, ErrorCode.NOT_A_LIST_OF_TEXTS)
    texts = sorted({text for text in (_text(name, one) for one in typed) if text})
    if len(texts) > MAX_VALUES:
        raise Invalid(name, ErrorCode.TOO_MANY_VALUES, count=len(texts), limit=MAX_VALUES)
    return texts or None


_OF_JSON: Mapping[FieldType, Callable[[str, object], Stored | None]] = {
    FieldType.TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.LIST: _list,
}


def _typed_number(name: str, text: str) -> int | float:
    plain = _BLANKS.sub(" ", text).replace("\u2212", "-")  # the minus sign of typography
    if _EXPONENTIAL.fullmatch(plain):
        raise Invalid(name, ErrorCode.NUMBER_ROUNDED)
    if not (_NUMBER.fullmatch(plain) or _GROUPED.fullmatch(plain)):
        raise Invalid(name, ErrorCode.NOT_A_NUMBER)
    return _exactly(name, Decimal(plain.replace(" ", "").replace(",", ".")))


def _typed_boolean(name: str, text: str) -> bool:
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise Invalid(name, ErrorCode.NOT_YES_OR_NO)
    return found


def _typed_date(name: str, text: str) -> str:
    if _SLASHED_DATE.fullmatch(text):
        raise Invalid(name, ErrorCode.DATE_AMBIGUOUS)
    match = _WRITTEN_DATE.fullmatch(text)
    if match is None:
        raise Invalid(name, ErrorCode.NOT_A_DATE)
    year, month, day, last_day, its_month, last_year = match.groups()
    return _day(name, int(year or last_year), int(month or its_month), int(day or last_day)).isoformat()


def _typed_datetime(name: str, text: str, zone: tzinfo | None) -> str:
    if _SLASHED_DATE.fullmatch(text):
        raise Invalid(name, ErrorCode.DATE_AMBIGUOUS)
    match = _WRITTEN_TIME.fullmatch(text if not _WRITTEN_DATE.fullmatch(text) else f"{text} 00:00")
    if match is None:  # it may have an offset
        return _datetime(name, text)
    if zone is None:
        raise Invalid(name, ErrorCode.NO_UTC_OFFSET)
    day, hour, minute, second, fraction = match.groups()
    try:
        clock = datetime.fromisoformat(
            f"{_typed_date(name, day)}T{int(hour):02}:{minute}:{second or '00'}.{fraction or '':0<6}"
        )
        return _written_moment(in_utc(clock.replace(tzinfo=zone)))
    except (ValueError, OverflowError) as error:
        raise Invalid(name, ErrorCode.IMPOSSIBLE_MOMENT, fault=str(error)) from None
