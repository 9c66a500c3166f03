"""Claims given back before their request left: as if nobody had made them."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    change_message,
    execute,
    expire_leases,
    make_due,
    message,
    revise_text,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background
from worker.queue import Queue


def test_a_message_that_is_released_is_as_it_was_before_its_claim(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    before = message(connection, 1)

    [claimed] = queue.claim(1)
    queue.release([claimed])

    assert message(connection, 1) == {**before, "claim_id": claimed.claim.id}
    assert attempts_of(connection, 1) == []


def test_another_worker_may_claim_it_at_once_with_the_same_attempt_number(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    left, right = open_queue("left"), open_queue("right")
    left.release(left.claim(1))

    [delivery] = right.claim(1)

    assert (delivery.number, delivery.worker) == (1, "right")


def test_a_release_clears_the_text_if_it_was_never_sent(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, text="old")
    queue.release(queue.claim(1))
    revise_text(connection, mailing_id, "new")

    [delivery] = queue.claim(1)

    assert delivery.text == "new"


def test_the_text_of_an_earlier_attempt_is_kept(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, text="old")
    queue.record([answer(one, "ambiguous") for one in queue.claim(1)])
    revise_text(connection, mailing_id, "new")
    make_due(connection)
    queue.release(queue.claim(1))

    [delivery] = queue.claim(1)

    assert (delivery.number, delivery.text, delivery.in_doubt) == (2, "old", True)


def test_a_message_that_is_released_is_due_at_once(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    queue = open_queue(retry_seconds=300.0)
    queue.release(queue.claim(1))

    assert len(queue.claim(1)) == 1


def test_a_claim_that_was_lost_releases_nothing(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    left, right = open_queue("left"), open_queue("right")
    lost = left.claim(1)
    expire_leases(connection)
    reclaim(right)
    right.claim(1)
    before = message(connection, 1)

    left.release(lost)

    assert message(connection, 1) == before


def test_a_claim_that_was_lost_does_not_release_a_later_one_of_the_same_worker(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection)
    lost = queue.claim(1)
    expire_leases(connection)
    reclaim(queue)
    make_due(connection)
    assert [one.number for one in queue.claim(1)] == [2]
    before = message(connection, 1)

    queue.release(lost)

    assert message(connection, 1) == before


def test_a_release_that_is_repeated_does_not_touch_the_claim_that_came_after_it(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    left, right = open_queue("left"), open_queue("right")
    released = left.claim(1)
    left.release(released)
    right.claim(1)
    before = message(connection, 1)

    left.release(released)

    assert message(connection, 1) == before


def test_what_has_ended_is_not_released(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    claimed = queue.claim(1)
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")

    queue.release(claimed)

    assert message(connection, 1)["status"] == "sent"


def test_of_attempts_whose_leases_expired_only_that_of_what_is_released_is_completed(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    left, right = open_queue("left"), open_queue("right")
    given_back, kept = left.claim(2)
    expire_leases(connection)
    reclaim(right)

    left.release([given_back])

    assert [one["duration"] for one in attempts_of(connection, given_back.message_id)] == [0.0]
    assert [one["duration"] for one in attempts_of(connection, kept.message_id)] == [None]


def test_of_two_lost_claims_of_one_message_only_the_one_that_is_released_is_completed(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection)
    claims = []
    for _ in range(2):
        make_due(connection)
        claims += queue.claim(1)
        expire_leases(connection)
        reclaim(queue)

    queue.release(claims[:1])

    assert [one["duration"] for one in attempts_of(connection, 1)] == [0.0, None]


def test_a_release_that_is_repeated_does_not_complete_the_lost_claim_of_another_worker(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    left, right = open_queue("left"), open_queue("right")
    released = left.claim(1)
    left.release(released)
    right.claim(1)
    expire_leases(connection)
    reclaim(left)

    left.release(released)

    assert [(one["worker"], one["duration"]) for one in attempts_of(connection, 1)] == [("right", None)]


def test_what_is_not_released_stays_claimed(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 3)
    [given_back, *kept] = queue.claim(3)

    queue.release([given_back])

    assert message(connection, given_back.message_id)["status"] == "pending"
    assert [message(connection, one.message_id)["status"] for one in kept] == ["sending", "sending"]


def test_a_release_waits_for_no_other_client_and_for_no_change_but_of_a_phone_number(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    [given_back] = queue.claim(1)
    remover = connect()
    remover.autocommit = False
    execute(remover, "DELETE FROM client WHERE id <> %s", given_back.client_id)
    execute(remover, "UPDATE client SET timezone = 'Asia/Omsk' WHERE id = %s", given_back.client_id)

    in_background(lambda: queue.release([given_back])).result(PATIENCE)

    assert message(connection, given_back.message_id)["status"] == "pending"


def test_many_are_released_together_and_an_empty_list_releases_none(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 50)

    queue.release(queue.claim(30))
    queue.release([])

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") == 50
    assert len(queue.claim(50)) == 50
