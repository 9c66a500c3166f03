"""Closing: what the messages become that a closed window or a cancelled mailing leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_messages,
    add_running_mailing,
    cancel,
    change_mailing,
    change_message,
    close_window,
    counted,
    execute,
    expire_leases,
    message,
    message_counts,
)
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def end_of(connection: Connection, message_id: int) -> tuple[Any, ...]:
    now = message(connection, message_id)
    return now["status"], now["reason_code"]


@pytest.mark.parametrize(
    ("in_doubt", "end"),
    [
        (False, ("expired", "window_closed")),
        (True, ("unknown", "window_closed")),
    ],
)
def test_what_is_pending_when_the_window_closes(
    in_doubt: bool, end: tuple[str, str], connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, f"in_doubt = {in_doubt}")
    close_window(connection, mailing_id)

    maintenance.run()

    assert end_of(connection, 1) == end
    assert message(connection, 1)["ended_at"] is not None


@pytest.mark.parametrize(
    ("in_doubt", "end"),
    [
        (False, ("cancelled", "mailing_cancelled")),
        (True, ("unknown", "mailing_cancelled")),
    ],
)
def test_what_is_pending_when_the_mailing_is_cancelled(
    in_doubt: bool, end: tuple[str, str], connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, f"in_doubt = {in_doubt}")
    cancel(connection, mailing_id)

    maintenance.run()

    assert end_of(connection, 1) == end


def test_a_cancelled_mailing_stays_cancelled_when_its_window_closes_too(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    cancel(connection, mailing_id)
    close_window(connection, mailing_id)

    maintenance.run()

    assert end_of(connection, 1)[0] == "cancelled"


def test_the_window_of_a_paused_mailing_closes_as_well(connection: Connection, maintenance: Maintenance) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, "status = 'paused'")
    close_window(connection, mailing_id)

    maintenance.run()

    assert end_of(connection, 1)[0] == "expired"


@pytest.mark.parametrize("status", ["running", "paused"])
def test_while_the_window_is_open_nothing_is_closed(
    status: str, connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, f"status = '{status}'")

    maintenance.run()

    assert end_of(connection, 1) == ("pending", None)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'sent', sent_at = now(), ended_at = now()",
        "status = 'failed', ended_at = now(), reason_code = 'code 7'",
        "status = 'unknown', ended_at = now(), reason_code = 'timed out'",
        "status = 'sending', attempts = 1, claim_id = 1",
    ],
)
def test_what_has_an_end_or_is_in_flight_is_left_alone(
    change: str, connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    change_message(connection, 1, change)
    before = message(connection, 1)
    close_window(connection, mailing_id)

    maintenance.run()

    assert message(connection, 1) == before


def test_a_message_whose_lease_expires_after_the_window_has_closed_ends_as_unknown(
    connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    queue.claim(1)
    close_window(connection, mailing_id)
    maintenance.run()
    assert end_of(connection, 1)[0] == "sending"

    expire_leases(connection)
    reclaim(queue)
    maintenance.run()

    assert end_of(connection, 1)[0] == "unknown"


def test_another_mailing_is_left_alone(connection: Connection, maintenance: Maintenance) -> None:
    closed, running = add_running_mailing(connection, 2), add_running_mailing(connection, 2)
    close_window(connection, closed)

    maintenance.run()

    assert counted(connection, closed) == {"expired": 2}
    assert counted(connection, running) == {"pending": 2}


def test_large_mailings_are_closed_over_several_rounds(
    connection: Connection, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.message_ender.END_LIMIT", 2)
    mailings = [add_running_mailing(connection, 500) for _ in range(2)]  # in three batches each, of 200 at most
    for mailing_id in mailings:
        close_window(connection, mailing_id)

    left = []
    for more in (True, True, True, False):
        assert maintenance.run() == more
        left.append(sum(message_counts(connection, mailing_id).get("pending", 0) for mailing_id in mailings))

    assert left == [600, 300, 0, 0]


def test_a_window_that_is_just_being_extended_is_not_closed(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    close_window(connection, mailing_id)
    editor = connect()
    editor.autocommit = False
    change_mailing(editor, mailing_id, "end_datetime = now() + interval '1 hour'")
    closing = in_background(maintenance.run)
    wait_for_lock_waiter(connection)

    editor.commit()

    closing.result(PATIENCE)
    assert end_of(connection, 1)[0] == "pending"


def test_what_another_is_just_moving_is_passed_over_without_waiting(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    add_messages(connection, mailing_id, 1)  # in a batch of its own
    close_window(connection, mailing_id)
    another = connect()
    another.autocommit = False
    execute(another, "SELECT FROM queue_batch ORDER BY id LIMIT 1 FOR UPDATE")

    in_background(maintenance.run).result(PATIENCE)

    assert counted(connection, mailing_id) == {"pending": 1, "expired": 1}


def test_each_message_ends_for_the_reason_of_its_own_mailing(connection: Connection, maintenance: Maintenance) -> None:
    cancelled, closed = add_running_mailing(connection, 2), add_running_mailing(connection, 2)
    cancel(connection, cancelled)
    close_window(connection, closed)

    maintenance.run()

    assert counted(connection, cancelled) == {"cancelled": 2}
    assert counted(connection, closed) == {"expired": 2}
