"""Leases that run out: what their message becomes, and who notices."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claims import FIND_EXPIRED
from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    cancel,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer, claimed_at
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background
from worker.queue import Queue

REASON = "The lease expired before the worker recorded a result"


def test_a_message_whose_lease_expired_is_reclaimed_as_an_ambiguous_attempt_of_its_holder(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    [delivery] = open_queue("dead").claim(1)
    expire_leases(connection)

    assert reclaim(open_queue("alive")) == 1

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
            "segments": None,
            "price": None,
            "reason": REASON,
            "worker": "dead",
        }
    ]


def test_it_waits_before_it_is_tried_again(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    queue = open_queue(retry_seconds=300.0)
    queue.claim(1)
    expire_leases(connection)

    reclaim(queue)

    assert value(connection, "SELECT due_at > now() FROM message")
    assert queue.claim(1) == []


def test_the_next_attempt_has_the_next_number(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    queue.claim(1)
    expire_leases(connection)
    reclaim(queue)

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
        assert reclaim(queue) == 1

    now = message(connection, 1)
    assert (now["status"], now["in_doubt"]) == (status, True)
    assert (now["ended_at"] is not None) == (status == "unknown")


def test_a_message_that_crashes_its_worker_every_time_ends(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    deaths = 0
    while (victim := open_queue(f"victim {deaths}")).claim(1) or victim.claim_poison_message():
        deaths += 1
        expire_leases(connection)
        reclaim(open_queue("heir"))

    assert deaths == 3
    assert message(connection, 1)["status"] == "unknown"
    assert [one["worker"] for one in attempts_of(connection, 1)] == ["victim 0", "victim 1", "victim 2"]


def test_uncounted_attempts_stay_uncounted(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    for _ in range(3):
        queue.record([answer(one, "unauthorized") for one in queue.claim(1)])
    queue.claim(1)
    expire_leases(connection)

    reclaim(queue)

    now = message(connection, 1)
    assert (now["status"], now["attempts"], now["uncounted_attempts"]) == ("pending", 4, 3)


def test_the_messages_of_a_mailing_that_was_cancelled_meanwhile_are_reclaimed_too(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection)
    queue.claim(1)
    cancel(connection, mailing_id)
    expire_leases(connection)

    assert reclaim(queue) == 1
    assert message(connection, 1)["status"] == "pending"


def test_a_lease_that_holds_is_left_alone(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 2)
    alive = open_queue("alive")
    alive.claim(1)
    [expired] = alive.claim(1)
    execute(connection, "UPDATE claim SET lease_until = now() - interval '1 s' WHERE id = %s", expired.claim.id)

    assert reclaim(open_queue("another")) == 1

    assert message(connection, 1)["status"] == "sending"
    assert message(connection, 2)["status"] == "pending"


def test_the_oldest_are_reclaimed_first_and_no_more_than_asked_for(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_running_mailing(connection, 5)
    monkeypatch.setattr("worker.maintenance.lease_reclaimer.RECLAIM_LIMIT", 2)
    claims = [claimed.claim.id for number in (1, 1, 2, 1) for claimed in queue.claim(number)[:1]]
    expire_leases(connection)
    execute(connection, "UPDATE claim SET lease_until = now() - interval '1 hour' WHERE id = %s", claims[2])

    assert reclaim(queue) == 3

    assert [message(connection, number)["status"] for number in (3, 4)] == ["pending", "pending"]
    assert value(connection, "SELECT count(*) FROM claim") == 2
    assert [reclaim(queue), reclaim(queue)] == [2, 0]
    assert value(connection, "SELECT count(*) FROM claim") == 0


def test_what_another_is_just_reclaiming_is_skipped_without_waiting(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    dead = open_queue("dead")
    for _ in range(2):
        dead.claim(1)
    expire_leases(connection)
    another = connect()
    another.autocommit = False
    assert len(rows(another, FIND_EXPIRED.replace("%(limit)s", "1"))) == 1

    assert in_background(lambda: reclaim(open_queue("heir"))).result(PATIENCE) == 1


def test_two_workers_reclaim_each_message_once(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 500)
    dead = open_queue("dead")
    while dead.claim(10):
        pass
    expire_leases(connection)

    def reclaim_all(queue: Queue) -> int:
        taken = 0
        while some := reclaim(queue):
            taken += some
        return taken

    left, right = open_queue("left"), open_queue("right")
    other = in_background(lambda: reclaim_all(right))
    taken = reclaim_all(left) + other.result(PATIENCE)

    assert taken == 500
    assert value(connection, "SELECT count(*) FROM attempt WHERE number = 1 AND worker = 'dead'") == 500
    assert value(connection, "SELECT count(*) FROM claim") == 0


def test_a_repeat_carries_the_same_text(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, text="as it was")
    queue.claim(1)
    expire_leases(connection)
    reclaim(queue)
    make_due(connection)

    [delivery] = queue.claim(1)

    assert delivery.text == "as it was"
