"""Reading phone numbers: as programs send them, and as people and spreadsheets write them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from shared.domain.numbering_plans import (
    MAX_DIGITS,
    MIN_DIGITS,
    Country,
    countries,
    country,
    fits_a_country,
    has_country_code,
    international,
    possible_lengths,
)
from shared.domain.sentences import ErrorCode
from shared.domain.tag_normalization import normal
from shared.errors import Invalid

_DIGITS = re.compile("[1-9][0-9]{6,14}")
_STRICT = re.compile("[ \xa0\u2009\u202f]*+(\\+?)((?:[ \xa0\u2009\u202f]*+[0-9])++)[ \xa0\u2009\u202f]*")
"""What a program may send: digits, a plus sign before them, and blanks."""

_AS_FORMULA = re.compile('="(.*)"')
_ROUNDED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)? ?[eE] ?[+-]?[0-9]+")
_WHOLE = re.compile(r"(\+?[0-9]+)[.,]0+")
"""A whole number written with a decimal fraction by a spreadsheet or a data frame. Unlike with an exponent, no digit is
lost."""
_FRACTION = re.compile(r"\+?[0-9]+[.,][0-9]*")
_EXTENSION = re.compile(r"[0-9)] ?(?:;? ?ext|x ?[0-9]|#|\*|доб)", re.IGNORECASE)
_BETWEEN = re.compile(r"[;,|/&]|(?<=[0-9] )(?=\+)")
_GROUPED = re.compile(r"[ (]*+(\+?)[ (]*+([0-9](?:[ ().-]*+[0-9])*+)[ )]*")
_NOT_DIGITS = str.maketrans("", "", " ().-")
_QUOTES = "'\"`´\u2018\u2019\u201c\u201d"
_DASHES = "\u2212\u30fc\uff0d"
"""In addition to Unicode's category Pd: the minus sign, and the dashes of Japanese keyboards."""


class PhoneNumbers:
    """Reads numbers. `region`, one of numbering.REGIONS, is that of numbers without a country's code."""

    def __init__(self, region: str | None = None) -> None:
        self.region = region
        self._country: Country | None = country(region) if region else None
        self._lengths = possible_lengths()

    def is_plain(self, text: str) -> bool:
        """Whether a text is digits that `read` returns unchanged. A quick check: False does not mean invalid."""
        if not _DIGITS.fullmatch(text):
            return False
        if self._country:
            return self._country.is_unambiguous(text)
        return len(text) in self._lengths.get(text[:3], ())

    def read(self, text: str, *, doubtful: bool = False) -> int:
        """The number that a person or a spreadsheet means. Raises Invalid with a remedy.

        Digits without a plus sign are a number of the region if it has such a number, otherwise in international form.
        A number that no country has is rejected unless `doubtful` is set: it could duplicate an existing client.
        """
        if self.is_plain(text):
            return int(text)
        digits, complaint = self._read(text)
        if not _DIGITS.fullmatch(digits):
            national = complaint if digits.startswith("0") else None
            raise Invalid("phone_number", national or ErrorCode.PHONE_NUMBER_UNREADABLE)
        if complaint and not doubtful:
            raise Invalid("phone_number", complaint)
        return int(digits)

    def exactly(self, number: int | str) -> int:
        """The number that a program means by an integer, or by digits with or without a plus sign. Raises Invalid.

        As `read`, but a number that no country has is accepted unchanged.
        """
        found = _STRICT.fullmatch(str(number))
        if found is None:
            raise Invalid("phone_number", ErrorCode.NOT_A_PHONE_NUMBER)
        digits = "".join(filter(str.isdigit, found[2]))
        if not found[1] and self.region:
            digits = self._of_region(digits) or digits
        if not _DIGITS.fullmatch(digits):
            raise Invalid("phone_number", ErrorCode.NOT_A_PHONE_NUMBER)
        return int(digits)

    def _read(self, text: str) -> tuple[str, ErrorCode | None]:
        """The digits in international form, and the error, if any."""
        plus, digits = _plus_and_digits(text)
        if plus:
            digits = _with_country_code(digits)
            return digits, None if has_country_code(digits) else ErrorCode.PHONE_NUMBER_OF_NO_COUNTRY
        if digits.startswith("00") and fits_a_country(digits[2:]):
            return digits[2:], None
        if of_region := self._of_region(digits):
            return of_region, None
        if digits.startswith("0"):
            return digits, ErrorCode.NATIONAL_PHONE_NUMBER
        return digits, None if fits_a_country(digits) else ErrorCode.PHONE_NUMBER_OF_NO_COUNTRY

    def _of_region(self, digits: str) -> str | None:
        return self._country.dialled(digits) if self._country else None


@lru_cache(maxsize=64)
def numbers_of(region: str | None) -> PhoneNumbers:
    """The PhoneNumbers of that region, cached."""
    return PhoneNumbers(region)


