"""Claiming: who gets which message, and what is committed with it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from concurrent.futures import TimeoutError as StillWaiting
from datetime import timedelta
from functools import partial

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.statuses import OnUnknown
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_mailing,
    add_messages,
    add_running_mailing,
    begin_launch,
    change_mailing,
    change_message,
    execute,
    lease,
    make_due,
    message,
    revise_text,
    value,
)
from tests.integration.worker.attempt_results import answer, claimed_at
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import ClaimedMessage
from worker.lanes.fleet_rate_limiter import START_TOLERANCE, FleetRateLimiter
from worker.queue import Queue


def ids(deliveries: list[ClaimedMessage]) -> list[int]:
    return sorted(delivery.message_id for delivery in deliveries)


def test_a_due_message_is_claimed_with_all_that_its_request_needs(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 1, text="Привет 👋", on_unknown="hold")

    [delivery] = queue.claim(10)

    assert (delivery.message_id, delivery.number, delivery.mailing_id, delivery.client_id) == (1, 1, mailing_id, 1)
    assert (delivery.phone_number, delivery.text) == (FIRST_PHONE + 1, "Привет 👋")
    assert (delivery.uncounted, delivery.in_doubt, delivery.on_unknown) == (0, False, OnUnknown.HOLD)
    assert delivery.worker == "left"


def test_the_attempt_is_counted_and_the_lease_is_committed_with_the_claim(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)

    [delivery] = open_queue("left", lease_seconds=42.0).claim(10)

    claimed = message(connection, 1)
    assert (claimed["status"], claimed["attempts"], claimed["text_revision"]) == ("sending", 1, 1)
    assert claimed["lease_worker"] == "left"
    assert claimed["lease_until"] - claimed["claimed_at"] == timedelta(seconds=42)
    assert claimed["claimed_at"] == claimed_at(delivery)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'sent', sent_at = now(), ended_at = now()",
        "status = 'failed', ended_at = now()",
        "status = 'expired', ended_at = now()",
        "status = 'cancelled', ended_at = now()",
        "status = 'unknown', ended_at = now()",
        "due_at = now() + interval '1 hour'",
    ],
)
def test_a_message_that_is_not_pending_and_due_is_left_alone(change: str, connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 2)
    change_message(connection, 1, change)

    # Also if it is all that the claim finds at first.
    assert ids(queue.claim(1)) == [2]
    assert value(connection, "SELECT count(*) FROM claim") == 1


@pytest.mark.parametrize("until", ["now() + interval '1 hour'", "now() - interval '1 hour'"])
def test_a_message_under_lease_is_left_alone_until_its_lease_is_reclaimed(
    until: str, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    lease(connection, 1, until=until)

    assert ids(queue.claim(10)) == [2]


@pytest.mark.parametrize(
    "change",
    [
        "status = 'paused'",
        "status = 'cancelled', ended_at = now()",
        "status = 'finished', ended_at = now()",
        "status = 'cancelled', ended_at = now(), deleted_at = now()",
        "end_datetime = now()",
    ],
)
def test_a_mailing_that_does_not_run_or_whose_window_is_closed_is_left_alone(
    change: str, connection: Connection, queue: Queue
) -> None:
    left_alone, running = add_running_mailing(connection, 1), add_running_mailing(connection, 1)
    change_mailing(connection, left_alone, change)

    assert [delivery.mailing_id for delivery in queue.claim(10)] == [running]


def test_a_mailing_that_is_resumed_is_claimed_again(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 1)
    change_mailing(connection, mailing_id, "status = 'paused'")
    assert queue.claim(10) == []

    change_mailing(connection, mailing_id, "status = 'running'")

    assert ids(queue.claim(10)) == [1]


def test_messages_go_out_while_the_rest_of_their_mailing_is_still_being_launched(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_mailing(connection)
    begin_launch(connection, mailing_id)
    add_messages(connection, mailing_id, 1)

    assert ids(queue.claim(10)) == [1]


def test_who_has_waited_longest_is_first(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 5)
    execute(connection, "UPDATE message SET due_at = due_at - interval '1 minute' WHERE id IN (2, 5)")

    assert [ids(queue.claim(1)) for _ in range(5)] == [[2], [5], [1], [3], [4]]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_no_more_are_claimed_than_the_capacity(limit: int, connection: Connection, queue: Queue) -> None:
    for _ in range(5):
        add_running_mailing(connection, 30)

    assert len(queue.claim(limit)) in range(min(limit, 5), limit + 1)


def test_a_mailing_of_ten_does_not_wait_behind_one_of_ten_thousand(connection: Connection, queue: Queue) -> None:
    large, small = add_running_mailing(connection, 10_000), add_running_mailing(connection, 10)

    claimed = Counter(delivery.mailing_id for delivery in queue.claim(32))

    assert claimed == {large: 16, small: 10}


def test_with_more_mailings_than_capacity_each_gets_its_turn(connection: Connection, queue: Queue) -> None:
    mailings = {add_running_mailing(connection, 1) for _ in range(12)}

    turns = [[delivery.mailing_id for delivery in queue.claim(5)] for _ in range(3)]

    assert [len(turn) for turn in turns] == [5, 5, 2]
    assert {mailing_id for turn in turns for mailing_id in turn} == mailings


def test_of_more_mailings_than_capacity_not_always_the_same_ones_are_claimed(
    connection: Connection, queue: Queue
) -> None:
    mailings = {add_running_mailing(connection, 40) for _ in range(3)}

    # Each claim takes of one of the three: 40 in a row leave one out once in four million times.
    assert {delivery.mailing_id for _ in range(40) for delivery in queue.claim(1)} == mailings


def test_a_request_does_not_start_with_less_lease_left_than_it_may_take(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    asked = time.monotonic()

    [delivery] = open_queue(lease_seconds=30.0, request_timeout=10.0).claim(1)

    assert asked + 20.0 <= delivery.start_by <= time.monotonic() + 20.0


def test_each_request_starts_in_a_slot_of_its_own(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection, 10)
    free_now = "UPDATE rate_limit SET next_slot_at = now()"
    execute(connection, free_now)

    claimed = open_queue(rate_limiter=FleetRateLimiter(10.0)).claim(100)

    # As many as have a slot in the next half second, a tenth of a second and a little apart.
    assert len(claimed) == 5
    for before, after in itertools.pairwise(claimed):
        assert before.start_from + 0.1 < after.start_from < before.start_from + 0.11
        assert before.begin_by <= before.start_from + START_TOLERANCE
    execute(connection, free_now)


def test_a_request_does_not_start_after_the_window_has_closed(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1, ends_in=15.0)

    [delivery] = queue.claim(1)

    assert delivery.start_by <= time.monotonic() + 15.0


def test_workers_at_work_together_never_claim_the_same_message(connection: Connection, open_queue: OpenQueue) -> None:
    for _ in range(3):
        add_running_mailing(connection, 300)

    def claim_all(queue: Queue) -> list[int]:
        # A claim may find nothing while others hold all that it sees: whoever finds nothing three times is done.
        claimed, in_vain = [], 0
        while in_vain < 3:
            some = [delivery.message_id for delivery in queue.claim(7)]
            claimed += some
            in_vain = 0 if some else in_vain + 1
        return claimed

    queues = [open_queue(f"worker {n}") for n in range(4)]
    workers = [in_background(partial(claim_all, queue)) for queue in queues]

    claimed = [message_id for worker in workers for message_id in worker.result(PATIENCE)]
    assert sorted(claimed) == list(range(1, 901))
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sending' AND attempts = 1") == 900


@pytest.mark.parametrize("personalised", [False, True])
def test_a_message_that_batches_do_not_name_is_not_claimed_with_those_around_it(
    personalised: bool, connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 4)
    change_mailing(connection, mailing_id, f"personalised = {personalised}")
    # As many as the range has, since one is named twice.
    execute(connection, "UPDATE queue_batch SET message_ids = '{1,2,2,4}'")

    claimed = queue.claim(100)

    assert sorted(ids(claimed)) == [1, 2, 4]
    assert value(connection, "SELECT status::text FROM message WHERE id = 3") == "pending"


def test_what_another_is_just_claiming_is_passed_over_without_waiting(
    connection: Connection, connect: Connect, queue: Queue, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    add_messages(connection, mailing_id, 1)  # in a batch of its own
    another = connect()
    another.autocommit = False
    held = _claim_and_hold(open_queue("holder"), another, 2)

    claimed = in_background(lambda: queue.claim(100)).result(PATIENCE)

    assert sorted(held + ids(claimed)) == [1, 2, 3]
    assert len(held) == 2


def test_a_claim_that_waited_takes_messages_as_they_are_now(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 4)
    editor = connect()
    editor.autocommit = False
    change_mailing(editor, mailing_id, "updated_at = now()")
    claim = in_background(lambda: queue.claim(100))
    wait_for_lock_waiter(connection)
    # All of this is committed after the claim has got its view of the messages.
    change_message(connection, 1, "phone_number = 79001112233")
    change_message(connection, 2, "status = 'cancelled', ended_at = now()")
    lease(connection, 3)
    editor.commit()

    claimed = {delivery.message_id: delivery.phone_number for delivery in claim.result(PATIENCE)}

    assert claimed == {1: 79001112233, 4: FIRST_PHONE + 4}


def test_a_pause_waits_for_a_claim_under_way(connection: Connection, connect: Connect, open_queue: OpenQueue) -> None:
    mailing_id = add_running_mailing(connection, 1)
    claiming, editor = connect(), connect()
    claiming.autocommit = False
    _claim_and_hold(open_queue("holder"), claiming, 1)

    pause = in_background(lambda: change_mailing(editor, mailing_id, "status = 'paused'"))

    wait_for_lock_waiter(connection)
    with pytest.raises(StillWaiting):
        pause.result(0.05)
    claiming.commit()
    pause.result(PATIENCE)


def test_mailings_that_somebody_is_changing_are_passed_over_while_there_are_others(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    changing, other = add_running_mailing(connection, 1), add_running_mailing(connection, 1)
    editor = connect()
    execute(editor, "SELECT pg_advisory_lock(%s)", changing)

    assert [one.mailing_id for one in queue.claim(100)] == [other]


def test_a_worker_with_nothing_in_flight_waits_for_a_lock_on_the_only_mailing_and_another_does_not(
    connection: Connection, connect: Connect, queue: Queue, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    editor = connect()
    execute(editor, "SELECT pg_advisory_lock(%s)", mailing_id)

    assert open_queue("busy").claim(100, idle=False) == []
    assert open_queue("paced", rate_limiter=FleetRateLimiter(1000)).claim(100) == []  # the fleet would wait with it
    claim = in_background(lambda: queue.claim(100))
    wait_for_lock_waiter(connection)
    execute(editor, "SELECT pg_advisory_unlock(%s)", mailing_id)

    assert ids(claim.result(PATIENCE)) == [1]


def test_claims_one_after_another_do_not_keep_a_change_waiting(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    claiming, editor = connect(), connect()
    claiming.autocommit = False
    _claim_and_hold(open_queue("holder"), claiming, 1)
    change = in_background(lambda: execute(editor, "SELECT pg_advisory_lock(%s)", mailing_id))
    wait_for_lock_waiter(connection)

    # There is a message, and its mailing runs; but somebody is waiting.
    assert open_queue("next").claim(1, idle=False) == []

    claiming.commit()
    change.result(PATIENCE)


@pytest.mark.parametrize("change", ["status = 'paused'", "end_datetime = now() - interval '1 second'"])
def test_a_claim_that_waited_for_a_pause_or_an_earlier_end_takes_nothing(
    change: str, connection: Connection, connect: Connect, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    editor = connect()
    editor.autocommit = False
    change_mailing(editor, mailing_id, change)
    claim = in_background(lambda: queue.claim(100))
    wait_for_lock_waiter(connection)

    editor.commit()

    assert claim.result(PATIENCE) == []


def test_a_claim_that_waited_for_a_new_text_sends_the_new_text(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 1, text="old")
    editor = connect()
    editor.autocommit = False
    revise_text(editor, mailing_id, "new")
    claim = in_background(lambda: queue.claim(100))
    wait_for_lock_waiter(connection)

    editor.commit()

    [delivery] = claim.result(PATIENCE)
    assert delivery.text == "new"


def test_a_message_keeps_its_text_for_every_repeat_and_one_never_attempted_gets_the_new_one(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 2, text="old")
    attempted = queue.claim(1)
    queue.record([answer(one, "ambiguous") for one in attempted])
    revise_text(connection, mailing_id, "new")
    make_due(connection)

    texts = {delivery.message_id: (delivery.number, delivery.text) for delivery in queue.claim(10)}

    assert texts == {1: (2, "old"), 2: (1, "new")}
    assert message(connection, 1)["text_revision"] == 1
    assert message(connection, 2)["text_revision"] == 2


def _claim_and_hold(queue: Queue, connection: Connection, limit: int) -> list[int]:
    """Claims with another connection than the queue's, and leaves the transaction open."""
    with connection.cursor() as cursor:
        return [row.id for row in queue._claim(cursor, limit, idle=False).rows]
