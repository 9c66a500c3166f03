"""When a worker claims and submits poison messages, beside the others that it has to send."""

from __future__ import annotations

import threading

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, execute, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.test_poison_messages import add_poison_messages
from worker.claimed_message import ClaimedMessage
from worker.lanes import poison_messages
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.message_sender import MessageSender
from worker.lanes.poison_messages import CHECK_INTERVAL, TIME_SHARE, TURN_SECONDS, PoisonMessages
from worker.queue import Queue


class Clock:
    """The monotonic clock of the tests."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Sender(MessageSender):
    """A sender whose messages get their answers when a test says so."""

    def __init__(self) -> None:
        super().__init__(threading.Event())
        self.sent: list[ClaimedMessage] = []

    def stop(self) -> list[ClaimedMessage]:
        return self.remove_queued()

    def end_all(self, queue: Queue) -> None:
        """All that was submitted is refused, and recorded: it may be sent again at once."""
        taken = self.remove_queued()
        self.sent += taken
        queue.record([answer(message, "refused") for message in taken])


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(poison_messages, "time", made)
    return made


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def poison(queue: Queue, sender: Sender) -> PoisonMessages:
    """Those of a worker that has just started, by the clock of the test."""
    return PoisonMessages(queue, sender, int)


def is_active(poison: PoisonMessages) -> bool:
    return poison.active


def send_one(poison: PoisonMessages, queue: Queue, sender: Sender) -> None:
    assert poison.claim(idle=True)
    assert poison.submit_claimed()
    sender.end_all(queue)


def test_it_is_submitted_once_the_other_messages_have_ended_and_is_active_until_it_has(
    connection: Connection, poison: PoisonMessages, queue: Queue, sender: Sender
) -> None:
    add_running_mailing(connection, 2)
    sender.submit(queue.claim(2))
    add_poison_messages(connection, 1)

    assert not is_active(poison)
    assert poison.claim(idle=True)
    assert is_active(poison)
    assert not poison.submit_claimed()

    sender.end_all(queue)
    assert poison.submit_claimed()
    assert is_active(poison)
    assert not poison.submit_claimed()

    sender.end_all(queue)
    assert not is_active(poison)
    assert [message.mailing_id for message in sender.sent] == [1, 1, 2]

    # Messages of later claims do not make it active again.
    assert not poison.claim(idle=False)
    sender.submit(queue.claim(1))
    assert not is_active(poison)


def test_one_without_a_free_slot_is_not_submitted(
    connection: Connection, open_queue: OpenQueue, sender: Sender
) -> None:
    add_poison_messages(connection, 1)
    poison = PoisonMessages(open_queue(rate_limiter=FleetRateLimiter(1.0)), sender, int)
    execute(connection, "UPDATE rate_limit SET next_slot_at = now() + interval '2 s'")
    assert poison.claim(idle=True)

    assert not poison.submit_claimed()
    assert [poison.active, sender.in_flight] == [True, 0]
    execute(connection, "UPDATE rate_limit SET next_slot_at = now()")
    assert poison.submit_claimed()


def test_one_that_was_not_submitted_can_be_removed(
    connection: Connection, poison: PoisonMessages, queue: Queue
) -> None:
    add_poison_messages(connection, 1)
    poison.claim(idle=True)

    queue.release(poison.remove_queued())

    assert value(connection, "SELECT status FROM message") == "pending"
    assert not poison.active
    assert poison.remove_queued() == []


def test_a_worker_that_found_none_looks_again_a_while_later(
    connection: Connection, clock: Clock, poison: PoisonMessages
) -> None:
    assert not poison.claim(idle=True)
    add_poison_messages(connection, 1)
    clock.now += CHECK_INTERVAL / 2
    assert not poison.claim(idle=True)

    clock.now += CHECK_INTERVAL / 2
    assert poison.claim(idle=True)


def test_a_busy_worker_sends_them_for_one_turn_and_then_the_others_for_their_share_of_the_time(
    connection: Connection, clock: Clock, poison: PoisonMessages, queue: Queue, sender: Sender
) -> None:
    add_poison_messages(connection, 9)
    assert not poison.claim(idle=False)  # the others come first
    clock.now += CHECK_INTERVAL
    assert poison.claim(idle=False)
    clock.now += 2.0  # the other claims end
    poison.submit_claimed()
    sender.end_all(queue)

    clock.now += TURN_SECONDS / 2
    assert poison.claim(idle=False)  # the turn has lasted for half its time since then
    poison.submit_claimed()
    sender.end_all(queue)
    clock.now += TURN_SECONDS / 2
    assert not poison.claim(idle=False)

    turn = 2.0 + TURN_SECONDS
    clock.now += turn * (1 / TIME_SHARE - 1) - 0.1
    assert not poison.claim(idle=False)
    clock.now += 0.2
    assert poison.claim(idle=False)

    # The new turn lasts as long as the first.
    poison.submit_claimed()
    sender.end_all(queue)
    clock.now += TURN_SECONDS / 2
    assert poison.claim(idle=False)


def test_a_turn_ends_when_there_is_none_left(
    connection: Connection, clock: Clock, poison: PoisonMessages, queue: Queue, sender: Sender
) -> None:
    add_poison_messages(connection, 1)
    clock.now += CHECK_INTERVAL
    send_one(poison, queue, sender)
    clock.now += TURN_SECONDS / 2
    assert not poison.claim(idle=False)
    add_poison_messages(connection, 1)
    clock.now += CHECK_INTERVAL

    assert not poison.claim(idle=False)  # it is the turn of the others
    clock.now += (TURN_SECONDS / 2) * (1 / TIME_SHARE - 1)
    assert poison.claim(idle=False)


def test_a_worker_with_nothing_else_to_send_sends_one_after_the_other(
    connection: Connection, clock: Clock, poison: PoisonMessages, queue: Queue, sender: Sender
) -> None:
    add_poison_messages(connection, 3)
    for _ in range(3):
        send_one(poison, queue, sender)
        clock.now += TURN_SECONDS

    assert len(sender.sent) == 3
