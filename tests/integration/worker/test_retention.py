"""Retention: ledgers that have been kept for long enough go, step by step, and nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.retention import LOCK_RETENTION
from tests.conftest import Connect
from tests.factories import (
    add_messages,
    add_running_mailing,
    change_mailing,
    counted,
    execute,
    mailing,
    message_counts,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance import retention
from worker.maintenance.retention import Retention
from worker.maintenance.round import Maintenance
from worker.queue import Queue

OpenRetention = Callable[[], Retention]


@pytest.fixture
def open_retention(open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch) -> OpenRetention:
    """Opens one worker's part in retention: 30 days, three messages a step, no rest between steps."""
    monkeypatch.setattr(retention, "PURGE_LIMIT", 3)
    monkeypatch.setattr(retention, "TIME_SHARE", float("inf"))
    monkeypatch.setattr(retention, "IDLE_SECONDS", 0.0)
    return lambda: Retention(open_database(), 30)


def add_settled(
    connection: Connection, queue: Queue, maintenance: Maintenance, *, days_ago: int, messages: int = 7
) -> int:
    """A mailing that was sent and settled so long ago, with an attempt for each message; answers its id."""
    mailing_id = add_running_mailing(connection, messages)
    queue.record([answer(one, "accepted") for one in queue.claim(100)])
    maintenance.run()
    change_mailing(connection, mailing_id, f"settled_at = settled_at - interval '{days_ago} days'")
    return mailing_id


