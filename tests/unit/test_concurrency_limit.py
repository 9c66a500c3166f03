"""How the limit of requests at once finds what a gateway can carry, by a clock of the tests' own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from worker.lanes.concurrency_limit import (
    FIRST_GROWTH,
    GROWTH,
    HOLD_SECONDS,
    INITIAL_LIMIT,
    RECOVERED_LIMIT,
    SILENCE_SECONDS,
    WORST_SECONDS,
    AdaptiveConcurrencyLimit,
)

Way = Callable[[int], float]
"""How many answers a second so many requests at once bring."""


def run(limit: AdaptiveConcurrencyLimit, way: Way, seconds: float, now: float = 0.0) -> float:
    """Sends as much as may be for so long, and answers what time it is then."""
    answers = 0.0
    for _ in range(round(seconds * 100)):
        now += 0.01
        answers += way(limit.value) / 100
        limit.record(int(answers), now, full=True)
        answers -= int(answers)
    return now


def latency(seconds: float) -> Way:
    return lambda limit: limit / seconds


def capacity(rate: float, seconds: float) -> Way:
    return lambda limit: min(rate, limit / seconds)


@pytest.mark.parametrize("most", [1, 3, INITIAL_LIMIT, 1000])
def test_it_begins_at_the_floor_and_never_above_the_concurrency(most: int) -> None:
    assert AdaptiveConcurrencyLimit(most).value == min(INITIAL_LIMIT, most)


@pytest.mark.parametrize(("seconds", "within"), [(0.1, 1.0), (1.0, 8.0)])
def test_the_limit_for_a_gateway_with_high_latency_reaches_the_maximum(seconds: float, within: float) -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    run(limit, latency(seconds), within)

    assert limit.value == 1000


def test_the_limit_for_a_gateway_with_low_latency_reaches_the_maximum_within_a_fifth_of_a_second() -> None:
    limit = AdaptiveConcurrencyLimit(256)
    run(limit, latency(0.005), 0.2)

    assert limit.value == 256
    assert limit.rate > 256 / 0.005 / 2


def test_one_slow_round_does_not_lower_the_limit() -> None:
    limit = AdaptiveConcurrencyLimit(2 * INITIAL_LIMIT)
    for step in range(4):
        limit.record(INITIAL_LIMIT, step / 100, full=True)
    assert limit.value == 2 * INITIAL_LIMIT

    limit.record(2 * INITIAL_LIMIT, 0.07, full=True)  # no faster, for these 40 ms
    for step in range(8, 18):
        limit.record(6 * INITIAL_LIMIT, step / 100, full=True)

    assert limit.value == 2 * INITIAL_LIMIT


def test_a_round_has_as_many_answers_as_the_limit() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    for step in range(INITIAL_LIMIT):
        limit.record(1, step / 20, full=True)
    assert limit.value == INITIAL_LIMIT

    limit.record(1, 1.0, full=True)
    assert limit.value == WORST_SECONDS * INITIAL_LIMIT


@pytest.mark.parametrize(("seconds", "growth"), [(0.05, FIRST_GROWTH), (0.5, WORST_SECONDS / 0.5), (3.0, GROWTH)])
def test_the_first_steps_are_as_large_as_a_gateway_that_serves_one_after_another_would_stand(
    seconds: float, growth: float
) -> None:
    limit = AdaptiveConcurrencyLimit(10_000)
    for now in (0.0, seconds):
        limit.record(INITIAL_LIMIT, now, full=True)

    assert limit.value == growth * INITIAL_LIMIT


def test_after_a_large_step_that_was_not_kept_smaller_ones_are_tried_at_once() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    reached, now = [limit.value], 0.0
    for _ in range(300):
        now = run(limit, capacity(1000.0, 0.1), 0.01, now)
        if limit.value != reached[-1]:
            reached.append(limit.value)

    assert reached == [64, 1000, 128, 256, 128]


def test_the_rate_outlasts_a_short_gap_between_answers_and_is_unknown_after_a_long_silence() -> None:
    limit = AdaptiveConcurrencyLimit(16)
    now = run(limit, latency(0.01), 1.0)
    assert limit.rate == pytest.approx(1600.0, rel=0.01)

    limit.record(0, now + 0.03, full=False)
    assert limit.rate == pytest.approx(1600.0, rel=0.01)

    limit.record(0, now + SILENCE_SECONDS, full=False)
    limit.record(1, now + 2 * SILENCE_SECONDS, full=False)
    assert limit.rate == 0.0


def test_while_a_step_is_not_decided_the_rate_is_expected_to_grow_with_it() -> None:
    limit = AdaptiveConcurrencyLimit(10 * INITIAL_LIMIT)
    run(limit, latency(0.1), 0.1)
    assert limit.expected_rate == limit.rate

    now = run(limit, latency(0.1), 0.01, 0.1)
    assert limit.value == 10 * INITIAL_LIMIT
    assert limit.expected_rate == pytest.approx(limit.value / 0.1, rel=0.1)

    run(limit, capacity(1000.0, 0.1), 0.7, now)
    assert limit.value == INITIAL_LIMIT * GROWTH  # it was not kept, and a smaller one is tried
    assert limit.expected_rate < 2500


@pytest.mark.parametrize(
    ("most", "way", "full", "starting"),
    [
        (1000, latency(0.1), True, [True, False]),
        (1000, capacity(1000.0, 0.1), True, [True, False]),
        (1000, latency(0.1), False, [False, False]),
        (INITIAL_LIMIT, latency(0.1), True, [False, False]),
    ],
)
def test_it_is_starting_until_the_first_steps_are_decided(
    most: int, way: Way, full: bool, starting: list[bool]
) -> None:
    limit, now = AdaptiveConcurrencyLimit(most), 0.0
    found = []
    for seconds in (0.15, 1.0):
        now = run(limit, way, seconds, now)
        limit.record(0, now, full=full)
        found.append(limit.is_starting)

    assert found == starting


def test_the_limit_falls_when_more_requests_at_once_bring_no_more_throughput() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    now = run(limit, capacity(3000.0, 0.01), 5.0)

    assert limit.value <= 64
    assert limit.rate == pytest.approx(3000.0, rel=0.1)

    # More is tried now and then, and given up again.
    run(limit, capacity(3000.0, 0.01), 3 * HOLD_SECONDS, now)
    assert limit.value <= 64


def test_the_limit_rises_again_when_the_latency_of_the_gateway_rises() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    now = run(limit, capacity(3000.0, 0.01), 5.0)

    run(limit, latency(0.2), HOLD_SECONDS + 5.0, now)

    assert limit.value == 1000


def test_it_is_not_raised_while_it_is_not_reached() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    for step in range(1000):
        limit.record(100, step / 10, full=False)

    assert limit.value == INITIAL_LIMIT


def test_throttling_halves_it_and_it_recovers_by_one_for_each_round_of_answers() -> None:
    limit = AdaptiveConcurrencyLimit(16)
    limit.on_throttled()
    assert limit.value == 8
    assert limit.cautious

    limit.record(9, 0.0, full=True)
    assert limit.value == 9
    limit.record(1000, 0.1, full=True)
    assert limit.value == 16
    assert not limit.cautious


def test_throttling_of_requests_already_in_flight_does_not_halve_it_again() -> None:
    limit = AdaptiveConcurrencyLimit(16)
    for _ in range(10):
        limit.on_throttled()
    limit.record(6, 0.0, full=False)
    assert limit.value == 8

    limit.on_throttled()
    assert limit.value == 4

    # It comes back to where it was before both.
    limit.record(1000, 0.1, full=False)
    assert limit.value == 16


@pytest.mark.parametrize("interruption", [AdaptiveConcurrencyLimit.on_throttled, AdaptiveConcurrencyLimit.restart])
def test_a_step_before_an_interruption_is_not_judged_by_the_answers_after_it(
    interruption: Callable[[AdaptiveConcurrencyLimit], None],
) -> None:
    limit = AdaptiveConcurrencyLimit(2 * INITIAL_LIMIT)
    for step in range(4):
        limit.record(INITIAL_LIMIT, step / 100, full=True)
    assert limit.value == 2 * INITIAL_LIMIT

    interruption(limit)
    limit.record(10_000, 0.04, full=True)
    assert not limit.cautious
    run(limit, latency(1.0), 4.0, now=5.0)  # much slower than before

    assert limit.value == 2 * INITIAL_LIMIT


def test_throttling_after_a_pause_lowers_the_limit() -> None:
    limit = AdaptiveConcurrencyLimit(16)
    limit.on_throttled()
    limit.restart()
    limit.record(5, 0.0, full=False)
    assert limit.value == 3

    limit.on_throttled()
    assert limit.value == 1


def test_it_is_one_at_the_least() -> None:
    limit = AdaptiveConcurrencyLimit(4)
    for _ in range(10):
        limit.on_throttled()

    assert limit.value == 1


def test_a_gateway_that_is_back_begins_with_one_and_is_soon_at_the_floor() -> None:
    limit = AdaptiveConcurrencyLimit(1000)
    run(limit, latency(0.1), 2.0)
    limit.restart()
    assert limit.value == 1
    assert limit.cautious

    limit.record(RECOVERED_LIMIT * RECOVERED_LIMIT, 3.0, full=True)

    assert limit.value == RECOVERED_LIMIT
    assert not limit.cautious
