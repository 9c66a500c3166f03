"""How long a recurring piece of work is put off, by a clock that the test sets."""

from __future__ import annotations

import pytest

from worker.maintenance.time_share_limiter import TimeShareLimiter


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_work_that_was_never_done_is_due(clock: Clock) -> None:
    assert TimeShareLimiter(0.1, 30.0, clock).is_due


@pytest.mark.parametrize(
    ("share", "spent", "pause"),
    [
        (0.1, 0.1, 1.0),
        (0.01, 0.1, 10.0),
        (0.05, 1.0, 20.0),
        (0.01, 0.5, 30.0),  # in proportion it would be 50 s
        (0.01, 20.0, 30.0),
        (0.01, 3600.0, 30.0),
    ],
)
def test_the_pause_is_in_proportion_to_what_was_spent_and_bounded(
    share: float, spent: float, pause: float, clock: Clock
) -> None:
    budget = TimeShareLimiter(share, 30.0, clock)
    budget.spend(spent)

    clock.now += pause - 0.25
    assert not budget.is_due
    clock.now += 0.5
    assert budget.is_due


@pytest.mark.parametrize("spent", [-0.1, 0.0])
def test_work_that_took_nothing_is_due_at_once(spent: float, clock: Clock) -> None:
    budget = TimeShareLimiter(0.1, 30.0, clock)
    budget.spend(spent)

    assert budget.is_due


def test_a_pause_that_is_asked_for_is_bounded_too(clock: Clock) -> None:
    budget = TimeShareLimiter(0.1, 30.0, clock)
    budget.wait(60.0)

    clock.now += 29.9
    assert not budget.is_due
    clock.now += 0.2
    assert budget.is_due


def test_no_more_than_its_share_of_the_time_goes_into_the_work(clock: Clock) -> None:
    budget = TimeShareLimiter(0.1, 30.0, clock)
    worked, begun = 0.0, clock.now
    while clock.now - begun < 1000.0:
        if budget.is_due:
            clock.now += 0.2
            worked += 0.2
            budget.spend(0.2)
        clock.now += 0.01

    assert 85.0 < worked <= 100.0
