"""Mailings that have ended although messages of theirs have not: how they are found, told of, and opened again."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect, MakeDatabase
from tests.database import connected, migrate
from tests.factories import (
    add_clients,
    add_mailing,
    add_messages,
    add_running_mailing,
    change_mailing,
    counted,
    execute,
    mailing,
    rows,
)
from tests.integration.api.calls import Caller
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def end_with_open_messages(connection: Connection, mailing_id: int, status: str = "finished", **columns: Any) -> None:
    """Ends a mailing whose messages are pending, as versions before did when a retry was committed meanwhile. As when a
    worker settles it, nothing of it stays in the queue.
    """
    end_before_queues(connection, mailing_id, status)
    execute(connection, "DELETE FROM queue_batch WHERE mailing_id = %s", mailing_id)
    for name, value in columns.items():  # as SQL
        change_mailing(connection, mailing_id, f"{name} = {value}")


def end_before_queues(connection: Connection, mailing_id: int, status: str = "finished") -> None:
    """The same in a database without queues."""
    change_mailing(connection, mailing_id, f"status = '{status}', ended_at = now(), settled_at = now()")


def reopen(app: Flask) -> str:
    return app.test_cli_runner().invoke(args=["ledger", "reopen"], catch_exceptions=False).output


def unfinished(api: Caller) -> float:
    families = text_string_to_metric_families(api.get("/metrics").text)
    return next(family.samples[0].value for family in families if family.name == "gonets_unended_messages")


def test_its_messages_are_sent_once_it_is_opened_again(
    app: Flask, api: Caller, connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id)
    assert queue.claim(10) == []

    assert reopen(app) == f"Open again: mailing {mailing_id}.\n"

    assert len(queue.claim(10)) == 3
    assert mailing(connection, mailing_id)["status"] == "running"
    [entry] = api.get(f"/v1/mailing/{mailing_id}/journal/").json
    assert entry["action"] == "reopen"


@pytest.mark.parametrize(
    ("columns", "end"),
    [
        ({"end_datetime": "now()"}, ("finished", "expired")),
        ({"status": "cancelled"}, ("cancelled", "cancelled")),
        ({"deleted_at": "now()"}, ("cancelled", "cancelled")),
    ],
    ids=["window closed", "cancelled", "removed"],
)
def test_its_messages_get_their_end_where_they_may_not_be_sent(
    columns: dict[str, str],
    end: tuple[str, str],
    app: Flask,
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id, **columns)

    reopen(app)
    assert queue.claim(10) == []
    maintenance.run()

    now = mailing(connection, mailing_id)
    assert (now["status"], counted(connection, mailing_id)) == (end[0], {end[1]: 3})
    assert now["settled_at"] is not None


def test_one_that_nobody_has_approved_does_not_run_again(app: Flask, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id, requires_approval="true")
    before = mailing(connection, mailing_id)

    assert reopen(app) == "Open again: none.\n"

    assert mailing(connection, mailing_id) == before
    assert queue.claim(10) == []


@pytest.mark.parametrize("columns", [{"status": "cancelled"}, {"deleted_at": "now()"}], ids=["cancelled", "removed"])
def test_the_messages_of_one_that_nobody_has_approved_are_cancelled_where_it_is_over(
    columns: dict[str, str], app: Flask, connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id, **columns, requires_approval="true")

    assert reopen(app) == f"Open again: mailing {mailing_id}.\n"
    maintenance.run()

    assert counted(connection, mailing_id) == {"cancelled": 3}


def test_one_that_is_being_opened_again_already_is_left_as_it_is(
    app: Flask, connection: Connection, connect: Connect
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id)
    other = connect()
    execute(other, "SELECT pg_advisory_lock(%s)", mailing_id)
    reopening = in_background(lambda: reopen(app))
    wait_for_lock_waiter(connection)
    change_mailing(connection, mailing_id, "status = 'running', ended_at = NULL, settled_at = NULL")
    execute(other, "SELECT pg_advisory_unlock(%s)", mailing_id)

    assert reopening.result(PATIENCE) == "Open again: none.\n"
    assert rows(connection, "SELECT action FROM mailing_event") == []


def test_where_nothing_is_left_behind_nothing_happens(
    app: Flask, api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    running = add_running_mailing(connection, 2)
    add_clients(connection, 1, tag="other")
    finished = add_mailing(connection, mark="nobody")
    maintenance.run()
    sound = add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mailing_id = %s", sound)
    end_with_open_messages(connection, sound)
    assert unfinished(api) == 0
    # Its messages are no longer kept: there is nothing to send.
    closed = add_running_mailing(connection, 1)
    end_with_open_messages(connection, closed, purge_started_at="now()")
    before = [mailing(connection, one) for one in (running, finished, sound, closed)]

    assert reopen(app) == "Open again: none.\n"

    assert [mailing(connection, one) for one in (running, finished, sound, closed)] == before


@pytest.mark.parametrize("compacted", [False, True], ids=["at once", "when counts are final"])
def test_ended_mailings_with_open_messages_are_in_the_metrics_and_in_the_mailing(
    compacted: bool, api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    end_with_open_messages(connection, mailing_id)
    if compacted:
        maintenance.run()
        assert rows(
            connection, "SELECT DISTINCT compacted FROM message_count_delta WHERE mailing_id = %s", mailing_id
        ) == [(True,)]

    assert unfinished(api) == 3
    assert api.get("/v1/statistics/").json["messages"]["pending"] == 3
    [warning] = api.get(f"/v1/mailing/{mailing_id}/").json["warnings"]
    assert warning["code"] == "unended_messages"
    assert warning["message"] in api.get(f"/v1/mailing/{mailing_id}/").text


def add_launched(connection: Connection) -> int:
    """A running mailing with two messages, by the names that columns had before 0014."""
    mailing_id = add_mailing(connection)
    running = "status = 'running', launch_started_at = now(), launched_at = now(), launch_ceiling = 0"
    change_mailing(connection, mailing_id, running)
    add_messages(connection, mailing_id, 2)
    return mailing_id


def test_an_upgrade_reopens_them(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, "0006")
    with connected(url) as connection:
        behind, cancelled, sound = (add_launched(connection) for _ in range(3))
        end_before_queues(connection, behind)
        end_before_queues(connection, cancelled, "cancelled")
        execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mailing_id = %s", sound)
        end_before_queues(connection, sound)
        before = mailing(connection, sound)

        migrate(url)

        assert [mailing(connection, one)["status"] for one in (behind, cancelled)] == ["running", "cancelled"]
        assert [mailing(connection, one)["settled_at"] for one in (behind, cancelled)] == [None, None]
        assert mailing(connection, behind)["ended_at"] is None
        after = mailing(connection, sound)
        assert {name: after[name] for name in after.keys() & before.keys()} == {
            name: before[name] for name in after.keys() & before.keys()
        }
        assert rows(connection, "SELECT mailing_id, action FROM mailing_event ORDER BY mailing_id") == [
            (behind, "reopen"),
            (cancelled, "reopen"),
        ]
