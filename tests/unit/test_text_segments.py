"""How a text is cut into short messages: the tables of 3GPP TS 23.038, and the arithmetic of TS 23.040."""

from __future__ import annotations

import pytest

from shared.domain.text_segments import DEFAULT_ALPHABET, EXTENSION, Encoding, count_segments, segments_of

# TS 23.038, 6.2.1, as code points: column by column, 0/0 to 7/15, without the escape at 1/11.
TABLE = (
    "0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5 "
    "0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E 00C6 00E6 00DF 00C9 "
    "0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F "
    "0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F "
    "00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F "
    "0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7 "
    "00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F "
    "0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0"
)
# TS 23.038, 6.2.1.1: form feed, circumflex, braces, backslash, brackets, tilde, bar, euro.
EXTENSION_TABLE = "000C 005E 007B 007D 005C 005B 007E 005D 007C 20AC"

PARTY = "\U0001f389"
"""Outside the basic plane: two UTF-16 code units."""


def characters(table: str) -> frozenset[str]:
    return frozenset(chr(int(code, 16)) for code in table.split())


def test_the_alphabets_are_the_standard_s() -> None:
    assert characters(TABLE) == DEFAULT_ALPHABET
    assert len(DEFAULT_ALPHABET) == 127
    assert characters(EXTENSION_TABLE) == EXTENSION


@pytest.mark.parametrize("character", sorted(DEFAULT_ALPHABET))
def test_a_character_of_the_alphabet_takes_a_septet(character: str) -> None:
    segments = segments_of(character)
    assert (segments.encoding, segments.units, segments.count) == (Encoding.GSM_7, 1, 1)


@pytest.mark.parametrize("character", sorted(EXTENSION))
def test_a_character_of_the_extension_takes_two(character: str) -> None:
    segments = segments_of(character)
    assert (segments.encoding, segments.units, segments.count) == (Encoding.GSM_7, 2, 1)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count", "left"),
    [
        ("", "gsm7", 0, 0, 160),
        ("a" * 160, "gsm7", 160, 1, 0),
        ("a" * 161, "gsm7", 161, 2, 145),
        ("a" * 306, "gsm7", 306, 2, 0),
        ("a" * 307, "gsm7", 307, 3, 152),
        ("€" * 80, "gsm7", 160, 1, 0),
        ("€" * 81, "gsm7", 162, 2, 143),
        # An escape and its character are not torn apart: 152 septets of the first segment are used.
        ("€" * 153, "gsm7", 306, 3, 151),
        ("a" * 152 + "€" + "a" * 10, "gsm7", 164, 2, 141),
        ("я" * 70, "ucs2", 70, 1, 0),
        ("я" * 71, "ucs2", 71, 2, 63),
        ("я" * 134, "ucs2", 134, 2, 0),
        ("я" * 135, "ucs2", 135, 3, 66),
        ("\uffff" * 70, "ucs2", 70, 1, 0),
        (PARTY * 35, "ucs2", 70, 1, 0),
        (PARTY * 36, "ucs2", 72, 2, 61),
        # Nor is a surrogate pair: 66 units of each of the first two segments are used.
        (PARTY * 67, "ucs2", 134, 3, 65),
        ("a" * 69 + "я", "ucs2", 70, 1, 0),
        ("a" * 1600, "gsm7", 1600, 11, 83),
    ],
)
def test_segments_and_what_is_left_in_the_last(text: str, encoding: str, units: int, count: int, left: int) -> None:
    segments = segments_of(text)
    assert (segments.encoding, segments.units, segments.count, segments.left) == (encoding, units, count, left)
    assert segments.characters == len(text)
    assert count_segments(text) == count


@pytest.mark.parametrize(
    ("text", "character", "position", "name"),
    [
        ("Привет", "П", 1, "CYRILLIC CAPITAL LETTER PE"),
        ("Hello «friend»", "«", 7, "LEFT-POINTING DOUBLE ANGLE QUOTATION MARK"),
        ("50 € – now", "–", 6, "EN DASH"),
        ("it’s", "’", 3, "RIGHT SINGLE QUOTATION MARK"),
        ("`", "`", 1, "GRAVE ACCENT"),
        ("ç", "ç", 1, "LATIN SMALL LETTER C WITH CEDILLA"),
        ("\t", "\t", 1, "U+0009"),
    ],
)
def test_the_first_character_outside_the_alphabet_is_named(text: str, character: str, position: int, name: str) -> None:
    non_gsm = segments_of(text).forced_by
    assert non_gsm
    assert (non_gsm.character, non_gsm.position, non_gsm.name) == (character, position, name)