def is_doubtful(number: int) -> bool:
    """Whether no country has such a number."""
    return not fits_a_country(str(number))


def plain_code(text: str) -> str:
    """The operator code that a person or a spreadsheet means, if it is digits; else the text as it is."""
    code = _unwrapped(normal(text))
    whole = _WHOLE.fullmatch(code)
    code = whole[1] if whole else code
    return code if code.isascii() and code.isdigit() else text


def beginnings(text: str, region: str | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Ranges (low, high) of the numbers that begin with what was typed, in international form and as dialled.

    Dialled within the region, or within any country if there is no region. Empty if it is no beginning of a number.
    """
    digits = "".join(str(unicodedata.digit(character)) for character in text if character.isdecimal())
    if not digits:
        return [], []
    typed = normal(text).lstrip("(")
    if typed.startswith(("+", "00")):
        return _ranges(digits.removeprefix("00"), range(MIN_DIGITS, MAX_DIGITS + 1)), []
    national = [
        bounds
        for origin in ([country(region)] if region else countries())
        if (rest := _after_trunk(digits, origin)) is not None
        for bounds in _ranges(origin.code + rest, {len(origin.code) + length for length in origin.lengths})
    ]
    return _ranges(digits, range(MIN_DIGITS, MAX_DIGITS + 1)), national


def numbers_like(text: str, region: str | None) -> list[int]:
    """The numbers that a typed one may mean, in international form or as dialled."""
    international, national = beginnings(text, region)
    return [low for low, high in international + national if low == high]


def _ranges(prefix: str, lengths: range | set[int]) -> list[tuple[int, int]]:
    if prefix.startswith("0"):
        return []
    more = sorted(length - len(prefix) for length in lengths if MIN_DIGITS <= length <= MAX_DIGITS)
    return [(int(prefix) * 10**missing, (int(prefix) + 1) * 10**missing - 1) for missing in more if missing >= 0]


def _after_trunk(digits: str, dialled_in: Country) -> str | None:
    """The digits without the trunk prefix; None if they can't be dialled in that country."""
    if dialled_in.trunk and digits.startswith(dialled_in.trunk):
        return digits.removeprefix(dialled_in.trunk)
    return None if digits.startswith("0") else digits


def _with_country_code(digits: str) -> str:
    """The digits in international form, from those after a plus sign."""
    if fits_a_country(digits):
        return digits
    # Such as +44 (0)20 7946 0958, with a national prefix.
    return international(f"+{digits}", None) or digits


def _plus_and_digits(text: str) -> tuple[bool, str]:
    """Whether there is a plus sign, and the digits. Raises Invalid if the text is not one number."""
    if "." in text or not (text.isascii() and (found := _GROUPED.fullmatch(text))):
        text = _without_formatting(text)
        found = None if _FRACTION.fullmatch(text) else _GROUPED.fullmatch(text)
    if found is None:
        raise Invalid("phone_number", ErrorCode.PHONE_NUMBER_UNREADABLE)
    digits = found[2].translate(_NOT_DIGITS)
    if len(digits) > MAX_DIGITS + len("00"):
        raise Invalid("phone_number", ErrorCode.SEVERAL_PHONE_NUMBERS)
    return bool(found[1]), digits


def _without_formatting(text: str) -> str:
    """The text without the formatting of spreadsheets and links. Raises Invalid if it is not one number."""
    written = _unwrapped(_in_ascii(text))
    if written[:4].lower() == "tel:":
        written = written[4:]
    if _ROUNDED.fullmatch(written):
        raise Invalid("phone_number", ErrorCode.PHONE_NUMBER_ROUNDED)
    if whole := _WHOLE.fullmatch(written):
        return whole[1]
    if _EXTENSION.search(written):
        raise Invalid("phone_number", ErrorCode.PHONE_EXTENSION)
    if sum(sum(map(str.isdigit, part)) >= MIN_DIGITS for part in _BETWEEN.split(written)) > 1:
        raise Invalid("phone_number", ErrorCode.SEVERAL_PHONE_NUMBERS)
    return written


def _in_ascii(text: str) -> str:
    """The text with digits, dashes, brackets and blanks of other scripts replaced by those of ASCII."""
    return normal("".join(character if character.isascii() else _ascii_for(character) for character in text))


def _ascii_for(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.digit(character))
    if character in _DASHES or unicodedata.category(character) == "Pd":
        return "-"
    alike = unicodedata.normalize("NFKC", character)
    return alike if alike in ("+", "(", ")", ".", ",", ";", "/") else character


def _unwrapped(text: str) -> str:
    """The text without the marks by which a spreadsheet stores a number as text: an apostrophe before it, or ="…"."""
    formula = _AS_FORMULA.fullmatch(text)
    return (formula[1] if formula else text).strip(_QUOTES + " ")
