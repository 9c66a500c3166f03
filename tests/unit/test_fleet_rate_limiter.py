"""The arithmetic of a rate limit: how many slots there are, when they begin, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from worker.lanes.fleet_rate_limiter import LOOKAHEAD, NETWORK_JITTER, START_TOLERANCE, FleetRateLimiter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The monotonic clock of the rate limiter, which shows what it is set to."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("worker.lanes.fleet_rate_limiter.time", SimpleNamespace(monotonic=lambda: made.now))
    return made


class Database:
    """The row of the rate limit, and a clock that stands still."""

    rowcount = 1

    def __init__(self, next_slot_in: float = 0.0) -> None:
        """`next_slot_in` seconds from now is when the next slot is free."""
        self.next_slot = NOON + timedelta(seconds=next_slot_in)

    def execute(self, statement: str, given: Sequence[Any] = ()) -> None:
        if len(given) > 1:
            first, seconds, _ = given
            self.next_slot = first + timedelta(seconds=seconds)

    def fetchall(self) -> list[tuple[datetime, float]]:
        first = max(self.next_slot, NOON)
        return [(first, (first - NOON).total_seconds())]

    @property
    def cursor(self) -> Cursor:
        return cast(Cursor, self)


class Stalls(Database):
    """That database, asked by a worker that stands still, for so many seconds, before it reads each answer."""

    def __init__(self, clock: SimpleNamespace, *stalls: float) -> None:
        super().__init__()
        self._clock = clock
        self._stalls = list(stalls)

    def fetchall(self) -> list[tuple[datetime, float]]:
        self._clock.now += self._stalls.pop(0)
        return super().fetchall()


def spacing(rate: float) -> float:
    return (1 + START_TOLERANCE + NETWORK_JITTER) / rate


@pytest.mark.parametrize(
    ("rate", "next_slot_in", "free"),
    [
        (1000, 0.0, 488),  # 0.5 s of slots, 1.025 ms apart, and the one that is due now
        (200, 0.0, 98),
        (10, 0.0, 5),
        (1, 0.0, 1),
        (0.1, 0.0, 1),
        (200, -3600.0, 98),  # a fleet that has rested for an hour may not make up for it
        (200, 0.25, 49),
        (200, LOOKAHEAD, 1),
        (200, LOOKAHEAD + 0.001, 0),
        (0.1, 5.0, 0),
    ],
)
def test_no_more_slots_are_free_than_lie_in_the_next_half_second(rate: float, next_slot_in: float, free: int) -> None:
    database = Database(next_slot_in)

    assert FleetRateLimiter(rate).free_slots(database.cursor) == free


@pytest.mark.parametrize("rate", [0.1, 1, 10, 200, 1000])
def test_a_worker_never_gets_more_free_slots_than_it_may_hold(rate: float) -> None:
    limiter = FleetRateLimiter(rate)

    assert limiter.free_slots(Database().cursor) <= limiter.slots_ahead


def test_slots_follow_each_other_over_all_workers(clock: SimpleNamespace) -> None:
    database = Database()
    one, other = FleetRateLimiter(200), FleetRateLimiter(200)
    one.free_slots(database.cursor)
    slots = one.take(database.cursor, 3)
    other.free_slots(database.cursor)
    slots += other.take(database.cursor, 2)

    expected = [number * spacing(200) for number in range(5)]
    assert [slot.begins - clock.now for slot in slots] == pytest.approx(expected, abs=1e-5)
    assert database.next_slot == NOON + timedelta(seconds=5 * spacing(200))


@pytest.mark.parametrize(
    ("stalls", "begins"),
    [
        ([0.0], 1000.0),
        ([NETWORK_JITTER], 1000.0 + NETWORK_JITTER),
        ([0.2, 0.001], 1000.201),  # asked again
        ([0.2, 30.0, 0.001], 1030.201),
        ([0.4, 0.3, 0.1, 0.2, 0.5], 1000.8),  # never quick: the quickest is the truest
    ],
)
def test_a_worker_that_is_frozen_before_it_reads_its_clock_asks_again(
    stalls: list[float], begins: float, clock: SimpleNamespace
) -> None:
    database = Stalls(clock, *stalls)
    limiter = FleetRateLimiter(200)
    limiter.free_slots(database.cursor)

    [slot] = limiter.take(database.cursor, 1)

    assert slot.begins == pytest.approx(begins, abs=1e-9)


def test_slots_that_are_not_taken_stay_free() -> None:
    database = Database()
    limiter = FleetRateLimiter(200)
    limiter.free_slots(database.cursor)

    assert limiter.take(database.cursor, 0) == []
    assert database.next_slot == NOON


def test_a_slot_is_open_for_a_moment() -> None:
    database = Database()
    limiter = FleetRateLimiter(200)
    limiter.free_slots(database.cursor)
    [slot] = limiter.take(database.cursor, 1)

    assert slot.ends - slot.begins == pytest.approx(START_TOLERANCE, abs=1e-9)


@pytest.mark.parametrize(("rate", "next_slot_in"), [(200, 0.6), (1, 1.0), (0.1, 9.0), (1000, 0.7)])
def test_when_none_is_free_it_says_when_to_ask_again(rate: float, next_slot_in: float, clock: SimpleNamespace) -> None:
    database = Database(next_slot_in)
    limiter = FleetRateLimiter(rate)
    limiter.free_slots(database.cursor)

    waits = limiter.resume_at - clock.now
    handful = min(LOOKAHEAD / 4, 10 * spacing(rate))
    assert waits == pytest.approx(next_slot_in - LOOKAHEAD + handful, abs=1e-5)


@pytest.mark.parametrize("rate", [10, 50, 200, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_however_late_and_however_slow_within_bounds_no_second_holds_more_than_the_rate(rate: int, seed: int) -> None:
    random = Random(seed)
    latest = START_TOLERANCE - 1e-6  # the end of a slot is not in it
    arrivals = sorted(
        number * spacing(rate)
        + random.choice([0.0, latest, random.uniform(0, latest)])
        + random.choice([0.0, NETWORK_JITTER])
        for number in range(4 * rate)
    )

    most = max(sum(1 for other in arrivals[at : at + rate + 1] if other - one < 1) for at, one in enumerate(arrivals))
    assert most <= rate


@pytest.mark.parametrize("rate", [10, 200, 1000])
def test_no_more_than_a_fortieth_of_the_rate_is_unused(rate: int) -> None:
    assert 1 / spacing(rate) >= rate * 39 / 40


def test_a_slot_that_may_be_over_by_the_time_it_is_known_is_not_to_be_used(clock: SimpleNamespace) -> None:
    database = Stalls(clock, *[0.3] * 5)
    limiter = FleetRateLimiter(200)
    limiter.free_slots(database.cursor)

    assert all(slot.ends < slot.begins for slot in limiter.take(database.cursor, 3))


@pytest.mark.parametrize("rate", [1e-9, 1e-300, 5e-324])
def test_the_next_slot_of_the_smallest_rate_is_a_date_that_can_be_stored(rate: float) -> None:
    database = Database()
    limiter = FleetRateLimiter(rate)
    assert limiter.slots_ahead == limiter.free_slots(database.cursor) == 1
    limiter.take(database.cursor, 1)
    assert limiter.free_slots(database.cursor) == 0
    assert database.next_slot.year < 2100
