"""Until when the requests of a claimed message may leave, as its mailing changes."""

from __future__ import annotations

import time

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import add_running_mailing, cancel, change_mailing, close_window, execute
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import ClaimedMessage
from worker.lanes import send_permits
from worker.lanes.send_permits import REFRESH_SECONDS
from worker.queue import Queue


@pytest.fixture(autouse=True)
def _always_time_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_permits, "REFRESH_SECONDS", 0.0)


@pytest.fixture
def _valid_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the test takes."""
    monkeypatch.setattr(send_permits, "VALID_SECONDS", 1000.0)


def may_leave(delivery: ClaimedMessage) -> bool:
    return delivery.may_leave(time.monotonic())


def test_a_claim_is_valid_for_a_second_and_a_check_for_another(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_running_mailing(connection)
    begun = time.monotonic()
    [delivery] = queue.claim(1)
    claimed = delivery.permit.until
    assert begun + 1.0 < claimed <= time.monotonic() + 1.0
    assert not delivery.may_leave(claimed)

    # A mailing may be paused right after its state was read, before the answer comes: the earlier time counts.
    monkeypatch.setattr(send_permits, "READ_RUNNING", f"SELECT pg_sleep(0.2); {send_permits.READ_RUNNING}")
    looking = time.monotonic()
    assert not queue.refresh_permits()
    read = time.monotonic() - 0.2

    assert looking + send_permits.VALID_SECONDS <= delivery.permit.until <= read + send_permits.VALID_SECONDS


@pytest.mark.usefixtures("_valid_for_long")
@pytest.mark.parametrize("status", ["paused", "cancelled"])
def test_nothing_of_a_mailing_that_does_not_run_may_leave(status: str, connection: Connection, queue: Queue) -> None:
    stopped, other = add_running_mailing(connection, 2), add_running_mailing(connection)
    deliveries = queue.claim(10)
    if status == "cancelled":
        cancel(connection, stopped)
    else:
        change_mailing(connection, stopped, "status = 'paused'")

    assert queue.refresh_permits()

    assert [may_leave(one) for one in deliveries] == [one.mailing_id == other for one in deliveries]


def test_an_earlier_end_is_heeded_before_and_after_it_has_come(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection)
    [delivery] = queue.claim(1)
    change_mailing(connection, mailing_id, "end_datetime = now() + interval '0.5 s'")
    asked = time.monotonic()
    queue.refresh_permits()
    assert delivery.permit.until <= asked + 0.5 + (time.monotonic() - asked)

    close_window(connection, mailing_id)

    assert queue.refresh_permits()
    assert not may_leave(delivery)


@pytest.mark.usefixtures("_valid_for_long")
def test_a_later_claim_of_the_mailing_applies_to_its_earlier_messages_too(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 2)
    [first] = queue.claim(1)
    change_mailing(connection, mailing_id, "end_datetime = now() + interval '15 s'")

    [last] = queue.claim(1)

    assert first.permit.until == last.permit.until <= last.start_by


@pytest.mark.usefixtures("_valid_for_long")
def test_a_later_end_does_not_outlast_what_the_claim_knew(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, "end_datetime = now() + interval '15 s'")
    [delivery] = queue.claim(1)
    change_mailing(connection, mailing_id, "end_datetime = now() + interval '1 hour'")
    queue.refresh_permits()

    assert delivery.start_by < delivery.permit.until
    assert not delivery.may_leave(delivery.start_by)


@pytest.mark.usefixtures("_valid_for_long")
def test_a_mailing_that_runs_again_lets_its_messages_leave(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection)
    [delivery] = queue.claim(1)
    change_mailing(connection, mailing_id, "status = 'paused'")
    queue.refresh_permits()
    change_mailing(connection, mailing_id, "status = 'running'")

    assert not queue.refresh_permits()
    assert may_leave(delivery)


def test_a_claim_that_waited_for_a_change_knows_what_came_of_it(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection)
    person = connect()
    person.autocommit = False
    execute(person, "SELECT pg_advisory_xact_lock(%s)", mailing_id)
    claiming = in_background(lambda: queue.claim(1))
    wait_for_lock_waiter(connection)
    waiting = time.monotonic()
    time.sleep(send_permits.VALID_SECONDS)
    let_go_at = time.monotonic()
    person.commit()

    [delivery] = claiming.result(PATIENCE)

    assert delivery.permit.until >= let_go_at + send_permits.VALID_SECONDS
    assert delivery.start_by <= waiting + 20.0  # the lease began with the claim: 30 s, of which a request may take 10


def test_one_refresh_may_fail_before_a_permit_expires() -> None:
    assert 2 * REFRESH_SECONDS < send_permits.VALID_SECONDS


def test_nothing_is_asked_without_claimed_messages(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing_id = add_running_mailing(connection)
    deliveries = queue.claim(1)
    assert queue.seconds_until_refresh() == 0.0
    queue.release(deliveries)
    deliveries.clear()
    change_mailing(connection, mailing_id, "status = 'paused'")

    assert queue.seconds_until_refresh() == float("inf")
    assert not queue.refresh_permits()


def test_it_is_not_asked_more_often_than_needed(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_permits, "REFRESH_SECONDS", 1000.0)
    mailing_id = add_running_mailing(connection)
    deliveries = queue.claim(1)
    queue.refresh_permits()
    change_mailing(connection, mailing_id, "status = 'paused'")

    assert not queue.refresh_permits()
    assert deliveries
