"""Ten minutes of 503, and the thundering herd afterwards: breakers and retries of a fleet, by a simulated clock.

Twenty workers, each with a breaker of its own, and one gateway that answers within a tenth of a second.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from shared.domain.results import Result
from shared.domain.statuses import MessageStatus, OnUnknown
from tests.long_variations import few_of
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import Retries, decide
from worker.lanes.circuit_breaker import PAUSE_CAP, CircuitBreaker, State

OK = submitted(Result.ACCEPTED, 200)
DOWN = submitted(Result.AMBIGUOUS, 503)
WORKERS, CONCURRENCY = 20, 8
MESSAGES = 60_000
OUTAGE = (5.0, 605.0)
LATENCY = 0.1
STEP = 0.05
"""Seconds between two looks of a worker."""
RETRIES = Retries(max_attempts=50, base=2.0, cap=300.0)


@dataclass
class Worker:
    """What a worker has claimed: in flight with the time of their answer, or not submitted yet."""

    breaker: CircuitBreaker
    random: Random
    in_flight_requests: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        return len(self.in_flight_requests) + len(self.waiting)


@dataclass
class Simulation:
    """What happened."""

    requests: list[tuple[float, int]] = field(default_factory=list)
    """When each left, and from which worker."""
    most_in_flight: dict[float, int] = field(default_factory=dict)
    """By moment, over all workers."""
    delivered: int = 0
    ended_at: float = 0.0
    due: list[float] = field(default_factory=list)
    """When those that met the outage were due again."""

    def between(self, begin: float, end: float) -> list[tuple[float, int]]:
        return [(moment, worker) for moment, worker in self.requests if begin <= moment < end]


def simulate(seed: int) -> Simulation:
    simulation = Simulation()
    fleet = [Worker(CircuitBreaker(CONCURRENCY, Random(seed * 100 + n)), Random(n)) for n in range(WORKERS)]
    queue = [(0.0, message, 1) for message in range(MESSAGES)]
    numbers = dict.fromkeys(range(MESSAGES), 1)
    now = 0.0
    while simulation.delivered < MESSAGES and now < 2000:
        for name, worker in enumerate(fleet):
            _collect(simulation, worker, queue, numbers, now)
            _claim(worker, queue, numbers, now)
            while worker.waiting and len(worker.in_flight_requests) < max(1, worker.breaker.limit):
                worker.in_flight_requests.append((now + LATENCY, worker.waiting.pop(0)))
                simulation.requests.append((now, name))
        simulation.most_in_flight[now] = sum(len(worker.in_flight_requests) for worker in fleet)
        now = round(now + STEP, 6)
    simulation.ended_at = now
    return simulation


def _collect(
    simulation: Simulation, worker: Worker, queue: list[tuple[float, int, int]], numbers: dict[int, int], now: float
) -> None:
    """Collects answers, as the loop does: learn, decide, and give back what has not begun when the breaker opens."""
    full = worker.in_flight >= worker.breaker.limit
    answered = [message for moment, message in worker.in_flight_requests if moment <= now]
    worker.in_flight_requests = [one for one in worker.in_flight_requests if one[0] > now]
    for message in answered:
        answer = DOWN if OUTAGE[0] <= now - LATENCY < OUTAGE[1] else OK
        worker.breaker.record(answer, now)
        verdict = decide(delivery(numbers[message], on_unknown=OnUnknown.RESEND), answer, RETRIES, worker.random)
        if verdict.status is MessageStatus.SENT:
            simulation.delivered += 1
        else:
            simulation.due.append(now + verdict.delay)
            heapq.heappush(queue, (now + verdict.delay, message, numbers[message] + 1))
        if worker.breaker.state is State.OPEN:
            for waiting in worker.waiting:
                heapq.heappush(queue, (0.0, waiting, numbers[waiting]))
            worker.waiting.clear()
    worker.breaker.end_batch(now, full=full)


def _claim(worker: Worker, queue: list[tuple[float, int, int]], numbers: dict[int, int], now: float) -> None:
    room = worker.breaker.capacity(now, worker.in_flight)
    for _ in range(room):
        if queue and queue[0][0] <= now:
            _, message, numbers[message] = heapq.heappop(queue)
            worker.waiting.append(message)
            worker.breaker.start_probe()


@pytest.fixture(scope="module", params=few_of(range(3), 0))
def simulation(request: pytest.FixtureRequest) -> Simulation:
    return simulate(request.param)


def test_within_seconds_each_worker_has_noticed(simulation: Simulation) -> None:
    begin, _ = OUTAGE
    # Ten troubles in a row, what was on its way besides, and the first few probes.
    assert max(Counter(worker for _, worker in simulation.between(begin, begin + 10)).values()) <= 10 + CONCURRENCY + 8


def test_during_the_outage_a_worker_has_one_message_in_flight_at_most(simulation: Simulation) -> None:
    begin, end = OUTAGE
    assert max(most for moment, most in simulation.most_in_flight.items() if begin + 5 < moment < end) <= WORKERS


def test_probes_become_less_frequent(simulation: Simulation) -> None:
    _, end = OUTAGE
    probes = Counter(worker for _, worker in simulation.between(end - 300, end))
    assert set(probes) == set(range(WORKERS))
    # One in 15 to 30 seconds each.
    assert max(probes.values()) <= 300 / (PAUSE_CAP / 2) + 1


def test_probes_of_twenty_workers_do_not_come_together(simulation: Simulation) -> None:
    _, end = OUTAGE
    by_second = Counter(int(moment) for moment, _ in simulation.between(end - 300, end))
    # On average one in a second; they began in the same second ten minutes ago.
    assert max(by_second.values()) <= WORKERS / 3


def test_when_the_gateway_is_back_each_worker_begins_with_one_message_and_never_exceeds_its_limit(
    simulation: Simulation,
) -> None:
    _, end = OUTAGE
    first = {
        worker: min(moment for moment, who in simulation.between(end, 2000) if who == worker) for worker in range(20)
    }
    assert all(begun <= end + PAUSE_CAP for begun in first.values())
    together = Counter((moment, worker) for moment, worker in simulation.between(end, 2000))
    assert {together[begun, worker] for worker, begun in first.items()} == {1}
    # In the time of three full rounds it makes the half of them.
    for worker, begun in first.items():
        soon = [who for moment, who in simulation.between(begun, begun + 3 * LATENCY - STEP) if who == worker]
        assert len(soon) <= 3 * CONCURRENCY / 2
    assert max(simulation.most_in_flight.values()) <= WORKERS * CONCURRENCY


def test_the_load_rises_gradually(simulation: Simulation) -> None:
    _, end = OUTAGE
    assert simulation.most_in_flight[end + 1.0] < WORKERS * CONCURRENCY / 4
    assert max(most for moment, most in simulation.most_in_flight.items() if moment > end) > WORKERS * CONCURRENCY / 2


def test_messages_that_failed_in_the_outage_are_due_again_at_spread_times(simulation: Simulation) -> None:
    spread = Counter(int(moment * 10) for moment in simulation.due)
    assert max(spread.values()) <= len(simulation.due) / 10


def test_nothing_is_lost(simulation: Simulation) -> None:
    assert simulation.delivered == MESSAGES
    assert simulation.ended_at < OUTAGE[1] + 120
