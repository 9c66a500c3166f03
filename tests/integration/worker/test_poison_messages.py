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
    make_due,
    message,
    run_leases_out,
    tally,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.integration.worker.test_claim_plans import pages_of_a_claim
from worker.claimed_message import ClaimedMessage
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.maintenance.round import Maintenance
from worker.queue import Queue

MAKE_SUSPECTS = """
INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
SELECT id, number, now(), 'default', 'ambiguous', 'lost'
FROM message, generate_series(1, 2) AS number WHERE mailing_id = %(id)s;
UPDATE message SET attempts = 2, in_doubt = true, due_at = 'infinity', text_revision = 1 WHERE mailing_id = %(id)s;
"""


def lose(connection: Connection, queue: Queue, limit: int = 100) -> list[ClaimedMessage]:
    """Claims whose worker dies: their leases lapse."""
    claimed = queue.claim(limit)
    run_leases_out(connection)
    reclaim(queue, limit)
    return claimed


def ids(deliveries: list[ClaimedMessage]) -> list[int]:
    return sorted(delivery.message_id for delivery in deliveries)


def suspect(queue: Queue) -> ClaimedMessage:
    """The suspect that the queue claims."""
    claimed = queue.claim_poison_message()
    assert claimed
    return claimed


def add_suspects(connection: Connection, count: int) -> int:
    """A running mailing all of whose messages are suspects; its id."""
    mailing_id = add_running_mailing(connection, count)
    with connection.cursor() as cursor:
        cursor.execute(MAKE_SUSPECTS, {"id": mailing_id})
    return mailing_id


@pytest.fixture
def suspects(connection: Connection, open_queue: OpenQueue) -> int:
    """Messages 1 and 2 have been lost with their worker twice, message 3 once; their mailing."""
    mailing_id = add_running_mailing(connection, 3)
    queue = open_queue("victim", max_attempts=10)
    lose(connection, queue)
    lose(connection, queue, 2)
    assert [message(connection, number)["attempts"] for number in (1, 2, 3)] == [2, 2, 1]
    return mailing_id


@pytest.mark.usefixtures("suspects")
def test_a_claim_takes_the_others_and_no_suspect_whether_or_not_something_is_in_hand(open_queue: OpenQueue) -> None:
    queue = open_queue("heir")

    assert ids(queue.claim(10, idle=False)) == [3]
    assert queue.claim(10, idle=True) == []


@pytest.mark.usefixtures("suspects")
def test_one_suspect_is_claimed_at_a_time_in_the_whole_fleet(open_queue: OpenQueue) -> None:
    left, right = open_queue("left"), open_queue("right")

    first = suspect(left)
    assert (first.message_id, first.number, first.in_doubt, first.text) == (1, 3, True, "Hello")
    assert right.claim_poison_message() is left.claim_poison_message() is None
    left.record([answer(first, "accepted")])

    assert suspect(right).message_id == 2


@pytest.mark.usefixtures("suspects")
def test_while_another_worker_is_just_claiming_a_suspect_none_is_claimed(
    connect: Connect, open_queue: OpenQueue
) -> None:
    another = connect()
    another.autocommit = False
    with another.cursor() as cursor:
        rows, _ = open_queue("another")._claim_poison_message(cursor)
    assert len(rows) == 1

    assert open_queue("right").claim_poison_message() is None

    another.commit()
    assert open_queue("right").claim_poison_message() is None


@pytest.mark.usefixtures("suspects")
def test_a_suspect_that_ended_its_worker_keeps_the_others_back_for_its_lease_and_comes_after_them(
    connection: Connection, open_queue: OpenQueue
) -> None:
    queue = open_queue("heir", max_attempts=10)
    assert suspect(queue).message_id == 1
    run_leases_out(connection)
    assert reclaim(queue, 10) == 1

    assert suspect(queue).message_id == 2
    run_leases_out(connection)
    assert reclaim(queue, 10) == 1
    assert suspect(queue).message_id == 1


