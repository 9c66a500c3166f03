"""The row of a claim: there is one while a message of the claim is in flight, and no longer."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    execute,
    expire_leases,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background
from worker.claimed_message import ClaimedMessage
from worker.open_claims import OpenClaims
from worker.queue import Queue


def claims(connection: Connection) -> list[tuple[str, list[int]]]:
    """The worker and the messages of each claim."""
    return [(worker, held) for worker, held in rows(connection, "SELECT worker, message_ids FROM claim ORDER BY id")]


def end(queue: Queue, claimed: list[ClaimedMessage], how: str) -> None:
    if how == "release":
        queue.release(claimed)
    else:
        queue.record([answer(one, "refused for good" if how == "fail" else "refused") for one in claimed])


@pytest.mark.parametrize(
    "hows", [("fail", "fail"), ("release", "release"), ("fail", "release"), ("release", "retry")], ids="-".join
)
def test_a_claim_goes_with_its_last_message(hows: tuple[str, str], connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 5)
    first, second = queue.claim(3), queue.claim(2)

    end(queue, [first[0], second[0]], hows[0])
    assert claims(connection) == [("left", [1, 2, 3]), ("left", [4, 5])]
    end(queue, first[1:], hows[1])
    assert claims(connection) == [("left", [4, 5])]
    end(queue, second[1:], hows[1])
    assert claims(connection) == []


def test_a_claim_whose_message_cannot_be_recorded_stays_until_it_is_reclaimed(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 3)
    claimed = queue.claim(3)

    queue.record([answer(one, "accepted", code="nul \x00" if one is claimed[0] else "200") for one in claimed])

    assert claims(connection) == [("left", [1, 2, 3])]
    expire_leases(connection)
    assert reclaim(queue) == 1
    assert claims(connection) == []
    assert [message(connection, number)["status"] for number in (1, 2, 3)] == ["pending", "sent", "sent"]
    assert [one["result"] for one in attempts_of(connection, 1)] == ["ambiguous"]


def test_after_a_restart_a_claim_is_left_to_its_lease_and_reclaimed(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 3)
    before = open_queue("left")
    before.record([answer(one, "accepted") for one in before.claim(2)[:1]])

    restarted = open_queue("left")
    assert reclaim(restarted) == 0
    restarted.record([answer(one, "accepted") for one in restarted.claim(10)])

    assert claims(connection) == [("left", [1, 2])]
    expire_leases(connection)
    assert reclaim(restarted) == 1
    assert claims(connection) == []
    assert [message(connection, number)["status"] for number in (1, 2, 3)] == ["sent", "pending", "sent"]


def test_a_claim_with_a_message_that_is_just_being_recorded_stays_until_the_next_round(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    holder, heir = open_queue("holder"), open_queue("heir")
    claimed = holder.claim(2)
    expire_leases(connection)
    recording = connect()
    recording.autocommit = False
    with recording.cursor() as cursor:
        holder.recorder.record(cursor, [answer(claimed[0], "accepted")])

    assert in_background(lambda: reclaim(heir)).result(PATIENCE) == 1
    assert claims(connection) == [("holder", [1, 2])]

    recording.rollback()  # its worker has crashed
    assert reclaim(heir) == 1
    assert claims(connection) == []
    assert [message(connection, number)["status"] for number in (1, 2)] == ["pending", "pending"]


def test_a_lost_claim_with_a_message_that_somebody_has_locked_is_left_to_its_lease(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    queue.claim(2)
    queue._open = OpenClaims()  # as if the acknowledgement had been lost
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM message WHERE id = 1 FOR UPDATE")

    in_background(lambda: queue._database.transaction(queue._release_unacknowledged)).result(PATIENCE)
    holder.rollback()

    assert [message(connection, number)["status"] for number in (1, 2)] == ["sending", "pending"]
    assert claims(connection) == [("left", [1, 2])]
    expire_leases(connection)
    assert reclaim(queue) == 1
    assert claims(connection) == []


def test_a_claim_that_its_holder_ends_after_it_was_reclaimed_stays_gone(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    holder, heir = open_queue("holder"), open_queue("heir")
    late = holder.claim(2)
    expire_leases(connection)
    assert reclaim(heir) == 2
    heir.claim(2)

    holder.record([answer(late[0], "refused for good")])
    holder.release(late[1:])

    assert claims(connection) == [("heir", [1, 2])]
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sending'") == 2