def attempts(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM attempt"))


def test_what_is_old_enough_goes_in_steps_and_the_mailing_stays_with_its_counts(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    old = add_settled(connection, queue, maintenance, days_ago=31)
    new = add_settled(connection, queue, maintenance, days_ago=29)
    keeping = open_retention()

    left, closed_at = [], set()
    for _ in range(6):
        keeping.run()
        left.append((counted(connection, old).get("sent", 0), attempts(connection) - 7))
        closed_at.add(mailing(connection, old)["purge_started_at"])

    assert left == [(4, 4), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0)]
    assert counted(connection, new) == message_counts(connection, new) == {"sent": 7}
    assert message_counts(connection, old) == {"sent": mailing(connection, old)["audience"]} == {"sent": 7}
    assert mailing(connection, old)["purged_at"] is not None
    assert len(closed_at) == 1
    assert value(connection, "SELECT count(*) FROM mailing_text WHERE mailing_id = %s", old) == 1


def test_nothing_is_removed_before_the_counts_are_final(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    old = add_settled(connection, queue, maintenance, days_ago=31)
    execute(connection, "UPDATE message_count_delta SET compacted = false WHERE mailing_id = %s", old)

    open_retention().run()

    assert counted(connection, old) == {"sent": 7}
    assert mailing(connection, old)["purge_started_at"] is None


def test_the_total_still_counts_what_has_been_removed(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    add_settled(connection, queue, maintenance, days_ago=31)
    add_running_mailing(connection, 2)
    keeping = open_retention()

    for _ in range(5):
        keeping.run()

    total = "SELECT status, sum(delta) FROM message_count_delta WHERE NOT compacted GROUP BY 1 HAVING sum(delta) <> 0"
    assert sorted(rows(connection, total)) == [("pending", 2), ("sent", 7)]


def test_a_mailing_that_was_removed_goes_altogether(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    change_mailing(connection, mailing_id, "deleted_at = now()")
    keeping = open_retention()

    for _ in range(5):
        keeping.run()

    assert value(connection, "SELECT count(*) FROM mailing") == 0
    assert message_counts(connection, mailing_id) == {}


def test_a_worker_goes_on_where_one_that_died_has_stopped(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    open_retention().run()
    heir = open_retention()

    for _ in range(4):
        heir.run()

    assert counted(connection, mailing_id) == {}
    assert mailing(connection, mailing_id)["purged_at"] is not None
    assert attempts(connection) == 0


def test_a_step_that_was_undone_is_taken_again_before_the_ledger_ends(
    connection: Connection, connect: Connect, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31, messages=2)
    keeping, undone = open_retention(), connect()
    undone.autocommit = False
    with undone.cursor() as cursor:
        keeping._step(cursor)
    undone.rollback()

    for _ in range(4):
        keeping.run()

    assert counted(connection, mailing_id) == {}
    assert mailing(connection, mailing_id)["purged_at"] is not None


def test_retention_of_0_days_purges_nothing(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_database: OpenDatabase
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=9999)

    Retention(open_database(), 0).run()

    assert counted(connection, mailing_id) == {"sent": 7}


@pytest.mark.parametrize("change", ["settled_at = NULL, ended_at = NULL, status = 'running'", "audience = audience"])
def test_what_is_not_settled_or_just_being_changed_is_left_alone(
    change: str,
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    editor = connect()
    editor.autocommit = False
    change_mailing(editor, mailing_id, change)

    in_background(open_retention().run).result(PATIENCE)

    editor.commit()
    assert counted(connection, mailing_id) == {"sent": 7}
    assert mailing(connection, mailing_id)["purge_started_at"] is None


def test_one_worker_at_a_time_removes(
    connection: Connection, connect: Connect, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    other = connect()
    other.autocommit = False
    execute(other, LOCK_RETENTION)

    in_background(open_retention().run).result(PATIENCE)

    assert counted(connection, mailing_id) == {"sent": 7}


@pytest.mark.parametrize("hangs_at", ["attempt WHERE message_id = 3", "message WHERE id = 3"])
def test_sending_goes_on_beside_a_step_that_hangs(
    hangs_at: str,
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
) -> None:
    add_settled(connection, queue, maintenance, days_ago=31)
    mailing_id = add_running_mailing(connection, 5)
    holder = connect()
    holder.autocommit = False
    execute(holder, f"SELECT FROM {hangs_at} FOR UPDATE")
    removing = in_background(open_retention().run)
    wait_for_lock_waiter(connection)

    def send() -> None:
        while claimed := queue.claim(2):
            queue.record([answer(one, "accepted") for one in claimed])
        maintenance.run()

    in_background(send).result(PATIENCE)

    assert mailing(connection, mailing_id)["status"] == "finished"
    holder.commit()
    removing.result(PATIENCE)


def test_ledgers_are_removed_while_others_are_sent_and_every_sum_stays_right(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    old = [add_settled(connection, queue, maintenance, days_ago=31, messages=40) for _ in range(3)]
    mailing_id = add_running_mailing(connection, 200)
    over = threading.Event()
    keeping = open_retention()

    def keep() -> None:
        while not over.is_set():
            keeping.run()

    removing = in_background(keep)
    while claimed := queue.claim(5):
        queue.record([answer(one, "accepted") for one in claimed])
    while value(connection, "SELECT count(*) FROM mailing WHERE purged_at IS NULL") > 1:
        maintenance.run()
    over.set()
    removing.result(PATIENCE)

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 200}
    assert [message_counts(connection, one) for one in old] == [{"sent": 40}] * 3
    assert attempts(connection) == 200


def test_message_ids_that_were_removed_are_not_given_out_again(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    keeping = open_retention()
    for _ in range(5):
        keeping.run()

    assert counted(connection, mailing_id) == {}
    assert min(add_messages(connection, add_running_mailing(connection, 1), 1)) > 8


def test_answers_kept_for_longer_than_a_day_go(connection: Connection, open_retention: OpenRetention) -> None:
    execute(
        connection,
        """
        INSERT INTO idempotency_key (key, request_hash, status, headers, body, created_at)
        SELECT 'key ' || n, '', 200, '{}', '', now() - n * interval '8 hours' FROM generate_series(1, 5) AS n
        """,
    )

    open_retention().run()

    assert [key for (key,) in rows(connection, "SELECT key FROM idempotency_key ORDER BY key")] == ["key 1", "key 2"]
