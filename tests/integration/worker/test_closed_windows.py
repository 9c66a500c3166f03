"""Closing: what the messages become that a closed window or a cancelled mailing leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    cancel,
    change_mailing,
    change_message,
    close_window,
    counted,
    execute,
    message,
    tally,
    value,
)
from tests.waiting import PATIENCE, in_background, until_somebody_waits
from worker.claim_cursor import ClaimCursor
from worker.maintenance.upkeep import CLOSE_MESSAGES, Upkeep
from worker.queue import Queue


def end_of(connection: Connection, message_id: int) -> tuple[Any, ...]:
    now = message(connection, message_id)
    return now["status"], now["reason"]


@pytest.mark.parametrize(
    ("in_doubt", "end"),
    [
        (False, ("expired", "the window closed")),
        (True, ("unknown", "the window closed after an attempt that may have landed")),
    ],
)
def test_what_is_pending_when_the_window_closes(
    in_doubt: bool, end: tuple[str, str], connection: Connection, upkeep: Upkeep
) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, f"in_doubt = {in_doubt}")
    close_window(connection, mailing_id)

    upkeep.run()

    assert end_of(connection, 1) == end
    assert message(connection, 1)["ended_at"] is not None


@pytest.mark.parametrize(
    ("in_doubt", "end"),
    [
        (False, ("cancelled", "the mailing was cancelled")),
        (True, ("unknown", "the mailing was cancelled after an attempt that may have landed")),
    ],
)
def test_what_is_pending_when_the_mailing_is_cancelled(
    in_doubt: bool, end: tuple[str, str], connection: Connection, upkeep: Upkeep
) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, f"in_doubt = {in_doubt}")
    cancel(connection, mailing_id)

    upkeep.run()

    assert end_of(connection, 1) == end


def test_a_cancelled_mailing_stays_cancelled_when_its_window_closes_too(connection: Connection, upkeep: Upkeep) -> None:
    mailing_id = add_running_mailing(connection)
    cancel(connection, mailing_id)
    close_window(connection, mailing_id)

    upkeep.run()

    assert end_of(connection, 1)[0] == "cancelled"


def test_the_window_of_a_paused_mailing_closes_as_well(connection: Connection, upkeep: Upkeep) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, "status = 'paused'")
    close_window(connection, mailing_id)

    upkeep.run()

    assert end_of(connection, 1)[0] == "expired"


@pytest.mark.parametrize("status", ["running", "paused"])
def test_while_the_window_is_open_nothing_is_closed(status: str, connection: Connection, upkeep: Upkeep) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, f"status = '{status}'")

    upkeep.run()

    assert end_of(connection, 1) == ("pending", None)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'sent', sent_at = now(), ended_at = now()",
        "status = 'failed', ended_at = now(), reason = 'code 7'",
        "status = 'unknown', ended_at = now(), reason = 'timed out'",
        "status = 'sending', attempts = 1, claimed_at = now(), lease_until = now(), lease_worker = 'left'",
    ],
)
def test_what_has_an_end_or_is_on_its_way_is_left_alone(change: str, connection: Connection, upkeep: Upkeep) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, change)
    before = message(connection, 1)
    close_window(connection, mailing_id)

    upkeep.run()

    assert message(connection, 1) == before


def test_a_message_whose_lease_runs_out_after_the_window_has_closed_ends_as_unknown(
    connection: Connection, queue: Queue, upkeep: Upkeep
) -> None:
    mailing_id = add_running_mailing(connection)
    queue.claim(1)
    close_window(connection, mailing_id)
    upkeep.run()
    assert end_of(connection, 1)[0] == "sending"

    change_message(connection, 1, "lease_until = now() - interval '1 s'")
    queue.reclaim_expired_leases(1)
    upkeep.run()

    assert end_of(connection, 1)[0] == "unknown"


def test_another_mailing_is_left_alone(connection: Connection, upkeep: Upkeep) -> None:
    closed, running = add_running_mailing(connection, 2), add_running_mailing(connection, 2)
    close_window(connection, closed)

    upkeep.run()

    assert counted(connection, closed) == {"expired": 2}
    assert counted(connection, running) == {"pending": 2}


def test_a_large_mailing_is_closed_over_several_rounds(
    connection: Connection, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.upkeep.CLOSE_LIMIT", 40)
    mailing_id = add_running_mailing(connection, 100)
    close_window(connection, mailing_id)

    left = []
    for more in (True, True, False):
        assert upkeep.run() == more
        left.append(tally(connection, mailing_id).get("pending", 0))

    assert left == [60, 20, 0]


def test_a_window_that_is_just_being_extended_is_not_closed(
    connection: Connection, connect: Connect, upkeep: Upkeep
) -> None:
    mailing_id = add_running_mailing(connection)
    close_window(connection, mailing_id)
    editor = connect()
    editor.autocommit = False
    change_mailing(editor, mailing_id, "end_datetime = now() + interval '1 hour'")
    closing = in_background(upkeep.run)
    until_somebody_waits(connection)

    editor.commit()

    closing.result(PATIENCE)
    assert end_of(connection, 1)[0] == "pending"


def test_what_another_is_just_moving_is_passed_over_without_waiting(
    connection: Connection, connect: Connect, upkeep: Upkeep
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    close_window(connection, mailing_id)
    another = connect()
    another.autocommit = False
    execute(another, "SELECT FROM message WHERE id = 1 FOR UPDATE")

    in_background(upkeep.run).result(PATIENCE)

    assert counted(connection, mailing_id) == {"pending": 1, "expired": 1}


def test_closing_reads_only_what_it_closes_however_large_the_table(connection: Connection) -> None:
    closed = add_running_mailing(connection, 1000)
    add_running_mailing(connection, 50_000)
    close_window(connection, closed)
    execute(connection, "ANALYZE message")

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {CLOSE_MESSAGES}", {"limit": 5000, **ClaimCursor(30.0).places()})
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Scan using message_due_idx on message" in plan
    assert "Seq Scan on message" not in plan, plan
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'expired'") == 0


def test_each_message_ends_for_the_reason_of_its_own_mailing(connection: Connection, upkeep: Upkeep) -> None:
    cancelled, closed = add_running_mailing(connection, 2), add_running_mailing(connection, 2)
    cancel(connection, cancelled)
    close_window(connection, closed)

    upkeep.run()

    assert counted(connection, cancelled) == {"cancelled": 2}
    assert counted(connection, closed) == {"expired": 2}
