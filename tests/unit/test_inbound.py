"""Inbound messages are put together of their parts in whatever order these come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

import pytest

from shared.domain.inbound import MAX_OPEN, MAX_SPREAD, MAX_WAIT, ReceivedPart, assemble, sender_phone_number

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


def received(*parts: tuple[int, str], seconds: float = 1.0) -> list[ReceivedPart]:
    """Parts that come one after another."""
    return [
        ReceivedPart(index, number, text, NOON + timedelta(seconds=index * seconds))
        for index, (number, text) in enumerate(parts)
    ]


@pytest.mark.parametrize("order", list(permutations([(1, "one "), (2, "two "), (3, "three "), (4, "four")])))
def test_order_and_repetitions_do_not_matter(order: tuple[tuple[int, str], ...]) -> None:
    repeated = Random(str(order)).choices(order, k=3)

    [found] = assemble(4, received(*order, *repeated))

    assert found.text == "one two three four"
    assert found.is_complete
    assert len(found.new) == 7


def test_each_run_of_missing_parts_is_marked_once() -> None:
    assert [one.text for one in assemble(5, received((3, "three")))] == ["[…]three[…]"]
    assert [one.text for one in assemble(3, received((1, "one "), (3, "three")))] == ["one […]three"]


def test_a_message_waits_for_its_parts_from_the_first_one_on() -> None:
    [found] = assemble(3, received((1, "one "), (2, "two "), seconds=300))

    assert not found.is_ready(NOON + MAX_WAIT - timedelta(seconds=1))
    assert found.is_ready(NOON + MAX_WAIT)


@pytest.mark.parametrize(("apart", "messages"), [(MAX_SPREAD, 1), (MAX_SPREAD + timedelta(seconds=1), 2)])
def test_parts_belong_together_for_a_day(apart: timedelta, messages: int) -> None:
    assert len(assemble(2, received((1, "one "), (2, "two"), seconds=apart.total_seconds()))) == messages


@pytest.mark.parametrize(("apart", "messages"), [(MAX_WAIT, 1), (MAX_WAIT + timedelta(seconds=1), 2)])
def test_an_equal_part_is_a_repetition_for_some_minutes(apart: timedelta, messages: int) -> None:
    assert len(assemble(2, received((1, "one "), (1, "one "), seconds=apart.total_seconds()))) == messages


def test_without_a_reference_nothing_is_a_repetition() -> None:
    assert len(assemble(2, received((1, "one "), (1, "one ")), has_reference=False)) == 2


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("+79161234567", 79161234567),
        (" 79161234567", 79161234567),  # a plus sign that was not encoded
        ("0079161234567", 79161234567),
        ("+7 (916) 123-45-67", 79161234567),
        ("+1.800.555\N{NO-BREAK SPACE}0199", 18005550199),
        ("12-34-56", None),
        ("7+9161234567", None),
        ("89161234567", 89161234567),
        ("0501234567", None),
        ("+0079161234567", None),
        ("79161234567x", None),
        ("٧٩١٦١٢٣٤٥٦٧", None),
        ("1001", None),
        ("1234567890123456", None),
        ("", None),
    ],
)
def test_a_sender_is_a_phone_number_only_as_its_digits_are(sender: str, number: int | None) -> None:
    assert sender_phone_number(sender) == number


def test_a_part_is_compared_only_with_the_latest_messages() -> None:
    beginnings = [(1, f"{number} ") for number in range(MAX_OPEN + 1)]
    found = assemble(2, received(*beginnings, *((2, str(number)) for number in range(MAX_OPEN + 1)), seconds=0.1))

    assert sum(one.is_complete for one in found) == MAX_OPEN
    assert [one.text for one in found if not one.is_complete] == ["0 […]", f"[…]{MAX_OPEN}"]