def test_a_suspect_that_always_ends_its_worker_ends_as_unknown_when_its_attempts_are_spent(
    connection: Connection, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    queue = open_queue(max_attempts=4)
    lose(connection, queue)
    lose(connection, queue)
    for _ in range(2):
        assert queue.claim(10) == []
        assert suspect(queue)
        run_leases_out(connection)
        reclaim(queue, 10)

    assert counted(connection, mailing_id) == tally(connection, mailing_id) == {"unknown": 1}
    assert len(attempts_of(connection, 1)) == 4
    assert value(connection, "SELECT due_at <= now() FROM message")


@pytest.mark.usefixtures("suspects")
@pytest.mark.parametrize("name", ["refused", "throttled", "ambiguous"])
def test_an_answer_clears_the_suspicion(name: str, connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue("heir", max_attempts=10)
    queue.record([answer(suspect(queue), name)])
    make_due(connection)  # of all, which clears the other one too

    assert ids(queue.claim(10, idle=False)) == [1, 2, 3]


@pytest.mark.usefixtures("suspects")
def test_an_attempt_before_the_last_that_brought_an_answer_is_no_suspicion(
    connection: Connection, open_queue: OpenQueue
) -> None:
    queue = open_queue("heir", max_attempts=10)
    queue.record([answer(suspect(queue), "ambiguous")])
    execute(connection, "UPDATE message SET due_at = now() WHERE id = 1")
    lose(connection, queue)

    assert 1 in ids(queue.claim(10))


@pytest.mark.parametrize("late", [0, 1])
def test_an_answer_that_comes_after_all_clears_the_suspicion(
    late: int, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    queue = open_queue(lease_seconds=0.0, max_attempts=10)
    lost = [lose(connection, queue)[0] for _ in range(2)]
    assert queue.claim(10) == []

    queue.record([answer(lost[late], "refused")])

    assert ids(queue.claim(10)) == [1]


def test_an_answer_to_an_attempt_long_before_does_not_clear_it(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 1)
    queue = open_queue(lease_seconds=0.0, max_attempts=10)
    first, _ = [lose(connection, queue)[0] for _ in range(2)]
    suspect(queue)
    run_leases_out(connection)
    reclaim(queue, 10)

    queue.record([answer(first, "refused")])

    assert queue.claim(10) == []


@pytest.mark.usefixtures("suspects")
def test_a_suspect_that_is_given_back_is_still_one(connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue("heir")
    queue.release([suspect(queue)])

    assert ids(queue.claim(10)) == [3]
    assert message(connection, 1)["attempts"] == 2
    assert suspect(queue).message_id == 1


def test_suspects_of_a_paused_mailing_wait_and_those_of_a_running_one_do_not(
    connection: Connection, queue: Queue
) -> None:
    paused, running = add_suspects(connection, 2), add_suspects(connection, 1)
    change_mailing(connection, paused, "status = 'paused'")

    assert suspect(queue).mailing_id == running


@pytest.mark.parametrize("close", [cancel, close_window])
def test_a_suspect_whose_mailing_is_over_ends_as_unknown(
    close: object, connection: Connection, suspects: int, maintenance: Maintenance, open_queue: OpenQueue
) -> None:
    close(connection, suspects)  # type: ignore[operator]

    assert open_queue("heir").claim_poison_message() is None
    maintenance.run()

    assert counted(connection, suspects) == tally(connection, suspects) == {"unknown": 3}


def test_claims_cost_the_same_however_many_suspects_are_at_the_head_of_the_queue(
    connection: Connection, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 1_000)
    execute(connection, "UPDATE message SET due_at = now() - interval '1 minute'")
    execute(connection, "ANALYZE message")
    few = pages_of_a_claim(connection)

    head = add_running_mailing(connection, 50_000)
    with connection.cursor() as cursor:
        cursor.execute(MAKE_SUSPECTS, {"id": head})
    execute(connection, "VACUUM ANALYZE message")

    # The suspects' mailing has nothing to claim: what is left of the cost is to see that.
    assert pages_of_a_claim(connection) <= few + 10
    assert {one.mailing_id for one in open_queue().claim(100)} == {mailing_id}


def test_a_suspect_takes_its_slot_of_the_pace_when_it_is_sent(connection: Connection, open_queue: OpenQueue) -> None:
    add_suspects(connection, 1)
    queue = open_queue(rate_limiter=FleetRateLimiter(10.0))
    before = value(connection, "SELECT next_slot_at FROM rate_limit")
    claimed = suspect(queue)
    assert value(connection, "SELECT next_slot_at FROM rate_limit") == before

    assert queue.take_slot(claimed)

    assert value(connection, "SELECT next_slot_at FROM rate_limit") > before
    assert 0.0 < claimed.start_from < claimed.begin_by < claimed.start_from + 1.0
