"""A database's clock that was ahead and is put right: what was dated in the future meanwhile blocks nothing."""

from __future__ import annotations

import logging
import time

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claims import RENEW_LEASES
from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    change_message,
    execute,
    expire_leases,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background
from worker.lanes.fleet_rate_limiter import CLOCK_STEP, LOOKAHEAD, FleetRateLimiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

RATE_LIMIT_RESTARTED = "rate_limit.restarted"
LEASES_BEGIN_ANEW = "leases.renewed"
DUE_NOW = "messages.due_advanced"

SPACING = 1.025 / 200


def set_next_slot(connection: Connection, ahead: str) -> None:
    execute(connection, "UPDATE rate_limit SET next_slot_at = clock_timestamp() + %s::interval", ahead)


def put_a_day_ahead(connection: Connection) -> None:
    """Dates all claims as a clock would that is a day ahead."""
    execute(
        connection,
        "UPDATE claim SET claimed_at = claimed_at + interval '1 day', lease_until = lease_until + interval '1 day'",
    )


def slot_ahead(connection: Connection) -> float:
    return float(
        value(connection, "SELECT extract(epoch FROM next_slot_at - clock_timestamp())::float8 FROM rate_limit")
    )


@pytest.fixture(autouse=True)
def _free_slot(connection: Connection) -> None:
    """The row of the rate limit outlives a test."""
    execute(connection, "UPDATE rate_limit SET next_slot_at = now()")


