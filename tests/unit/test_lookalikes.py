"""Characters that make a text UCS-2 unintentionally, and what replaces them."""

from __future__ import annotations

import unicodedata

import pytest

from shared.domain.lookalikes import GSM, is_ucs2_avoidable, lookalikes, replace_lookalikes
from shared.domain.text_segments import Encoding, segments_of


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("Sаlе today", "Sale today"),  # Cyrillic а and е
        ("ТОТАL SАLЕ NOW", "TOTAL SALE NOW"),
        ("“Fifty” – it’s now…", '"Fifty" - it\'s now...'),
        ("«Best» price — 5\u00a0000", '"Best" price - 5 000'),
        ("\ufeffHe\u200bllo\u00ad", "Hello"),
        ("à la crêpe, Żółć", "à la crepe, Zolc"),
        ("cafe\u0301 cre\u0302me", "café creme"),
        ("a\tb\u2028c", "a b\nc"),
        ("½ price, №5, ﬁne™, 10×15 ©", "1/2 price, No5, fineTM, 10x15 (c)"),
        ("ｆｕｌｌ", "full"),
        ("Hello {{ имя | default: “x” }}’s", "Hello {{ имя | default: “x” }}'s"),
    ],
)
def test_what_looks_alike_is_replaced_and_the_text_is_gsm(text: str, replaced: str) -> None:
    assert replace_lookalikes(text) == replaced
    assert lookalikes(replaced) == []
    assert is_ucs2_avoidable(text)
    assert not is_ucs2_avoidable(replaced)


def test_each_has_its_position_name_and_replacement() -> None:
    found = [(one.position, one.character, one.name, one.replacement) for one in lookalikes("Sаle\u200b e\u0302")]
    assert found == [
        (2, "а", "CYRILLIC SMALL LETTER A", "a"),
        (5, "\u200b", "ZERO WIDTH SPACE", ""),
        (7, "e\u0302", "COMBINING CIRCUMFLEX ACCENT", "e"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Привет, «друг» — скидка…",  # Russian: UCS-2 in any case, and its quotation marks are no mistake
        "ОРЕХ",  # though each letter looks Latin
        "Sale 🎉 – now",
        "سلام\u200cدنیا",
        "Price 100 ₽ – now",
        "1½ kg for 10²",  # these would be other numbers
        "Hello",
        "",
    ],
)
def test_where_replacing_does_not_help_nothing_is_pointed_out(text: str) -> None:
    assert lookalikes(text) == []
    assert replace_lookalikes(text) == text
    assert not is_ucs2_avoidable(text)


def test_what_is_not_seen_is_pointed_out_in_every_text() -> None:
    assert replace_lookalikes("При\u200bвет,\u00ad друг — \ufeffда 👨‍👩‍👧") == "Привет, друг — да 👨‍👩‍👧"


def test_replacements_are_of_the_gsm_alphabet_and_no_character_fails() -> None:
    # Without the scripts of Asia, whose letters are all alike here.
    for point in (*range(0x3100), *range(0xF900, 0x1_0000), *range(0x1F000, 0x1FB00)):
        character = chr(point)
        replaced = replace_lookalikes(f"x{character}")
        # Replaced as a whole, or left alone.
        assert set(replaced) <= GSM or replaced == f"x{character}", unicodedata.name(character, hex(point))
    assert segments_of(replace_lookalikes("naïve – “x”")).encoding is Encoding.GSM_7
