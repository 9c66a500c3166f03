"""Batches of the queue: what a claim takes of them, leaves in them, and passes over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_messages,
    add_running_mailing,
    change_mailing,
    change_message,
    counted,
    execute,
    lease,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import ClaimedMessage
from worker.lanes.circuit_breaker import Pick
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def ids(claimed: list[ClaimedMessage]) -> list[int]:
    return sorted(one.message_id for one in claimed)


def batches(connection: Connection) -> list[list[int]]:
    """The messages that each batch names, in the order in which claims take them."""
    return [named for (named,) in rows(connection, "SELECT message_ids FROM queue_batch ORDER BY due_at, id")]


def test_messages_are_queued_in_batches_of_200_at_most_of_one_mailing(connection: Connection) -> None:
    add_running_mailing(connection, 450)
    add_running_mailing(connection, 10)

    assert batches(connection) == [
        list(range(1, 201)),
        list(range(201, 401)),
        list(range(401, 451)),
        list(range(451, 461)),
    ]


def test_a_batch_is_shortened_for_a_small_limit_and_the_rest_stays_due(
    connection: Connection, queue: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 250)

    assert ids(queue.claim(30)) == list(range(1, 31))

    assert batches(connection) == [list(range(31, 201)), list(range(201, 251))]
    assert ids(open_queue("another").claim(180)) == list(range(31, 211))
    assert batches(connection) == [list(range(211, 251))]
    assert ids(queue.claim(100)) == list(range(211, 251))
    assert batches(connection) == []


def test_messages_that_have_ended_or_moved_since_are_left_out_of_their_batch(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 6)
    change_message(connection, 1, "status = 'failed', ended_at = now()")
    change_message(connection, 2, "due_at = now() + interval '1 hour'")
    change_message(connection, 3, "due_at = 'infinity'")
    lease(connection, 4)

    assert ids(queue.claim(10)) == [5, 6]


@pytest.mark.parametrize("pick", Pick)
def test_a_claim_goes_on_past_batches_all_of_whose_messages_have_ended(
    pick: Pick, connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    for _ in range(3):
        add_messages(connection, mailing_id, 2)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id <= 6")

    assert len(queue.claim(1, pick=pick)) == 1

    assert len(queue.claim(2)) == 1
    assert batches(connection) == []
    # Nothing is left of the claims that found nothing to hold.
    assert sorted(rows(connection, "SELECT message_ids FROM claim")) == [([7],), ([8],)]


def test_a_poison_message_that_has_just_ended_keeps_no_other_back(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    execute(connection, "UPDATE message SET due_at = 'infinity', attempts = id, text_revision = 1")
    ending = connect()
    ending.autocommit = False
    change_message(ending, 1, "status = 'unknown', ended_at = now()")
    claim = in_background(queue.claim_poison_message)
    wait_for_lock_waiter(connection)

    ending.commit()

    claimed = claim.result(PATIENCE)
    assert claimed
    assert claimed.message_id == 2
    assert value(connection, "SELECT count(*) FROM claim") == 1


def test_a_message_that_was_moved_later_is_not_claimed_by_its_old_batch_and_is_by_its_new_one(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, "due_at = now() + interval '1 hour'")

    assert batches(connection) == [[1], [1]]
    assert queue.claim(10) == []
    assert batches(connection) == [[1]]
    # As if that hour had passed.
    execute(connection, "ALTER TABLE message DISABLE TRIGGER USER")
    change_message(connection, 1, "due_at = now()")
    execute(connection, "ALTER TABLE message ENABLE TRIGGER USER")
    execute(connection, "UPDATE queue_batch SET due_at = now()")
    assert ids(queue.claim(10)) == [1]


def test_a_message_that_two_batches_name_is_claimed_once(
    connection: Connection, queue: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, "due_at = now()")

    assert batches(connection) == [[1], [1]]
    assert ids(queue.claim(1)) == [1]
    assert open_queue("another").claim(10) == []
    assert message(connection, 1)["attempts"] == 1


def test_a_message_named_by_batches_of_two_claims_at_once_is_held_by_the_first(
    connection: Connection, connect: Connect, queue: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, "due_at = now()")
    claiming = connect()
    claiming.autocommit = False
    with claiming.cursor() as cursor:
        held = open_queue("first")._claim(cursor, 1, idle=False)
    second = in_background(lambda: queue.claim(1))
    wait_for_lock_waiter(connection)

    claiming.commit()

    assert [row.id for row in held.rows] == [1]
    assert second.result(PATIENCE) == []
    assert message(connection, 1)["lease_worker"] == "first"
    assert message(connection, 1)["claim_id"] == held.rows[0].claim_id
    assert value(connection, "SELECT count(*) FROM claim") == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda queue, claimed: queue.release(claimed),
        lambda queue, claimed: queue.record([answer(one, "refused") for one in claimed]),
    ],
    ids=["released", "to be retried at once"],
)
def test_what_is_released_or_retried_is_queued_again_in_the_same_commit(
    end: Callable[[Queue, list[ClaimedMessage]], None], connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 5)
    claimed = queue.claim(3)
    assert batches(connection) == [[4, 5]]

    end(queue, claimed)

    assert sorted(batches(connection)) == [[1, 2, 3], [4, 5]]
    assert ids(queue.claim(10)) == [1, 2, 3, 4, 5]


def test_messages_that_are_due_in_one_quarter_of_a_second_wait_in_one_batch_until_its_end(
    connection: Connection,
) -> None:
    add_running_mailing(connection, 4)
    for message_id, due_at in enumerate(["00.05", "00.1", "00.249", "00.25"], start=1):
        change_message(
            connection, message_id, f"status = 'failed', ended_at = now(), due_at = '2100-01-01 00:00:{due_at}Z'"
        )
    execute(connection, "TRUNCATE queue_batch")

    execute(connection, "UPDATE message SET status = 'pending', ended_at = NULL")

    due = "SELECT message_ids, to_char(due_at AT TIME ZONE 'UTC', 'SS.MS') FROM queue_batch ORDER BY due_at"
    assert rows(connection, due) == [([1, 2, 3], "00.250"), ([4], "00.500")]
    assert value(connection, "SELECT count(DISTINCT due_at) FROM message") == 4  # each message keeps its own


def test_what_is_left_of_the_queue_goes_when_its_mailing_settles(
    connection: Connection, maintenance: Maintenance
) -> None:
    settling, other = add_running_mailing(connection, 2), add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mailing_id = %s", settling)

    maintenance.run()

    assert rows(connection, "SELECT mailing_id FROM queue_batch") == [(other,)]


def test_a_paused_mailing_keeps_its_batches_and_a_cancelled_one_ends_those_that_are_not_due_too(
    connection: Connection, maintenance: Maintenance
) -> None:
    paused, cancelled = add_running_mailing(connection, 1), add_running_mailing(connection, 2)
    change_message(connection, 3, "due_at = now() + interval '1 hour'")
    change_mailing(connection, paused, "status = 'paused'")
    change_mailing(connection, cancelled, "status = 'cancelled', ended_at = now()")

    maintenance.run()

    assert counted(connection, cancelled) == {"cancelled": 2}
    assert batches(connection) == [[1]]
