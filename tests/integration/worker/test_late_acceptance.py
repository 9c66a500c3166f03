"""A success that comes when another worker has claimed the message: in whatever order, no attempt is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    counted,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
)
from tests.integration.worker.attempt_results import answer, claimed_at
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import AttemptResult, ClaimedMessage
from worker.queue import Queue

TURNED_OUT = "An earlier attempt turned out to be accepted while this one was in flight"


class Repeat(NamedTuple):
    """A message that `left` has sent and lost, with the acceptance in hand, and that `right` has claimed since."""

    left: Queue
    accepted: AttemptResult
    right: Queue
    claimed: ClaimedMessage


@pytest.fixture
def lost(connection: Connection, open_queue: OpenQueue) -> tuple[Queue, AttemptResult]:
    """A worker whose lease ran out, so that the message waits for another; it has been accepted."""
    add_running_mailing(connection)
    left = open_queue("left")
    [delivery] = left.claim(1)
    expire_leases(connection)
    assert reclaim(open_queue("heir")) == 1
    make_due(connection)
    return left, answer(delivery, "accepted")


@pytest.fixture
def repeat(lost: tuple[Queue, AttemptResult], open_queue: OpenQueue) -> Repeat:
    right = open_queue("right")
    [claimed] = right.claim(1)
    return Repeat(*lost, right, claimed)


def results(connection: Connection) -> list[tuple[int, str, str, float | None, str | None]]:
    """Number, worker, result, duration, and the end of the reason of each attempt."""
    return [
        (one["number"], one["worker"], one["result"], one["duration"], (one["reason"] or "").split("; ")[-1])
        for one in attempts_of(connection, 1)
    ]


FIRST = (1, "left", "ambiguous", 0.25, "the result came later: accepted")


def test_the_other_claim_is_in_the_ledger_even_if_its_worker_crashed(connection: Connection, repeat: Repeat) -> None:
    repeat.left.record([repeat.accepted])

    now = message(connection, 1)
    assert (now["status"], now["attempts"], now["claim_id"]) == ("sent", 2, repeat.claimed.claim.id)
    assert results(connection) == [FIRST, (2, "right", "ambiguous", None, TURNED_OUT)]
    assert attempts_of(connection, 1)[1]["started_at"] == claimed_at(repeat.claimed)


def test_no_worker_reclaims_it_or_claims_it_again(connection: Connection, repeat: Repeat) -> None:
    repeat.left.record([repeat.accepted])
    expire_leases(connection)

    assert reclaim(repeat.left) == 0
    assert repeat.left.claim(10) == []


def test_an_acceptance_that_is_recorded_again_adds_nothing(connection: Connection, repeat: Repeat) -> None:
    repeat.left.record([repeat.accepted])
    before = message(connection, 1), attempts_of(connection, 1)

    repeat.left.record([repeat.accepted])

    assert (message(connection, 1), attempts_of(connection, 1)) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("accepted", "the result came later: accepted"),
        ("lost", "the result came later: ambiguous (timed out)"),
        ("unreachable", "the result came later: unreachable (Connection refused)"),
    ],
)
def test_its_holder_completes_it(name: str, reason: str, connection: Connection, repeat: Repeat) -> None:
    repeat.left.record([repeat.accepted])
    before = message(connection, 1)

    repeat.right.record([answer(repeat.claimed, name)])

    assert message(connection, 1) == before
    assert results(connection) == [FIRST, (2, "right", "ambiguous", 0.25, reason)]


def test_its_holder_gives_it_back_unsent_and_the_ledger_says_so(connection: Connection, repeat: Repeat) -> None:
    repeat.left.record([repeat.accepted])
    before = message(connection, 1)

    for _ in range(2):  # the second time because its answer was lost
        repeat.right.release([repeat.claimed])

    assert message(connection, 1) == before
    assert results(connection) == [FIRST, (2, "right", "ambiguous", 0.0, "the result came later: not_submitted")]
    assert attempts_of(connection, 1)[1]["reason"].count("not_submitted") == 1


def test_a_release_that_came_first_leaves_no_attempt(connection: Connection, repeat: Repeat) -> None:
    repeat.right.release([repeat.claimed])

    repeat.left.record([repeat.accepted])

    assert (message(connection, 1)["status"], message(connection, 1)["attempts"]) == ("sent", 1)
    assert results(connection) == [FIRST]


def test_an_answer_that_came_first_is_left_as_it_is(connection: Connection, repeat: Repeat) -> None:
    repeat.right.record([answer(repeat.claimed, "refused")])

    repeat.left.record([repeat.accepted])

    assert message(connection, 1)["status"] == "sent"
    assert results(connection) == [FIRST, (2, "right", "retriable", 0.25, "The gateway said: code 7: blocked")]


def test_a_lease_that_ran_out_first_is_left_as_it_is(connection: Connection, repeat: Repeat) -> None:
    expire_leases(connection)
    reclaim(repeat.right)
    before = attempts_of(connection, 1)[1]

    repeat.left.record([repeat.accepted])

    assert message(connection, 1)["status"] == "sent"
    assert attempts_of(connection, 1)[1] == before


@pytest.mark.parametrize("turned", [False, True], ids=["first to last", "last to first"])
@pytest.mark.parametrize("name", ["accepted", "lost", "refused"])
def test_a_worker_that_lost_it_and_claimed_it_again_records_both(
    name: str, turned: bool, connection: Connection, lost: tuple[Queue, AttemptResult]
) -> None:
    left, accepted = lost
    [again] = left.claim(1)
    both = [accepted, answer(again, name)]

    left.record(both[::-1] if turned else both)

    assert message(connection, 1)["status"] == "sent"
    assert [one["number"] for one in attempts_of(connection, 1)] == [1, 2]
    assert all(one["duration"] == 0.25 for one in attempts_of(connection, 1))


def test_a_claim_that_is_committed_while_the_acceptance_waits_for_it_is_in_the_ledger(
    connection: Connection, connect: Connect, lost: tuple[Queue, AttemptResult], open_queue: OpenQueue
) -> None:
    left, accepted = lost
    claiming = connect()
    claiming.autocommit = False
    with claiming.cursor() as cursor:
        open_queue("right")._claim(cursor, 1, idle=True)
    recorded = in_background(lambda: left.record([accepted]))
    wait_for_lock_waiter(connection)

    claiming.commit()

    recorded.result(PATIENCE)
    assert message(connection, 1)["status"] == "sent"
    assert results(connection) == [FIRST, (2, "right", "ambiguous", None, TURNED_OUT)]


def test_a_release_that_waits_for_the_acceptance_says_that_no_request_left(
    connection: Connection, connect: Connect, repeat: Repeat
) -> None:
    recording = connect()
    recording.autocommit = False
    with recording.cursor() as cursor:
        repeat.left.recorder.record(cursor, [repeat.accepted])
    released = in_background(lambda: repeat.right.release([repeat.claimed]))
    wait_for_lock_waiter(connection)

    recording.commit()

    released.result(PATIENCE)
    assert message(connection, 1)["status"] == "sent"
    assert results(connection)[1] == (2, "right", "ambiguous", 0.0, "the result came later: not_submitted")


def test_an_acceptance_that_waits_for_a_release_leaves_no_attempt(
    connection: Connection, connect: Connect, repeat: Repeat
) -> None:
    releasing = connect()
    releasing.autocommit = False
    with releasing.cursor() as cursor:
        repeat.right._release(cursor, [repeat.claimed])
    recorded = in_background(lambda: repeat.left.record([repeat.accepted]))
    wait_for_lock_waiter(connection)

    releasing.commit()

    recorded.result(PATIENCE)
    assert (message(connection, 1)["status"], message(connection, 1)["attempts"]) == ("sent", 1)
    assert results(connection) == [FIRST]


def test_a_claim_that_its_holder_releases_after_its_lease_has_expired_says_that_no_request_left(
    connection: Connection, repeat: Repeat
) -> None:
    expire_leases(connection)
    reclaim(repeat.left)

    repeat.right.release([repeat.claimed])

    assert (message(connection, 1)["status"], message(connection, 1)["in_doubt"]) == ("pending", True)
    assert results(connection)[1] == (2, "right", "ambiguous", 0.0, "the result came later: not_submitted")


@pytest.mark.parametrize("late", [False, True])
def test_acceptances_lock_their_messages_in_the_order_of_ids_as_claims_do(
    late: bool, connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    left = open_queue("left")
    accepted = [answer(delivery, "accepted") for delivery in claim_three_hundred(connection, left)]
    if late:
        expire_leases(connection)
        reclaim(open_queue("heir"))

    assert locked_before_message_100(connection, connect, lambda: left.record(accepted[::-1])) <= set(range(1, 100))
    assert counted(connection, 1) == {"sent": 300}


def test_a_release_locks_its_messages_in_the_order_of_ids(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    claimed = claim_three_hundred(connection, queue)

    assert locked_before_message_100(connection, connect, lambda: queue.release(claimed[::-1])) <= set(range(1, 100))
    assert counted(connection, 1) == {"pending": 300}


def claim_three_hundred(connection: Connection, queue: Queue) -> list[ClaimedMessage]:
    add_running_mailing(connection, 300)
    return queue.claim(300)


def locked_before_message_100(connection: Connection, connect: Connect, work: Callable[[], None]) -> set[int]:
    """The ids of the messages that `work` has locked by the time that it waits for message 100, which another
    transaction is changing. That is committed then, so `work` has to look at a newer row.
    """
    changing = connect()
    changing.autocommit = False
    execute(changing, "UPDATE message SET reason_params = '{}' WHERE id = 100")
    working = in_background(work)
    wait_for_lock_waiter(connection)
    free = {one for (one,) in rows(connection, "SELECT id FROM message FOR UPDATE SKIP LOCKED")}
    changing.commit()
    working.result(PATIENCE)
    return set(range(1, 301)) - free - {100}
