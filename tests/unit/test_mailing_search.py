"""What somebody means who searches for a mailing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.clients.search import has_digits
from api.mailings.search import read_search

NOVEMBER = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "number"),
    [("7", 7), ("#7", 7), ("№ 7", 7), ("No. 7", 7), ("7 days", None), ("1" * 40, None), ("", None), ("٧", None)],
)
def test_a_number_alone_is_a_mailing_s_too(typed: str, number: int | None) -> None:
    search = read_search(typed, "UTC")
    assert (search.words, search.number) == (typed, number)


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        ("2026-11-30", ""),
        ("30.11.2026", ""),
        ("sale 30.11.2026", "sale"),
        ("2026-11-30  winter sale", "winter sale"),
        ("big 30.11.2026 sale", "big sale"),
    ],
)
def test_a_date_is_a_day_beside_the_other_words(typed: str, rest: str) -> None:
    search = read_search(typed, "UTC")
    assert (search.words, search.day, search.rest) == (typed, NOVEMBER, rest)


@pytest.mark.parametrize("typed", ["31.02.2026", "2026-13-01", "130.11.2026", "0000-01-01", "1.1.20261", "9999-12-31"])
def test_what_is_no_day_is_words(typed: str) -> None:
    search = read_search(typed, "UTC")
    assert (search.words, search.day) == (typed, None)


def test_a_day_begins_at_midnight_where_the_viewer_is() -> None:
    day = read_search("30.11.2026", "Europe/Moscow").day
    assert day == (datetime(2026, 11, 29, 21, tzinfo=UTC), datetime(2026, 11, 30, 21, tzinfo=UTC))


@pytest.mark.parametrize(
    ("typed", "has"), [("+7 (916) 123-45-67", True), ("7916", True), ("", False), ("abc", False), ("+", False)]
)
def test_what_has_no_digit_is_no_phone_number(typed: str, has: bool) -> None:
    assert has_digits(typed) is has
