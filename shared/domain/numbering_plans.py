"""The numbering plans of countries, from Google's libphonenumber (the package phonenumbers)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberDesc,
    PhoneNumberFormat,
    PhoneNumberType,
    length_of_national_destination_code,
)

MIN_DIGITS, MAX_DIGITS = 7, 15
"""Digits of a number in international form: ITU-T E.164 allows at most 15, and no country has shorter ones than 7."""

REGIONS = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))
"""The countries and territories that have numbers, by the two letters of ISO 3166-1."""

_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_NO_COUNTRY = "001"
"""The library's region of country codes that are no country's, such as those of satellite networks."""


def fits_a_country(digits: str) -> bool:
    """Whether a number in international form begins with a country code and has a length that the country uses."""
    return len(digits) in possible_lengths().get(digits[:3], ())


def has_country_code(digits: str) -> bool:
    """Whether a number in international form begins with the code of a country."""
    return digits[:3] in possible_lengths()


def international(written: str, region: str | None) -> str | None:
    """The digits in international form of a number as dialled in the region; None if the region has no such number.

    With a plus sign before it, the region does not matter, and a national prefix is removed.
    """
    number = _parsed(written, region)
    return None if number is None else _digits_of(number)


class Country:
    """The format of the numbers of one region.

    `code` is the country's code, `trunk` what is dialled before a number within the country: 8 in Russia, 0 in most.
    """

    def __init__(self, region: str) -> None:
        metadata = PhoneMetadata.metadata_for_region(region)
        assert metadata is not None, "one of REGIONS"  # noqa: S101
        self._region = region
        self.code = str(metadata.country_code)
        self.trunk: str = metadata.national_prefix or ""
        self.lengths = _lengths_of(metadata)
        """Digits that a number has after the country's code."""
        self._national = _pattern(metadata.general_desc)
        self._mobile = _pattern(metadata.mobile)
        before = metadata.national_prefix_for_parsing or self.trunk
        self._prefix = re.compile(before or "(?!)")
        # The national prefix is these digits and nothing else.
        self._simple = before == self.trunk and not metadata.national_prefix_transform_rule
        apart = self._simple and not self.code.startswith(before or "-")
        within = metadata.general_desc.possible_length if metadata.general_desc else ()
        self._certain = {len(self.code) + length for length in self.lengths}.difference(within) if apart else set()
        """Lengths that only a number with the country code has."""

    def is_unambiguous(self, digits: str) -> bool:
        """Whether these digits are a number of the country with its code, and cannot be one without it."""
        return digits.startswith(self.code) and (
            len(digits) in self._certain
            or (fits_a_country(digits) and not self._national.fullmatch(digits) and not self._prefix.match(digits))
        )

    def mobile(self, digits: str) -> str | None:
        """The international form of a mobile number as dialled within the country; None where that is not certain.

        The same as `international`, in a twentieth of the time.
        """
        if not self._simple:
            return None
        dialled = bool(self.trunk) and digits.startswith(self.trunk) and not self._national.fullmatch(digits)
        number = digits.removeprefix(self.trunk) if dialled else digits
        return self.code + number if self._mobile.fullmatch(number) else None

    def dialled(self, digits: str) -> str | None:
        """The international form of digits as dialled within the country; None if they are no number of it.

        Without the trunk prefix they may also be a number of another country in international form. Then only mobile
        numbers are read as national, since people usually write those without the prefix.
        """
        if self.is_unambiguous(digits):
            return digits
        if mobile := self.mobile(digits):
            return mobile
        number = _parsed(digits, self._region)
        if number is None:
            return None
        if fits_a_country(digits) and not self._prefix.match(digits):
            return _digits_of(number) if phonenumbers.number_type(number) in _MOBILE else None
        return _digits_of(number)


@cache
def country(region: str) -> Country:
    """The country of one of REGIONS."""
    return Country(region)


@cache
def countries() -> Sequence[Country]:
    """One for each country code: of those that share one, the main one."""
    return [country(regions[0]) for regions in COUNTRY_CODE_TO_REGION_CODE.values() if regions[0] != _NO_COUNTRY]


def _parsed(written: str, region: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(written, region)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _digits_of(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164).removeprefix("+")


def _metadata() -> Iterator[tuple[str, PhoneMetadata]]:
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            no_country = region == _NO_COUNTRY
            found = (
                PhoneMetadata.metadata_for_nongeo_region(code)
                if no_country
                else PhoneMetadata.metadata_for_region(region)
            )
            if found is not None:
                yield str(code), found


def _pattern(kind: PhoneNumberDesc | None) -> re.Pattern[str]:
    return re.compile((kind and kind.national_number_pattern) or "(?!)")


def _lengths_of(metadata: PhoneMetadata) -> frozenset[int]:
    """The number of digits after the country code of mobile and fixed-line numbers."""
    of_persons = (metadata.mobile, metadata.fixed_line)
    given = {length for kind in of_persons if kind for length in kind.possible_length if length > 0}
    return frozenset(given or (metadata.general_desc.possible_length if metadata.general_desc else ()))


@cache
def possible_lengths() -> dict[str, frozenset[int]]:
    """The lengths that a number may have, by its first three digits. Codes that no country has are absent.

    The longest country code has three digits.
    """
    found: dict[str, set[int]] = {}
    for code, metadata in _metadata():
        lengths = {len(code) + length for length in _lengths_of(metadata)}
        within = {length for length in lengths if MIN_DIGITS <= length <= MAX_DIGITS}
        for rest in range(10 ** (3 - len(code))):
            begun = code if len(code) == 3 else f"{code}{rest:0{3 - len(code)}}"
            found.setdefault(begun, set()).update(within)
    return {begun: frozenset(lengths) for begun, lengths in found.items()}


def destination_code(number: str) -> str | None:
    """The national destination code of a number in international form: of a mobile one, the operator's code.

    None if the country's numbers have none. Where a number was ported to another operator, the code stays.
    """
    parsed = _parsed(f"+{number}", None)
    if parsed is None:
        return None
    return number[len(str(parsed.country_code)) :][: length_of_national_destination_code(parsed)] or None


def only_timezone(number: str) -> str | None:
    """The IANA time zone of a number in international form; None if its country and area have several, or none.

    The numbers of mobile phones are of a country as a whole: in Russia or Spain they do not tell the time zone.
    """
    # Its 7 MB of data are loaded only when they are needed.
    from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

    parsed = _parsed(f"+{number}", None)
    found = () if parsed is None else time_zones_for_number(parsed)
    return found[0] if len(found) == 1 and found[0] != UNKNOWN_TIMEZONE else None
