"""The sender threads, with a gateway that answers when a test lets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from shared.ledger import OnUnknown, Outcome
from tests.waiting import eventually
from worker.answers import Answer
from worker.delivery import Attempted, Claim, Delivery
from worker.senders import Senders

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OK = Answer(Outcome.ACCEPTED, 200)


class SlowGateway:
    """Answers nothing until `let_go`."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, str]] = []
        self._answers = threading.Semaphore(0)

    def send(self, message_id: int, phone_number: int, text: str) -> Answer:
        self.asked.append((message_id, phone_number, text))
        assert self._answers.acquire(timeout=10)
        return OK

    def let_go(self, answers: int = 1000) -> None:
        self._answers.release(answers)


def delivery(message_id: int, *, start_within: float = 60.0, claimed_ago: float = 0.0) -> Delivery:
    now = monotonic()
    return Delivery(
        message_id=message_id,
        number=1,
        mailing_id=1,
        client_id=message_id,
        phone_number=79000000000 + message_id,
        text="Hello",
        spared=0,
        in_doubt=False,
        on_unknown=OnUnknown.RESEND,
        worker="somebody",
        claim=Claim(NOON, now - claimed_ago),
        start_from=now,
        start_by=now + start_within,
    )


@pytest.fixture
def gateway() -> SlowGateway:
    return SlowGateway()


@pytest.fixture
def something_done() -> threading.Event:
    return threading.Event()


@pytest.fixture
def hire(gateway: SlowGateway, something_done: threading.Event) -> Iterator[Callable[[int], Senders]]:
    hired: list[Senders] = []

    def make(threads: int) -> Senders:
        hired.append(Senders(gateway, threads, something_done))
        return hired[-1]

    yield make
    gateway.let_go()
    for senders in hired:
        senders.stop()


def collected(senders: Senders, attempted: int = 0, unstarted: int = 0) -> tuple[list[Attempted], list[Delivery]]:
    """Collects until there have been so many of each."""
    done: tuple[list[Attempted], list[Delivery]] = ([], [])

    def enough() -> bool:
        some, others = senders.collect()
        done[0].extend(some)
        done[1].extend(others)
        return len(done[0]) >= attempted and len(done[1]) >= unstarted

    eventually(enough)
    return done


def test_a_delivery_becomes_an_attempt(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(1)
    gateway.let_go()
    one = delivery(7)
    senders.submit([one])

    [attempted], _ = collected(senders, attempted=1)

    assert gateway.asked == [(7, 79000000007, "Hello")]
    assert attempted.delivery is one
    assert attempted.answer is OK
    assert attempted.duration is not None
    assert attempted.duration >= 0


def test_an_attempt_is_dated_by_the_database_clock(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(1)
    gateway.let_go()
    senders.submit([delivery(1, claimed_ago=100.0)])

    [attempted], _ = collected(senders, attempted=1)

    assert NOON + timedelta(seconds=100) <= attempted.started_at < NOON + timedelta(seconds=110)


def test_no_more_are_on_their_way_than_there_are_threads(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(3)
    senders.submit(delivery(n) for n in range(10))
    eventually(lambda: len(gateway.asked) == 3)

    gateway.let_go(2)
    collected(senders, attempted=2)

    eventually(lambda: len(gateway.asked) == 5)
    assert senders.in_hand == 8


def test_a_delivery_is_in_hand_until_it_is_collected(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(2)
    assert senders.in_hand == 0
    senders.submit([delivery(1), delivery(2)])
    assert senders.in_hand == 2
    assert senders.collect() == ([], [])

    gateway.let_go()
    collected(senders, attempted=2)

    assert senders.in_hand == 0


def test_first_come_first_served(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(1)
    gateway.let_go()
    senders.submit([delivery(3), delivery(1)])
    senders.submit([delivery(2)])

    attempted, _ = collected(senders, attempted=3)

    assert [one.delivery.message_id for one in attempted] == [3, 1, 2]


def test_what_is_too_late_to_start_comes_back_unattempted(
    gateway: SlowGateway, hire: Callable[[int], Senders], something_done: threading.Event
) -> None:
    senders = hire(1)
    late = delivery(1, start_within=0.0)
    senders.submit([late])

    attempted, unstarted = collected(senders, unstarted=1)

    assert (attempted, unstarted) == ([], [late])
    assert gateway.asked == []
    assert senders.in_hand == 0
    assert something_done.wait(10)


def test_an_answer_is_something_done(
    gateway: SlowGateway, hire: Callable[[int], Senders], something_done: threading.Event
) -> None:
    senders = hire(1)
    senders.submit([delivery(1)])
    eventually(lambda: len(gateway.asked) == 1)
    assert not something_done.is_set()

    gateway.let_go()

    assert something_done.wait(10)


def test_recall_takes_back_what_no_thread_has_begun(gateway: SlowGateway, hire: Callable[[int], Senders]) -> None:
    senders = hire(2)
    senders.submit(delivery(n) for n in range(5))
    eventually(lambda: len(gateway.asked) == 2)

    recalled = senders.recall()

    assert [one.message_id for one in recalled] == [2, 3, 4]
    assert senders.in_hand == 2
    gateway.let_go()
    collected(senders, attempted=2)
    assert len(gateway.asked) == 2


def test_a_stop_finishes_what_is_in_flight_and_gives_back_the_rest_at_once(
    gateway: SlowGateway, hire: Callable[[int], Senders]
) -> None:
    senders = hire(2)
    senders.submit(delivery(n) for n in range(5))
    eventually(lambda: len(gateway.asked) == 2)

    unstarted = senders.stop()

    assert [one.message_id for one in unstarted] == [2, 3, 4]
    assert senders.in_hand == 2
    gateway.let_go()
    attempted, _ = collected(senders, attempted=2)
    assert {one.delivery.message_id for one in attempted} == {0, 1}
    assert senders.in_hand == 0


def test_after_a_stop_nothing_is_begun_and_the_threads_end(
    gateway: SlowGateway, hire: Callable[[int], Senders]
) -> None:
    before = threading.active_count()
    senders = hire(3)
    senders.stop()
    assert senders.recall() == []
    senders.submit([delivery(1)])

    eventually(lambda: threading.active_count() == before)
    assert gateway.asked == []
