"""Messages whose last two attempts ended with lapsed leases: sent alone, and in nobody's way."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    cancel,
    change_mailing,
    close_window,
    counted,
    execute,
    expire_leases,
    make_due,
    message,
    message_counts,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.query_plans import pages_of_a_claim
from worker.claimed_message import ClaimedMessage
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

MAKE_SUSPECTS = """
INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
SELECT id, number, now(), 'default', 'ambiguous', 'lost'
FROM message, generate_series(1, 2) AS number WHERE mailing_id = %(id)s;
UPDATE message SET attempts = 2, in_doubt = true, due_at = 'infinity', text_revision = 1 WHERE mailing_id = %(id)s;
"""


def claim_and_expire(connection: Connection, queue: Queue, limit: int = 100) -> list[ClaimedMessage]:
    """Claims whose worker crashes: their leases expire."""
    claimed = queue.claim(limit)
    expire_leases(connection)
    reclaim(queue)
    return claimed


def ids(deliveries: list[ClaimedMessage]) -> list[int]:
    return sorted(delivery.message_id for delivery in deliveries)


def claim_poison_message(queue: Queue) -> ClaimedMessage:
    """The poison_message that the queue claims."""
    claimed = queue.claim_poison_message()
    assert claimed
    return claimed


def add_poison_messages(connection: Connection, count: int) -> int:
    """A running mailing all of whose messages are poison_messages; its id."""
    mailing_id = add_running_mailing(connection, count)
    with connection.cursor() as cursor:
        cursor.execute(MAKE_SUSPECTS, {"id": mailing_id})
    return mailing_id


@pytest.fixture
def poison_messages(connection: Connection, open_queue: OpenQueue) -> int:
    """Messages 1 and 2 have been lost with their worker twice, message 3 once; their mailing."""
    mailing_id = add_running_mailing(connection, 3)
    queue = open_queue("victim", max_attempts=10)
    claim_and_expire(connection, queue)
    claim_and_expire(connection, queue, 2)
    assert [message(connection, number)["attempts"] for number in (1, 2, 3)] == [2, 2, 1]
    return mailing_id


@pytest.mark.usefixtures("poison_messages")
def test_a_claim_takes_the_others_and_no_poison_message_whether_or_not_something_is_in_flight(
    open_queue: OpenQueue,
) -> None:
    queue = open_queue("heir")

    assert ids(queue.claim(10, idle=False)) == [3]
    assert queue.claim(10, idle=True) == []


@pytest.mark.usefixtures("poison_messages")
def test_one_poison_message_is_claimed_at_a_time_in_the_whole_fleet(open_queue: OpenQueue) -> None:
    left, right = open_queue("left"), open_queue("right")

    first = claim_poison_message(left)
    assert (first.message_id, first.number, first.in_doubt, first.text) == (1, 3, True, "Hello")
    assert right.claim_poison_message() is left.claim_poison_message() is None
    left.record([answer(first, "accepted")])

    assert claim_poison_message(right).message_id == 2


def test_while_another_worker_is_just_claiming_a_poison_message_none_is_claimed(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    for _ in range(2):  # each in a batch of its own: that the first one is locked keeps nobody from the second
        add_poison_messages(connection, 1)
    another = connect()
    another.autocommit = False
    with another.cursor() as cursor:
        claimed = open_queue("another")._claim_poison_message(cursor)
    assert len(claimed.rows) == 1

    right = open_queue("right")
    assert not any(right.claim_poison_message() for _ in range(10))  # mailings are tried in random order

    another.commit()
    assert right.claim_poison_message() is None


@pytest.mark.usefixtures("poison_messages")
def test_a_poison_message_that_ended_its_worker_keeps_the_others_back_for_its_lease_and_comes_after_them(
    connection: Connection, open_queue: OpenQueue
) -> None:
    queue = open_queue("heir", max_attempts=10)
    assert claim_poison_message(queue).message_id == 1
    expire_leases(connection)
    assert reclaim(queue) == 1

    assert claim_poison_message(queue).message_id == 2
    expire_leases(connection)
    assert reclaim(queue) == 1
    assert claim_poison_message(queue).message_id == 1


def test_a_poison_message_that_always_ends_its_worker_ends_as_unknown_when_its_attempts_are_spent(
    connection: Connection, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    queue = open_queue(max_attempts=4)
    claim_and_expire(connection, queue)
    claim_and_expire(connection, queue)
    for _ in range(2):
        assert queue.claim(10) == []
        assert claim_poison_message(queue)
        expire_leases(connection)
        reclaim(queue)

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"unknown": 1}
    assert len(attempts_of(connection, 1)) == 4
    assert value(connection, "SELECT due_at <= now() FROM message")


@pytest.mark.usefixtures("poison_messages")
@pytest.mark.parametrize("name", ["refused", "throttled", "ambiguous"])
def test_an_answer_clears_the_suspicion(name: str, connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue("heir", max_attempts=10)
    queue.record([answer(claim_poison_message(queue), name)])
    make_due(connection)  # of all, which clears the other one too

    assert ids(queue.claim(10, idle=False)) == [1, 2, 3]


@pytest.mark.usefixtures("poison_messages")
def test_an_attempt_before_the_last_that_brought_an_answer_is_no_suspicion(
    connection: Connection, open_queue: OpenQueue
) -> None:
    queue = open_queue("heir", max_attempts=10)
    queue.record([answer(claim_poison_message(queue), "ambiguous")])
    execute(connection, "UPDATE message SET due_at = now() WHERE id = 1")
    claim_and_expire(connection, queue)

    assert 1 in ids(queue.claim(10))


@pytest.mark.parametrize("late", [0, 1])
def test_an_answer_that_comes_after_all_clears_the_suspicion(
    late: int, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    queue = open_queue(lease_seconds=0.0, max_attempts=10)
    lost = [claim_and_expire(connection, queue)[0] for _ in range(2)]
    assert queue.claim(10) == []

    queue.record([answer(lost[late], "refused")])

    assert ids(queue.claim(10)) == [1]


def test_an_answer_to_an_attempt_long_before_does_not_clear_it(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 1)
    queue = open_queue(lease_seconds=0.0, max_attempts=10)
    first, _ = [claim_and_expire(connection, queue)[0] for _ in range(2)]
    claim_poison_message(queue)
    expire_leases(connection)
    reclaim(queue)

    queue.record([answer(first, "refused")])

    assert queue.claim(10) == []


@pytest.mark.usefixtures("poison_messages")
def test_a_poison_message_that_is_released_is_still_one(connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue("heir")
    queue.release([claim_poison_message(queue)])

    assert ids(queue.claim(10)) == [3]
    assert message(connection, 1)["attempts"] == 2
    assert claim_poison_message(queue).message_id == 1


def test_poison_messages_of_a_paused_mailing_wait_and_those_of_a_running_one_do_not(
    connection: Connection, queue: Queue
) -> None:
    paused, running = add_poison_messages(connection, 2), add_poison_messages(connection, 1)
    change_mailing(connection, paused, "status = 'paused'")

    assert claim_poison_message(queue).mailing_id == running


@pytest.mark.parametrize("close", [cancel, close_window])
def test_a_poison_message_whose_mailing_is_over_ends_as_unknown(
    close: object, connection: Connection, poison_messages: int, maintenance: Maintenance, open_queue: OpenQueue
) -> None:
    close(connection, poison_messages)  # type: ignore[operator]

    assert open_queue("heir").claim_poison_message() is None
    maintenance.run()

    assert counted(connection, poison_messages) == message_counts(connection, poison_messages) == {"unknown": 3}


def test_claims_cost_the_same_however_many_poison_messages_are_at_the_head_of_the_queue(
    connection: Connection, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 1_000)
    execute(connection, "UPDATE message SET due_at = now() - interval '1 minute'")
    execute(connection, "ANALYZE message, queue_batch")
    few = pages_of_a_claim(connection)

    head = add_running_mailing(connection, 50_000)
    with connection.cursor() as cursor:
        cursor.execute(MAKE_SUSPECTS, {"id": head})
    execute(connection, "VACUUM ANALYZE message, queue_batch")

    # The poison_messages' mailing has nothing to claim: what is left of the cost is to see that.
    assert pages_of_a_claim(connection) <= few + 10
    assert {one.mailing_id for one in open_queue().claim(100)} == {mailing_id}


def test_a_poison_message_takes_its_slot_of_the_rate_limit_when_it_is_sent(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_poison_messages(connection, 1)
    queue = open_queue(rate_limiter=FleetRateLimiter(10.0))
    before = value(connection, "SELECT next_slot_at FROM rate_limit")
    claimed = claim_poison_message(queue)
    assert value(connection, "SELECT next_slot_at FROM rate_limit") == before

    assert queue.take_slot(claimed)

    assert value(connection, "SELECT next_slot_at FROM rate_limit") > before
    assert 0.0 < claimed.start_from < claimed.begin_by < claimed.start_from + 1.0
