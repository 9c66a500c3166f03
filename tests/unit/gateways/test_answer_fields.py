"""Reading the fields of answers whatever their types are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.answer_fields import (
    code_of,
    id_of,
    is_another_id,
    is_another_recipient,
    joined,
    price_of,
    segments_in,
)
from tests.unit.gateways.adapter_cases import Message


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ("0.0330", Decimal("0.0330")),
        ("-0.0075", Decimal("0.0075")),
        (0.01, Decimal("0.01")),
        (2, Decimal(2)),
        ("", None),
        (None, None),
        (True, None),
        ("nan", None),
        ("1e999999", None),
        ("inf", None),
        (10**5000, None),
        ([], None),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "a number",
)
def test_a_price_is_a_number_that_may_be_one(value: Any, price: Decimal | None) -> None:
    assert price_of(value) == price


@pytest.mark.parametrize(
    ("value", "count"),
    [(3, 3), ("3", 3), (0, None), (-1, None), ("٣", None), (10**9, None), (True, None), (None, None)],
)
def test_segments_are_a_small_number(value: Any, count: int | None) -> None:
    assert segments_in(value) == count


@pytest.mark.parametrize(
    ("value", "read"),
    [("SM1", "SM1"), (12, "12"), ("", None), ("a\x00b", None), ("x" * 201, None), (None, None), (True, None)],
)
def test_an_id_is_a_short_printable_text(value: Any, read: str | None) -> None:
    assert id_of(value) == read


def test_words_are_joined_as_far_as_there_are_any() -> None:
    assert joined(20, None, " no ", {}, True) == "20: no"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, "7"),
        ("21610", "21610"),
        (-3, "-3"),
        (79161234567, ""),
        ("s3cret", ""),
        ("٣", ""),
        ("", ""),
        (None, ""),
        (True, ""),
    ],
)
def test_a_code_is_a_short_number_and_no_part_of_the_request(value: Any, code: str) -> None:
    assert code_of(value) == code


@pytest.mark.parametrize(
    ("recipient", "ours", "another"),
    [
        ("+79161234567", 79161234567, False),
        ("7 (916) 123-45-67", 79161234567, False),
        (79161234567, 79161234567, False),
        ("+79161234568", 79161234567, True),
        # Another country with the same end; a digit too many before the country code, or at the end.
        ("+19161234567", 79161234567, True),
        ("779161234567", 79161234567, True),
        ("791612345678", 79161234567, True),
        ("9161234567", 79161234567, True),
        # Mexico, Argentina and Brazil: providers leave out a digit of mobile phones, or put it in.
        ("+525512345678", 5215512345678, False),
        ("+541112345678", 5491112345678, False),
        ("+5511912345678", 551112345678, False),
        ("+525512345679", 5215512345678, True),
        ("", 79161234567, False),
        (None, 79161234567, False),
    ],
)
def test_an_answer_about_another_number_is_told_apart(recipient: Any, ours: int, another: bool) -> None:
    assert is_another_recipient(recipient, Message(phone_number=ours)) is another


@pytest.mark.parametrize(("named", "another"), [("7", False), (7, False), ("07", True), ("77", True), (None, False)])
def test_an_answer_about_another_id_is_told_apart(named: Any, another: bool) -> None:
    assert is_another_id(named, 7) is another
