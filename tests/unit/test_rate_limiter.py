"""How many requests are let through, by arithmetic, and that gunicorn's processes count together."""

from __future__ import annotations

import os

import pytest

from api.auth import rate_limiter
from api.auth.authentication import address_block
from api.auth.rate_limiter import RateLimiter


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limiter, "time", clock)
    return clock


@pytest.mark.parametrize(("rate", "at_once"), [(1.0, 10), (0.5, 5), (100.0, 1000), (0.01, 1)])
def test_ten_seconds_worth_may_come_at_once_and_then_as_many_as_the_rate(
    clock: Clock, rate: float, at_once: int
) -> None:
    table = RateLimiter()
    assert all(table.acquire("one", rate) == 0 for _ in range(at_once))
    wait = table.acquire("one", rate)
    assert wait == pytest.approx(1 / rate)
    assert table.acquire("one", rate) == pytest.approx(wait)
    assert table.acquire("other", rate) == 0
    clock.now += wait + 1e-6
    assert table.acquire("one", rate) == 0
    assert table.acquire("one", rate) > 0


def test_reading_the_wait_acquires_nothing(clock: Clock) -> None:
    table = RateLimiter()
    assert [table.seconds_to_wait("one", 1.0, 1) for _ in range(3)] == [0, 0, 0]
    assert table.acquire("one", 1.0, 1) == 0
    assert table.seconds_to_wait("one", 1.0, 1) == pytest.approx(1.0)


def test_no_rate_is_no_limit() -> None:
    table = RateLimiter()
    assert all(table.acquire("one", 0) == 0 for _ in range(1000))


def test_processes_count_together() -> None:
    table = RateLimiter()
    child = os.fork()
    if not child:
        os._exit(0 if table.acquire("one", 0.001) == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert table.acquire("one", 0.001) > 900


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        (None, "unknown", True),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str | None, other: str, same: bool) -> None:
    assert (address_block(one) == address_block(other)) == same
