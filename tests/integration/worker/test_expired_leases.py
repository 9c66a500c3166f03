"""Leases that run out: what their message becomes, and who notices."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claims import FIND_EXPIRED_LEASES
from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    cancel,
    change_message,
    execute,
    expire_leases,
    make_due,
    message,
    value,
)
from tests.integration.worker.attempt_results import answer, claimed_at
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim, reclaimer_of
from tests.waiting import PATIENCE, in_background
from worker.queue import Queue
from worker.time_budget import TimeBudget

REASON = "The lease expired before the worker recorded a result"


def test_a_message_whose_lease_expired_is_reclaimed_as_an_ambiguous_attempt_of_its_holder(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    [delivery] = open_queue("dead").claim(1)
    expire_leases(connection)

    assert reclaim(open_queue("alive"), 10) == 1

    now = message(connection, 1)
    assert (now["status"], now["in_doubt"], now["attempts"], now["uncounted_attempts"]) == ("pending", True, 1, 0)
    assert (now["claimed_at"], now["lease_until"], now["lease_worker"], now["reason_code"]) == (
        None,
        None,
        None,
        "lease_expired",
    )
    assert attempts_of(connection, 1) == [
        {
            "message_id": 1,
            "number": 1,
            "started_at": claimed_at(delivery),
            "duration": None,
            "gateway": "default",
            "result": "ambiguous",
            "provider_code": None,
            "reason_code": "lease_expired",
            "reason_params": None,
            "provider_message_id": None,
            "reason": REASON,
            "worker": "dead",
        }
    ]


def test_it_waits_before_it_is_tried_again(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    queue = open_queue(retry_seconds=300.0)
    queue.claim(1)
    expire_leases(connection)

    reclaim(queue, 10)

    assert value(connection, "SELECT due_at > now() FROM message")
    assert queue.claim(1) == []


def test_the_next_attempt_has_the_next_number(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    queue.claim(1)
    expire_leases(connection)
    reclaim(queue, 10)

    [delivery] = queue.claim(1)

    assert (delivery.number, delivery.in_doubt) == (2, True)


@pytest.mark.parametrize(
    ("on_unknown", "attempts", "status"), [("resend", 2, "pending"), ("resend", 3, "unknown"), ("hold", 1, "unknown")]
)
def test_it_ends_as_unknown_when_its_attempts_are_spent_or_the_mailing_holds_after_doubt(
    on_unknown: str, attempts: int, status: str, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, on_unknown=on_unknown)
    queue = open_queue(max_attempts=3)
    for number in range(attempts):
        assert queue.claim(1) if number < 2 else queue.claim_poison_message()
        expire_leases(connection)
        assert reclaim(queue, 10) == 1

    now = message(connection, 1)
    assert (now["status"], now["in_doubt"]) == (status, True)
    assert (now["ended_at"] is not None) == (status == "unknown")


def test_a_message_that_crashes_its_worker_every_time_ends(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    deaths = 0
    while (victim := open_queue(f"victim {deaths}")).claim(1) or victim.claim_poison_message():
        deaths += 1
        expire_leases(connection)
        reclaim(open_queue("heir"), 10)

    assert deaths == 3
    assert message(connection, 1)["status"] == "unknown"
    assert [one["worker"] for one in attempts_of(connection, 1)] == ["victim 0", "victim 1", "victim 2"]


def test_uncounted_attempts_stay_uncounted(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    for _ in range(3):
        queue.record([answer(one, "unauthorized") for one in queue.claim(1)])
    queue.claim(1)
    expire_leases(connection)

    reclaim(queue, 10)

    now = message(connection, 1)
    assert (now["status"], now["attempts"], now["uncounted_attempts"]) == ("pending", 4, 3)


def test_the_messages_of_a_mailing_that_was_cancelled_meanwhile_are_reclaimed_too(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection)
    queue.claim(1)
    cancel(connection, mailing_id)
    expire_leases(connection)

    assert reclaim(queue, 10) == 1
    assert message(connection, 1)["status"] == "pending"


def test_a_lease_that_holds_is_left_alone(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 2)
    open_queue("alive").claim(2)
    change_message(connection, 2, "lease_until = now() - interval '1 s'")

    assert reclaim(open_queue("another"), 10) == 1

    assert message(connection, 1)["status"] == "sending"
    assert message(connection, 2)["status"] == "pending"


def test_the_oldest_are_reclaimed_first_and_no_more_than_asked_for(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_running_mailing(connection, 5)
    queue.claim(5)
    execute(connection, "UPDATE message SET lease_until = now() - interval '1 minute'")
    change_message(connection, 4, "lease_until = now() - interval '1 hour'")
    not_due = TimeBudget(0.01, PATIENCE)
    not_due.wait(PATIENCE)
    monkeypatch.setattr(reclaimer_of(queue), "_rescan", not_due)

    assert [reclaim(queue, 1), reclaim(queue, 3)] == [1, 3]

    assert message(connection, 4)["status"] == "pending"
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending'") == 4


def test_what_another_is_just_reclaiming_is_skipped_without_waiting(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    open_queue("dead").claim(2)
    expire_leases(connection)
    another = connect()
    another.autocommit = False
    with another.cursor() as cursor:
        cursor.execute(FIND_EXPIRED_LEASES, {"since": "-infinity", "limit": 1})

    assert in_background(lambda: reclaim(open_queue("heir"), 10)).result(PATIENCE) == 1


def test_two_workers_reclaim_each_message_once(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 500)
    open_queue("dead").claim(500)
    expire_leases(connection)

    def reclaim_all(queue: Queue) -> int:
        taken = 0
        while some := reclaim(queue, 20):
            taken += some
        return taken

    left, right = open_queue("left"), open_queue("right")
    other = in_background(lambda: reclaim_all(right))
    taken = reclaim_all(left) + other.result(PATIENCE)

    assert taken == 500
    assert value(connection, "SELECT count(*) FROM attempt WHERE number = 1 AND worker = 'dead'") == 500


def test_a_repeat_carries_the_same_text(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, text="as it was")
    queue.claim(1)
    expire_leases(connection)
    reclaim(queue, 10)
    make_due(connection)

    [delivery] = queue.claim(1)

    assert delivery.text == "as it was"