@pytest.mark.parametrize("ahead", ["20 s", "1 day", "30 years"])
def test_a_next_slot_in_the_far_future_is_reset_and_logged(
    ahead: str, connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    set_next_slot(connection, ahead)
    queue = open_queue(rate_limiter=FleetRateLimiter(200))

    assert queue.claim(5) == []
    assert RATE_LIMIT_RESTARTED in caplog.messages
    # No slot that was taken before the clock was put back can be used twice: all lie within LOOKAHEAD.
    assert slot_ahead(connection) <= LOOKAHEAD + SPACING
    assert queue.claimable_at <= time.monotonic() + LOOKAHEAD + SPACING
    execute(connection, "UPDATE rate_limit SET next_slot_at = now()")
    assert len(queue.claim(5)) == 5
    assert caplog.messages.count(RATE_LIMIT_RESTARTED) == 1


@pytest.mark.parametrize("ahead", [LOOKAHEAD, LOOKAHEAD + CLOCK_STEP / 2])
def test_a_step_of_the_clock_that_is_small_is_waited_out(
    ahead: float, connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    set_next_slot(connection, f"{ahead} s")
    before = value(connection, "SELECT next_slot_at FROM rate_limit")

    open_queue(rate_limiter=FleetRateLimiter(0.1)).claim(5)

    assert value(connection, "SELECT next_slot_at FROM rate_limit") >= before
    assert RATE_LIMIT_RESTARTED not in caplog.messages


def test_the_next_slot_of_a_low_rate_is_not_taken_for_a_clock_that_was_set_back(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    queue = open_queue(rate_limiter=FleetRateLimiter(0.01))  # a slot every 102 seconds
    assert len(queue.claim(5)) == 1

    assert open_queue("other", rate_limiter=FleetRateLimiter(0.01)).claim(5) == []
    assert slot_ahead(connection) > 90
    execute(connection, "UPDATE rate_limit SET next_slot_at = now()")
    assert RATE_LIMIT_RESTARTED not in caplog.messages


def test_slots_of_a_time_in_which_nothing_was_sent_are_not_taken_later(
    connection: Connection, open_queue: OpenQueue
) -> None:
    limiter = FleetRateLimiter(200)
    add_running_mailing(connection, 2 * limiter.slots_ahead)
    set_next_slot(connection, "-1 hour")

    assert len(open_queue(rate_limiter=limiter).claim(1000)) == limiter.slots_ahead


def test_a_lease_that_was_dated_in_the_future_lasts_for_a_whole_lease_from_now_on(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection)
    open_queue("dead", lease_seconds=60.0).claim(1)
    put_a_day_ahead(connection)
    alive = open_queue("alive")

    assert reclaim(alive) == 0
    assert LEASES_BEGIN_ANEW in caplog.messages
    assert value(connection, "SELECT lease_until - claimed_at = interval '60 s' AND claimed_at <= now() FROM claim")

    caplog.clear()
    expire_leases(connection)
    assert reclaim(alive) == 1
    assert [one["result"] for one in attempts_of(connection, 1)] == ["ambiguous"]
    assert caplog.messages == ["lease.expired"]


def test_the_holder_of_such_a_lease_records_what_came_of_it(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    holder = open_queue("holder")
    [delivery] = holder.claim(1)
    put_a_day_ahead(connection)
    reclaim(open_queue("other"))

    holder.record([answer(delivery, "accepted")])

    assert message(connection, 1)["status"] == "sent"
    assert len(attempts_of(connection, 1)) == 1


def test_leases_of_workers_that_hold_for_longer_are_left_alone(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection)
    open_queue("long", lease_seconds=3600.0).claim(1)
    before = rows(connection, "SELECT claimed_at, lease_until FROM claim")

    assert reclaim(open_queue("short", lease_seconds=6.0, request_timeout=1.0)) == 0

    assert rows(connection, "SELECT claimed_at, lease_until FROM claim") == before
    assert LEASES_BEGIN_ANEW not in caplog.messages


def test_a_lease_that_was_claimed_while_others_are_looked_at_is_left_alone(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    looking = connect()
    looking.autocommit = False
    execute(looking, "SELECT now()")
    open_queue("long", lease_seconds=3600.0).claim(1)

    with looking.cursor() as cursor:
        cursor.execute(RENEW_LEASES, {"lease": 30.0, "limit": 10})
        assert cursor.rowcount == 0


def test_of_leases_that_were_dated_in_the_future_those_that_nobody_holds_begin_anew_as_many_as_asked_for(
    connection: Connection, connect: Connect, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.lease_reclaimer.RECLAIM_LIMIT", 2)
    add_running_mailing(connection, 4)
    dead = open_queue("dead")
    first, *_ = [dead.claim(1)[0].claim.id for _ in range(4)]
    put_a_day_ahead(connection)
    another = connect()
    another.autocommit = False
    execute(another, "SELECT FROM claim WHERE id = %s FOR UPDATE", first)

    in_background(lambda: reclaim(open_queue("alive"))).result(PATIENCE)

    assert value(connection, "SELECT count(*) FROM claim WHERE claimed_at <= now()") == 2
    assert value(connection, "SELECT claimed_at > now() FROM claim WHERE id = %s", first)


def test_messages_that_are_due_later_than_any_retry_are_due_now(
    connection: Connection,
    connect: Connect,
    queue: Queue,
    open_database: OpenDatabase,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    add_running_mailing(connection, 7)
    for message_id, due_at in enumerate(
        [
            "now() + interval '1 day'",  # launched while the clock was ahead
            "now() + interval '10 minutes'",  # a retry
            "now() + interval '20 minutes 30 s'",  # a retry before a small step of the clock
            "'infinity'",  # a poison message
            "now() + interval '1 day', status = 'failed', ended_at = now()",
            "now() + interval '1 day'",  # in a batch that somebody has locked
        ],
        start=1,
    ):
        change_message(connection, message_id, f"due_at = {due_at}")
    another = connect()
    another.autocommit = False
    execute(another, "SELECT FROM queue_batch WHERE message_ids @> ARRAY[6::bigint] AND due_at > now() FOR UPDATE")
    maintenance = Maintenance(open_database(), launch_chunk=1000, longest_retry=1200.0)

    in_background(maintenance.run).result(PATIENCE)

    another.rollback()
    due_now = rows(connection, "SELECT id FROM message WHERE due_at <= now() ORDER BY id")
    assert [message_id for (message_id,) in due_now] == [1, 7]
    assert sorted(one.message_id for one in queue.claim(10)) == [1, 7]
    assert caplog.messages == [DUE_NOW]
