"""Tags and marks as they are kept."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from shared.domain.tag_normalization import WHITE_SPACE, ZERO_WIDTH, case_variants, normal


@pytest.mark.parametrize(
    "written",
    [
        *("club", "club ", " club", "\tclub\n", "club\xa0", "\u3000club", "club\u200b", "\ufeffclub", "cl\xadub"),
        *("\u202aclub\u202c", "\u200eclub\u200f", "club\u2060", "clu\u200db", "club \u200b "),
    ],
)
def test_labels_that_look_the_same_are_the_same(written: str) -> None:
    assert normal(written) == "club"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("", ""),
        (" \t\u200b", ""),
        ("gold  club", "gold club"),
        ("gold\xa0\r\nclub", "gold club"),
        ("Зимний\u2009клуб", "Зимний клуб"),
        ("и\u0306", "й"),
        ("cafe\u0301", "café"),
        ("e\u200b\u0301", "é"),
        ("Club", "Club"),
        ("=1+1", "=1+1"),
        ("ﬁ №", "ﬁ №"),
    ],
)
def test_white_space_and_accents_have_one_form_and_case_stays(written: str, kept: str) -> None:
    assert normal(written) == kept
    assert normal(kept) == kept


def test_the_lists_have_all_white_space_and_nothing_that_can_be_seen() -> None:
    characters = "".join(map(chr, range(sys.maxunicode + 1)))
    assert re.findall(f"[{WHITE_SPACE}]", characters) == re.findall(r"\s", characters)
    zero_width = re.findall(f"[{ZERO_WIDTH}]", characters)
    assert {unicodedata.category(one) for one in zero_width} <= {"Cf", "Cn", "Mn"}


def test_variants_of_case_are_those_that_people_write() -> None:
    assert {"club", "CLUB", "cLUB"} <= case_variants("Club")
    assert {"Gold club", "Gold Club", "GOLD CLUB"} <= case_variants("gold club")
    assert case_variants("GoLD club") == {
        *("gold club", "GOLD CLUB", "Gold Club", "Gold club", "gOld CLUB"),
        "goLD club",  # the first letter alone
    }
    assert "GoLD club" in case_variants("goLD club")
    assert "club" not in case_variants("club")
    assert case_variants("916") == set()
