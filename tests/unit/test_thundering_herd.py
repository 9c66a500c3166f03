"""Ten minutes of 503, and the herd afterwards: a fleet's breakers and retries, by a clock that is only counted.

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
    """What a worker has in hand: on their way with the moment of their answer, or waiting for their turn."""

    breaker: CircuitBreaker
    random: Random
    on_their_way: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    @property
    def in_hand(self) -> int:
        return len(self.on_their_way) + len(self.waiting)


@dataclass
class Story:
    """What happened."""

    requests: list[tuple[float, int]] = field(default_factory=list)
    """When each left, and from which worker."""
    most_on_their_way: dict[float, int] = field(default_factory=dict)
    """By moment, over all workers."""
    delivered: int = 0
    ended_at: float = 0.0
    due: list[float] = field(default_factory=list)
    """When those that met the outage were due again."""

    def between(self, begin: float, end: float) -> list[tuple[float, int]]:
        return [(moment, worker) for moment, worker in self.requests if begin <= moment < end]


def tell(seed: int) -> Story:
    story = Story()
    fleet = [Worker(CircuitBreaker(CONCURRENCY, Random(seed * 100 + n)), Random(n)) for n in range(WORKERS)]
    queue = [(0.0, message, 1) for message in range(MESSAGES)]
    numbers = dict.fromkeys(range(MESSAGES), 1)
    now = 0.0
    while story.delivered < MESSAGES and now < 2000:
        for name, worker in enumerate(fleet):
            _take_in(story, worker, queue, numbers, now)
            _claim(worker, queue, numbers, now)
            while worker.waiting and len(worker.on_their_way) < max(1, worker.breaker.limit):
                worker.on_their_way.append((now + LATENCY, worker.waiting.pop(0)))
                story.requests.append((now, name))
        story.most_on_their_way[now] = sum(len(worker.on_their_way) for worker in fleet)
        now = round(now + STEP, 6)
    story.ended_at = now
    return story


def _take_in(
    story: Story, worker: Worker, queue: list[tuple[float, int, int]], numbers: dict[int, int], now: float
) -> None:
    """Collects answers, as the loop does: learn, decide, and give back what has not begun when the breaker opens."""
    full = worker.in_hand >= worker.breaker.limit
    answered = [message for moment, message in worker.on_their_way if moment <= now]
    worker.on_their_way = [one for one in worker.on_their_way if one[0] > now]
    for message in answered:
        answer = DOWN if OUTAGE[0] <= now - LATENCY < OUTAGE[1] else OK
        worker.breaker.record(answer, now)
        verdict = decide(delivery(numbers[message], on_unknown=OnUnknown.RESEND), answer, RETRIES, worker.random)
        if verdict.status is MessageStatus.SENT:
            story.delivered += 1
        else:
            story.due.append(now + verdict.delay)
            heapq.heappush(queue, (now + verdict.delay, message, numbers[message] + 1))
        if worker.breaker.state is State.OPEN:
            for waiting in worker.waiting:
                heapq.heappush(queue, (0.0, waiting, numbers[waiting]))
            worker.waiting.clear()
    worker.breaker.end_batch(now, full=full)


def _claim(worker: Worker, queue: list[tuple[float, int, int]], numbers: dict[int, int], now: float) -> None:
    room = worker.breaker.capacity(now, worker.in_hand)
    for _ in range(room):
        if queue and queue[0][0] <= now:
            _, message, numbers[message] = heapq.heappop(queue)
            worker.waiting.append(message)
            worker.breaker.start_probe()


@pytest.fixture(scope="module", params=range(3))
def story(request: pytest.FixtureRequest) -> Story:
    return tell(request.param)


def test_within_seconds_each_worker_has_noticed(story: Story) -> None:
    begin, _ = OUTAGE
    # Ten troubles in a row, what was on its way besides, and the first few probes.
    assert max(Counter(worker for _, worker in story.between(begin, begin + 10)).values()) <= 10 + CONCURRENCY + 8


def test_during_the_outage_a_worker_has_one_message_on_its_way_at_most(story: Story) -> None:
    begin, end = OUTAGE
    assert max(most for moment, most in story.most_on_their_way.items() if begin + 5 < moment < end) <= WORKERS


def test_probes_grow_rare(story: Story) -> None:
    _, end = OUTAGE
    probes = Counter(worker for _, worker in story.between(end - 300, end))
    assert set(probes) == set(range(WORKERS))
    # One in 15 to 30 seconds each.
    assert max(probes.values()) <= 300 / (PAUSE_CAP / 2) + 1


def test_probes_of_twenty_workers_do_not_come_together(story: Story) -> None:
    _, end = OUTAGE
    by_second = Counter(int(moment) for moment, _ in story.between(end - 300, end))
    # On average one in a second; they began in the same second ten minutes ago.
    assert max(by_second.values()) <= WORKERS / 3


def test_when_the_gateway_is_back_each_worker_begins_with_one_message_and_never_has_more_than_it_may(
    story: Story,
) -> None:
    _, end = OUTAGE
    first = {worker: min(moment for moment, who in story.between(end, 2000) if who == worker) for worker in range(20)}
    assert all(begun <= end + PAUSE_CAP for begun in first.values())
    together = Counter((moment, worker) for moment, worker in story.between(end, 2000))
    assert {together[begun, worker] for worker, begun in first.items()} == {1}
    # In the time of three full rounds it makes the half of them.
    for worker, begun in first.items():
        soon = [who for moment, who in story.between(begun, begun + 3 * LATENCY - STEP) if who == worker]
        assert len(soon) <= 3 * CONCURRENCY / 2
    assert max(story.most_on_their_way.values()) <= WORKERS * CONCURRENCY


def test_the_load_comes_back_bit_by_bit(story: Story) -> None:
    _, end = OUTAGE
    assert story.most_on_their_way[end + 1.0] < WORKERS * CONCURRENCY / 4
    assert max(most for moment, most in story.most_on_their_way.items() if moment > end) > WORKERS * CONCURRENCY / 2


def test_what_met_the_outage_is_due_again_at_moments_of_its_own(story: Story) -> None:
    spread = Counter(int(moment * 10) for moment in story.due)
    assert max(spread.values()) <= len(story.due) / 10


def test_nothing_is_lost(story: Story) -> None:
    assert story.delivered == MESSAGES
    assert story.ended_at < OUTAGE[1] + 120
