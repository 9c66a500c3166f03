"""Settling: when a mailing is over, and what it is called then."""

from __future__ import annotations

import logging

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.mailings import LOCK_ENDED_MAILINGS, SETTLE_MAILINGS
from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    cancel,
    change_mailing,
    change_message,
    execute,
    mailing,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase
from tests.waiting import PATIENCE, eventually, in_background
from worker.maintenance.duties import Maintenance
from worker.maintenance.mailing_settler import MailingSettler
from worker.queue import Queue

ENDS = ["sent", "failed", "expired", "cancelled", "unknown"]


def end_messages(connection: Connection, *statuses: str) -> None:
    """Gives the messages, from the first on, these ends."""
    for message_id, status in enumerate(statuses, start=1):
        sent_at = "now()" if status == "sent" else "NULL"
        change_message(connection, message_id, f"status = '{status}', ended_at = now(), sent_at = {sent_at}")


def test_a_mailing_is_finished_when_all_its_messages_have_an_end(
    connection: Connection, maintenance: Maintenance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mailings = add_running_mailing(connection, len(ENDS)), add_running_mailing(connection, 1)
    end_messages(connection, *ENDS, "sent")

    maintenance.run()

    for mailing_id in mailings:
        now = mailing(connection, mailing_id)
        assert now["status"] == "finished"
        assert now["ended_at"] == now["settled_at"] is not None
    events = [vars(record) for record in caplog.records if record.message == "mailing.settled"]
    logged = sorted((event["mailing_id"], event["status"], event["audience"]) for event in events)
    assert logged == [(mailings[0], "finished", len(ENDS)), (mailings[1], "finished", 1)]


@pytest.mark.parametrize("change", ["due_at = now() + interval '1 hour'", "status = 'sending', claim_id = 1"])
def test_it_is_not_finished_while_one_of_them_is_open(
    change: str, connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, len(ENDS) + 1)
    end_messages(connection, *ENDS)
    change_message(connection, len(ENDS) + 1, change)

    maintenance.run()

    assert mailing(connection, mailing_id)["status"] == "running"


def test_it_is_not_finished_before_the_whole_audience_has_become_messages(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    add_clients(connection, 1)
    change_mailing(connection, mailing_id, "launched_at = NULL, max_client_id = 2")
    end_messages(connection, "sent")
    launching = connect()
    launching.autocommit = False
    execute(launching, "SELECT pg_advisory_xact_lock(-%s)", mailing_id)  # as another worker that launches it

    maintenance.run()

    assert mailing(connection, mailing_id)["status"] == "running"


def test_a_mailing_that_nobody_matches_is_finished_at_once(connection: Connection, maintenance: Maintenance) -> None:
    mailing_id = add_mailing(connection, mark="nobody")

    maintenance.run()

    now = mailing(connection, mailing_id)
    assert (now["status"], now["audience"]) == ("finished", 0)


def test_a_cancelled_mailing_stays_cancelled_and_keeps_the_time_of_its_end(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    cancel(connection, mailing_id)
    ended_at = mailing(connection, mailing_id)["ended_at"]

    maintenance.run()

    now = mailing(connection, mailing_id)
    assert (now["status"], now["ended_at"]) == ("cancelled", ended_at)
    assert now["settled_at"] >= ended_at


def test_a_cancelled_mailing_is_not_settled_while_a_request_is_in_flight(
    connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    [delivery] = queue.claim(1)
    cancel(connection, mailing_id)
    maintenance.run()
    assert mailing(connection, mailing_id)["settled_at"] is None

    queue.record([answer(delivery, "accepted")])
    maintenance.run()

    assert mailing(connection, mailing_id)["settled_at"] is not None


def test_a_paused_mailing_with_nothing_left_to_send_is_finished(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    change_mailing(connection, mailing_id, "status = 'paused'")
    end_messages(connection, "sent")

    maintenance.run()

    assert mailing(connection, mailing_id)["status"] == "finished"


def test_a_settled_mailing_is_not_changed_again(connection: Connection, maintenance: Maintenance) -> None:
    mailing_id = add_running_mailing(connection, 1)
    end_messages(connection, "sent")
    maintenance.run()
    before = mailing(connection, mailing_id)

    maintenance.run()

    assert mailing(connection, mailing_id) == before


def test_a_mailing_that_somebody_is_changing_is_left_for_the_next_round(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    end_messages(connection, "sent")
    editor = connect()
    editor.autocommit = False
    cancel(editor, mailing_id)

    maintenance.run()
    editor.commit()

    assert mailing(connection, mailing_id)["settled_at"] is None
    maintenance.run()
    now = mailing(connection, mailing_id)
    assert (now["status"], now["settled_at"] is None) == ("cancelled", False)


def test_a_retry_that_holds_the_mailing_while_it_is_settled_keeps_it_open(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    end_messages(connection, "failed", "sent")
    retry = connect()
    retry.autocommit = False
    execute(retry, "SELECT FROM mailing WHERE id = %s FOR UPDATE", mailing_id)
    execute(retry, "UPDATE message SET status = 'pending', ended_at = NULL WHERE status = 'failed'")
    settling = in_background(maintenance.run)
    eventually(lambda: settling.done() or waits_for_a_lock(connection))

    retry.commit()

    settling.result(PATIENCE)
    now = mailing(connection, mailing_id)
    assert (now["status"], now["settled_at"]) == ("running", None)


def test_what_is_locked_as_ended_is_looked_at_again_before_it_is_settled(connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 2)
    end_messages(connection, "failed")

    settle(connection, mailing_id)
    assert mailing(connection, mailing_id)["settled_at"] is None

    end_messages(connection, "failed", "sent")
    change_mailing(connection, mailing_id, "launched_at = NULL")
    settle(connection, mailing_id)
    assert mailing(connection, mailing_id)["settled_at"] is None

    change_mailing(connection, mailing_id, "launched_at = now()")
    settle(connection, mailing_id + 1)
    assert mailing(connection, mailing_id)["settled_at"] is None

    settle(connection, mailing_id)
    settled = mailing(connection, mailing_id)
    assert settled["settled_at"] is not None

    settle(connection, mailing_id)
    assert mailing(connection, mailing_id) == settled


def test_only_what_is_launched_and_has_ended_is_locked_to_be_settled(connection: Connection, connect: Connect) -> None:
    add_running_mailing(connection, 2)
    assert rows(connection, LOCK_ENDED_MAILINGS) == []

    end_messages(connection, "failed", "sent")
    execute(connection, "UPDATE mailing SET launched_at = NULL")
    assert rows(connection, LOCK_ENDED_MAILINGS) == []

    execute(connection, "UPDATE mailing SET launched_at = now()")
    settling = connect()
    settling.autocommit = False
    assert len(rows(settling, LOCK_ENDED_MAILINGS)) == 1
    execute(connection, "SELECT FROM mailing FOR KEY SHARE NOWAIT")  # as who adds a message


def test_what_is_locked_as_ended_and_is_open_by_then_keeps_its_place_in_the_queue(
    connection: Connection, open_database: OpenDatabase, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_running_mailing(connection, 1)
    # As if a retry had been committed between the snapshot of this statement and its locks.
    monkeypatch.setattr("shared.sql.mailings.LOCK_ENDED_MAILINGS", "SELECT id FROM mailing FOR NO KEY UPDATE")

    MailingSettler(open_database()).run()

    assert len(queue.claim(10)) == 1


@pytest.mark.parametrize(("lease_seconds", "is_settled"), [(1000.0, False), (0.0, True)])
def test_settling_that_took_long_waits_before_it_goes_on_but_no_longer_than_a_lease(
    lease_seconds: float,
    is_settled: bool,
    connection: Connection,
    open_database: OpenDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.maintenance.duties.SETTLE_SHARE", 1e-9)  # whatever it takes is long
    monkeypatch.setattr("worker.maintenance.duties.MAX_PAUSE", 1000.0)
    maintenance = Maintenance(open_database(), launch_chunk=1000, lease_seconds=lease_seconds)
    maintenance.run()
    mailing_id = add_running_mailing(connection, 1)
    end_messages(connection, "sent")

    maintenance.run()

    assert (mailing(connection, mailing_id)["settled_at"] is not None) is is_settled


def settle(connection: Connection, mailing_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SETTLE_MAILINGS, {"locked": [mailing_id]})


def waits_for_a_lock(connection: Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(value(connection, waiting))
