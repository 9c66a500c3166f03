"""What a mailing that is still being written would come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.estimates import Backlog, EstimateInput, backlog_at, plan_warnings, seconds_needed

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DRAFT = EstimateInput(mark="vip", start=NOON, end=NOON + HOUR, audience=3600, rate=1.0, now=NOON)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"audience": 3601}, ["window_too_short"]),
        ({"audience": 3601, "rate": 0.0}, []),
        ({"end": NOON + HOUR / 3600_000, "rate": 0.0}, []),
        # What is left of the window counts, not what it was.
        ({"start": NOON - HOUR, "audience": 3601}, ["window_too_short"]),
        ({"start": NOON + HOUR / 2}, ["window_too_short"]),
        ({"start": NOON - 2 * HOUR, "end": NOON}, ["window_closed"]),
        ({"end": NOON}, ["no_window"]),
        ({"audience": 0}, ["nobody_matches"]),
        ({"audience": 0, "left_out": 5}, ["nobody_matches"]),
        ({"audience": 0, "mark": ""}, []),
        ({"start": None, "end": None}, []),
        ({"end": None}, []),
        ({"start": None}, []),
        ({"start": None, "audience": 3601}, ["window_too_short"]),
        # Each other mailing takes as much of the rate.
        ({"audience": 1800, "backlog": Backlog((9000,))}, []),
        ({"audience": 1801, "backlog": Backlog((9000,))}, ["window_too_short"]),
        ({"similar_tags": ("VIP",)}, ["case_differs"]),
        ({"start": None, "end": NOON - HOUR, "audience": 0}, ["window_closed", "nobody_matches"]),
    ],
)
def test_warnings(change: dict[str, Any], codes: list[str]) -> None:
    assert [warning.code for warning in plan_warnings(replace(DRAFT, **change))] == codes


def test_time_needed_is_unknown_without_a_rate_limit() -> None:
    assert seconds_needed(500, 50.0) == 10.0
    assert seconds_needed(500, 0.0) is None


@pytest.mark.parametrize(
    ("messages", "others", "rate", "seconds"),
    [(100, (), 10.0, 10.0), (10, (990,), 10.0, 2.0), (900, (100,), 10.0, 100.0), (100, (50, 900), 10.0, 25.0)],
)
def test_mailings_share_the_rate_evenly_until_they_are_done(
    messages: int, others: tuple[int, ...], rate: float, seconds: float
) -> None:
    assert seconds_needed(messages, rate, Backlog(others)) == seconds


@pytest.mark.parametrize(
    ("waiting", "sent", "left"),
    [
        ((100, 300), 0.0, (100, 300)),
        ((100, 300), 100.0, (50, 250)),
        ((100, 300), 99.0, (51, 251)),
        ((300, 100), 300.0, (100,)),
        ((100, 300), 400.0, ()),
        ((), 10.0, ()),
    ],
)
def test_a_backlog_shrinks_by_even_shares(waiting: tuple[int, ...], sent: float, left: tuple[int, ...]) -> None:
    assert Backlog(waiting).after(sent) == Backlog(left)


def test_the_estimate_of_a_later_mailing_counts_the_backlog_that_is_left_at_its_start() -> None:
    backlog = Backlog((7200,))
    assert backlog_at(NOON + HOUR, NOON, 1.0, backlog) == Backlog((3600,))
    assert backlog_at(NOON - HOUR, NOON, 1.0, backlog) == backlog_at(None, NOON, 1.0, backlog) == backlog


def test_a_window_that_is_too_short_says_by_which_speed() -> None:
    for is_measured, words in ((False, "At the rate limit"), (True, "At the present speed")):
        (warning,) = plan_warnings(replace(DRAFT, audience=3601, is_measured=is_measured))
        assert (warning.code, warning.message.partition(",")[0]) == ("window_too_short", words)
