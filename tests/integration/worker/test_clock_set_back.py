"""A database's clock that was ahead and is put right: what was dated in the future meanwhile blocks nothing."""

from __future__ import annotations

import logging
import time

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, attempts_of, change_message, execute, message, rows, value
from tests.integration.worker.answering import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from worker.lanes.fleet_rate_limiter import AHEAD, CLOCK_STEP, FleetRateLimiter
from worker.maintenance.upkeep import Upkeep
from worker.queue import Queue
from worker.time_budget import TimeBudget

PACE_BEGINS_ANEW = (
    "the next slot of GATEWAY_RATE is too far in the future: the database's clock was put back, "
    "and the pace begins anew"
)
LEASES_BEGIN_ANEW = "leases are dated in the future: the database's clock was put back, and they begin anew"
DUE_NOW = "messages are due later than any retry: the database's clock was put back, and they are due now"

SPACING = 1.025 / 200


def set_next_slot(connection: Connection, ahead: str) -> None:
    execute(connection, "UPDATE pace SET next_slot = clock_timestamp() + %s::interval", ahead)


def put_a_day_ahead(connection: Connection) -> None:
    """Dates all claims as a clock would that is a day ahead."""
    execute(
        connection,
        "UPDATE message SET claimed_at = claimed_at + interval '1 day', lease_until = lease_until + interval '1 day'",
    )


def slot_ahead(connection: Connection) -> float:
    return float(value(connection, "SELECT extract(epoch FROM next_slot - clock_timestamp())::float8 FROM pace"))


@pytest.fixture(autouse=True)
def _free_slot(connection: Connection) -> None:
    """The row of the pace outlives a test."""
    execute(connection, "UPDATE pace SET next_slot = now()")


@pytest.mark.parametrize("ahead", ["7 s", "1 day", "30 years"])
def test_a_next_slot_in_the_far_future_begins_anew_and_says_so(
    ahead: str, connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    set_next_slot(connection, ahead)
    queue = open_queue(pace=FleetRateLimiter(200))

    assert queue.claim(5) == []
    assert PACE_BEGINS_ANEW in caplog.messages
    # No slot that was taken before the clock was put back can be used twice: all lie within AHEAD.
    assert slot_ahead(connection) <= AHEAD + SPACING
    assert queue.claimable_at <= time.monotonic() + AHEAD + SPACING
    execute(connection, "UPDATE pace SET next_slot = now()")
    assert len(queue.claim(5)) == 5
    assert caplog.messages.count(PACE_BEGINS_ANEW) == 1


@pytest.mark.parametrize("ahead", [AHEAD, AHEAD + CLOCK_STEP / 2])
def test_a_step_of_the_clock_that_is_small_is_waited_out(
    ahead: float, connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    set_next_slot(connection, f"{ahead} s")
    before = value(connection, "SELECT next_slot FROM pace")

    open_queue(pace=FleetRateLimiter(0.1)).claim(5)

    assert value(connection, "SELECT next_slot FROM pace") >= before
    assert PACE_BEGINS_ANEW not in caplog.messages


def test_a_slow_rate_s_next_slot_is_no_clock_that_was_put_back(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    queue = open_queue(pace=FleetRateLimiter(0.01))  # a slot every 102 seconds
    assert len(queue.claim(5)) == 1

    assert open_queue("other", pace=FleetRateLimiter(0.01)).claim(5) == []
    assert slot_ahead(connection) > 90
    execute(connection, "UPDATE pace SET next_slot = now()")
    assert PACE_BEGINS_ANEW not in caplog.messages


def test_a_lease_that_was_dated_in_the_future_lasts_for_a_whole_lease_from_now_on(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection)
    open_queue("dead", lease_seconds=60.0).claim(1)
    put_a_day_ahead(connection)
    alive = open_queue("alive")

    assert alive.reclaim_expired_leases(10) == 0
    assert LEASES_BEGIN_ANEW in caplog.messages
    assert value(connection, "SELECT lease_until - claimed_at = interval '60 s' AND claimed_at <= now() FROM message")

    caplog.clear()
    execute(connection, "UPDATE message SET lease_until = now() - interval '1 s'")
    assert alive.reclaim_expired_leases(10) == 1
    assert [one["outcome"] for one in attempts_of(connection, 1)] == ["ambiguous"]
    assert caplog.messages == ["a lease ran out"]


def test_the_holder_of_such_a_lease_records_what_came_of_it(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    holder = open_queue("holder")
    [delivery] = holder.claim(1)
    put_a_day_ahead(connection)
    open_queue("other").reclaim_expired_leases(10)

    holder.record([answer(delivery, "accepted")])

    assert message(connection, 1)["status"] == "sent"
    assert len(attempts_of(connection, 1)) == 1


def test_leases_of_workers_that_hold_for_longer_are_left_alone(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection)
    open_queue("long", lease_seconds=3600.0).claim(1)
    before = rows(connection, "SELECT claimed_at, lease_until FROM message")

    assert open_queue("short", lease_seconds=6.0, delivery_seconds=1.0).reclaim_expired_leases(10) == 0

    assert rows(connection, "SELECT claimed_at, lease_until FROM message") == before
    assert LEASES_BEGIN_ANEW not in caplog.messages


def test_a_look_for_lost_leases_that_was_dated_in_the_future_hides_none(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_running_mailing(connection)
    queue.reclaim_expired_leases(10)
    not_due = TimeBudget(0.01, 30.0)
    not_due.wait(30.0)
    monkeypatch.setattr(queue, "_look_back", not_due)
    # As left by a look before the clock was put back by an hour.
    monkeypatch.setattr(queue, "_lost_since", value(connection, "SELECT now() + interval '1 hour'"))
    monkeypatch.setattr(queue, "_looked_at", value(connection, "SELECT now() + interval '1 hour'"))
    queue.claim(1)
    change_message(connection, 1, "lease_until = now() - interval '1 s'")

    assert queue.reclaim_expired_leases(10) == 1


def test_messages_that_are_due_later_than_any_retry_are_due_now(
    connection: Connection, queue: Queue, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    add_running_mailing(connection, 3)
    change_message(connection, 1, "due_at = now() + interval '1 day'")  # launched while the clock was ahead
    change_message(connection, 2, "due_at = now() + interval '10 minutes'")  # a retry
    upkeep = Upkeep(open_database(), launch_chunk=1000, longest_retry=1200.0)

    upkeep.run()

    assert sorted(one.message_id for one in queue.claim(10)) == [1, 3]
    assert caplog.messages == [DUE_NOW]
