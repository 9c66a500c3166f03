"""Retention: partitions of the ledger that have been kept for long enough go, and nothing else does."""

from __future__ import annotations

import logging
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
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import counts_by_delivery, report_deliveries
from tests.waiting import PATIENCE, eventually, in_background, wait_for_lock_waiter
from worker.claimed_message import MessageGateway
from worker.maintenance.duties import Maintenance
from worker.maintenance.retention import Retention
from worker.queue import Queue

OpenRetention = Callable[[], Retention]

WIDTH = 10_000_000


@pytest.fixture
def open_retention(open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch) -> OpenRetention:
    """Opens one worker's part in retention: 30 days, and a check at each run."""
    monkeypatch.setattr("worker.maintenance.retention.CHECK_SECONDS", 0.0)
    return lambda: Retention(open_database(), 30)


def add_settled(
    connection: Connection, queue: Queue, maintenance: Maintenance, *, days_ago: int, messages: int = 7
) -> int:
    """A mailing that was sent and settled so long ago, with an attempt for each message; answers its id."""
    mailing_id = add_running_mailing(connection, messages)
    settle(connection, queue, maintenance, mailing_id, days_ago)
    return mailing_id


def settle(connection: Connection, queue: Queue, maintenance: Maintenance, mailing_id: int, days_ago: int) -> None:
    """Sends what is pending, and lets the mailing have been settled so long ago."""
    while claimed := queue.claim(100):
        queue.record([answer(one, "accepted") for one in claimed])
    maintenance.run()
    change_mailing(connection, mailing_id, f"settled_at = settled_at - interval '{days_ago} days'")


def begin_partition(connection: Connection, number: int) -> None:
    """The next message is the first one of this partition."""
    execute(connection, "SELECT make_ledger_partition(%s), setval('message_id_seq', %s, false)", number, number * WIDTH)


def fill_old_partitions(
    connection: Connection, queue: Queue, maintenance: Maintenance, count: int, *, messages: int = 7
) -> list[int]:
    """Partitions from the first one on, each with the messages of a mailing that may go; answers the mailings' ids."""
    mailings = []
    for number in range(1, count + 1):
        mailings.append(add_settled(connection, queue, maintenance, days_ago=31, messages=messages))
        begin_partition(connection, number)
    return mailings


def next_id(connection: Connection) -> int:
    """The id that the next message gets."""
    mailing_id = add_running_mailing(connection, 1)
    return int(value(connection, "SELECT id FROM message WHERE mailing_id = %s", mailing_id))


def partitions(connection: Connection) -> list[int]:
    """The partitions that are listed: those that there are."""
    listed = [number for (number,) in rows(connection, "SELECT number FROM ledger_partition ORDER BY number")]
    for table in ("message", "attempt", "message_unsent"):
        children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
        assert {name for (name,) in rows(connection, children, table)} == {f"{table}_{number}" for number in listed}
    return listed


def add_idempotency_keys(connection: Connection) -> None:
    """Five stored responses, of which three are at least a day old."""
    execute(
        connection,
        """
        INSERT INTO idempotency_key (key, request_hash, status, headers, body, created_at)
        SELECT 'key ' || n, '', 200, '{}', '', now() - n * interval '8 hours' FROM generate_series(1, 5) AS n
        """,
    )


def attempts(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM attempt"))


def total(connection: Connection) -> dict[str, int]:
    """All messages ever, by status."""
    summed = "SELECT status, sum(delta) FROM message_count_delta WHERE NOT compacted GROUP BY 1 HAVING sum(delta) <> 0"
    return {status: int(messages) for status, messages in rows(connection, summed)}


def test_a_partition_all_of_whose_mailings_are_old_goes_and_they_stay_with_their_counts(
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    old = [add_settled(connection, queue, maintenance, days_ago=days) for days in (31, 400)]
    begin_partition(connection, 1)
    new = add_settled(connection, queue, maintenance, days_ago=29)
    begin_partition(connection, 2)
    running = add_running_mailing(connection, 2)
    before = [mailing(connection, one) for one in (new, running)]
    retention = open_retention()

    for _ in range(3):
        retention.run()

    assert partitions(connection) == [1, 2]
    assert caplog.messages.count("partition.dropped") == 1
    assert sorted(vars(one)["mailing_id"] for one in caplog.records if one.getMessage() == "mailing.purged") == old
    for mailing_id in old:
        purged = mailing(connection, mailing_id)
        assert counted(connection, mailing_id) == {}
        assert message_counts(connection, mailing_id) == {"sent": purged["audience"]} == {"sent": 7}
        assert purged["purged_at"] == purged["purge_started_at"] is not None
        assert value(connection, "SELECT count(*) FROM mailing_text WHERE mailing_id = %s", mailing_id) == 1
    assert counted(connection, new) == message_counts(connection, new) == {"sent": 7}
    assert [mailing(connection, one) for one in (new, running)] == before
    assert attempts(connection) == 7
    assert total(connection) == {"sent": 21, "pending": 2}


@pytest.mark.parametrize("change", ["settled_at = now() - interval '29 days'", "settled_at = NULL", "mark = mark"])
def test_a_partition_stays_whole_for_one_mailing_in_it_that_must_be_kept(
    change: str,
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
) -> None:
    old, kept = [add_settled(connection, queue, maintenance, days_ago=31) for _ in range(2)]
    begin_partition(connection, 1)
    editor = connect()
    editor.autocommit = change != "mark = mark"  # what is just being changed is not waited for
    change_mailing(editor, kept, change)

    in_background(open_retention().run).result(PATIENCE)

    assert partitions(connection) == [0, 1]
    assert mailing(connection, old)["purge_started_at"] is None
    if not editor.autocommit:
        editor.rollback()
        open_retention().run()
        assert partitions(connection) == [1]


def test_messages_whose_receipts_are_awaited_stay_until_their_deadline(
    connection: Connection, open_queue: OpenQueue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    """Otherwise their mailing's final counts would keep them as awaiting."""
    report_deliveries(connection)
    reporting = open_queue(gateway=MessageGateway("default", receipts=True))
    mailing_id = add_settled(connection, reporting, maintenance, days_ago=31)
    begin_partition(connection, 1)
    add_running_mailing(connection, 1)

    open_retention().run()
    assert 0 in partitions(connection)
    assert counts_by_delivery(connection, mailing_id) == {"awaiting": 7}

    execute(connection, "UPDATE receipt_wait SET since = since - interval '1000 hours'")
    for _ in range(2):
        maintenance.run()
    open_retention().run()
    assert 0 not in partitions(connection)
    assert counts_by_delivery(connection, mailing_id) == {"no_receipt": 7}


def test_nothing_goes_before_the_counts_are_final_or_while_the_partition_still_gets_messages(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    old = add_settled(connection, queue, maintenance, days_ago=31)
    retention = open_retention()
    retention.run()
    assert partitions(connection) == [0, 1]

    begin_partition(connection, 1)
    execute(connection, "UPDATE message_count_delta SET compacted = false WHERE mailing_id = %s", old)
    retention.run()
    assert partitions(connection) == [0, 1]

    execute(connection, "UPDATE message_count_delta SET compacted = true WHERE mailing_id = %s", old)
    retention.run()
    assert partitions(connection) == [1]


def test_a_mailing_in_two_partitions_is_purged_with_the_second_and_deleted_then_if_it_was_removed(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    kept, removed = add_running_mailing(connection, 2), add_running_mailing(connection, 2)
    begin_partition(connection, 1)
    for mailing_id in (kept, removed):
        add_messages(connection, mailing_id, 3)
    for mailing_id in (kept, removed):
        settle(connection, queue, maintenance, mailing_id, 31)
    between = add_settled(connection, queue, maintenance, days_ago=29)
    change_mailing(connection, removed, "deleted_at = now()")
    begin_partition(connection, 2)
    retention = open_retention()

    retention.run()

    assert partitions(connection) == [1, 2]
    for mailing_id in (kept, removed):
        half = mailing(connection, mailing_id)
        assert half["purge_started_at"] is not None
        assert half["purged_at"] is None
        assert counted(connection, mailing_id) == {"sent": 3}
        assert message_counts(connection, mailing_id) == {"sent": 5}
    change_mailing(connection, between, "settled_at = settled_at - interval '2 days'")

    retention.run()

    assert partitions(connection) == [2]
    assert mailing(connection, kept)["purged_at"] > mailing(connection, kept)["purge_started_at"]
    assert message_counts(connection, kept) == {"sent": 5}
    assert rows(connection, "SELECT id FROM mailing ORDER BY id") == [(kept,), (between,)]
    assert message_counts(connection, removed) == {}
    assert total(connection) == {"sent": 17}


def test_retention_of_0_days_drops_and_begins_nothing(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_database: OpenDatabase
) -> None:
    add_settled(connection, queue, maintenance, days_ago=9999)
    begin_partition(connection, 1)
    add_settled(connection, queue, maintenance, days_ago=9999)
    execute(connection, "UPDATE message SET created_at = now() - interval '9999 days'")

    Retention(open_database(), 0).run()

    assert partitions(connection) == [0, 1]
    assert next_id(connection) == WIDTH + 7


def test_one_worker_at_a_time_begins_and_drops_partitions(
    connection: Connection, connect: Connect, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    add_settled(connection, queue, maintenance, days_ago=31)
    begin_partition(connection, 1)
    add_settled(connection, queue, maintenance, days_ago=31)
    execute(connection, "UPDATE message SET created_at = now() - interval '31 days'")
    other = connect()
    other.autocommit = False
    execute(other, LOCK_RETENTION)

    in_background(open_retention().run).result(PATIENCE)

    assert partitions(connection) == [0, 1]
    assert next_id(connection) == WIDTH + 7


@pytest.mark.parametrize(
    ("retention_days", "age", "begun"),
    [(30, "2 days", False), (30, "3 days", True), (1, "23 hours", False), (1, "25 hours", True)],
)
def test_the_next_partition_begins_when_the_present_one_has_been_filled_for_a_twelfth_of_the_time_or_a_day(
    retention_days: int, age: str, begun: bool, connection: Connection, open_database: OpenDatabase
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, f"UPDATE message SET created_at = now() - interval '{age}' WHERE id = 1")  # noqa: S608
    retention = Retention(open_database(), retention_days)

    retention.run()

    assert add_messages(connection, mailing_id, 2) == ([WIDTH, WIDTH + 1] if begun else [4, 5])
    Retention(open_database(), retention_days).run()
    assert add_messages(connection, mailing_id, 1) == ([WIDTH + 2] if begun else [6])


def test_no_partition_begins_before_there_are_messages(connection: Connection, open_retention: OpenRetention) -> None:
    open_retention().run()

    assert next_id(connection) == 1


def test_a_ledger_that_others_read_is_not_waited_for_long_and_goes_later(
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    old = add_settled(connection, queue, maintenance, days_ago=31)
    begin_partition(connection, 1)
    mailing_id = add_running_mailing(connection, 4)
    reader = connect()
    reader.autocommit = False
    assert counted(reader, old) == {"sent": 7}
    retention = open_retention()
    dropping = in_background(retention.run)
    wait_for_lock_waiter(connection)

    # What comes later waits behind it only until it gives up.
    in_background(lambda: queue.record([answer(one, "accepted") for one in queue.claim(2)])).result(PATIENCE)

    dropping.result(PATIENCE)
    assert counted(connection, mailing_id) == {"pending": 2, "sent": 2}
    assert partitions(connection) == [0, 1]
    assert "partition.busy" in caplog.messages
    assert mailing(connection, old)["purge_started_at"] is None
    assert counted(reader, old) == {"sent": 7}
    reader.rollback()
    retention.run()
    assert partitions(connection) == [1]
    assert mailing(connection, old)["purged_at"] is not None


def test_partitions_go_while_others_are_sent_and_every_sum_stays_right(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    old = fill_old_partitions(connection, queue, maintenance, 3, messages=40)
    mailing_id = add_running_mailing(connection, 200)
    over = threading.Event()
    retention = open_retention()

    def keep_dropping() -> None:
        while not over.is_set():
            retention.run()

    dropping = in_background(keep_dropping)
    while claimed := queue.claim(5):
        queue.record([answer(one, "accepted") for one in claimed])
    maintenance.run()
    eventually(lambda: partitions(connection) == [3])
    over.set()
    dropping.result(PATIENCE)

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 200}
    assert [message_counts(connection, one) for one in old] == [{"sent": 40}] * 3
    assert attempts(connection) == 200
    assert total(connection) == {"sent": 320}


def test_five_partitions_go_in_one_transaction_and_the_others_at_the_next_check(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    fill_old_partitions(connection, queue, maintenance, 7)
    retention = open_retention()

    retention.run()

    assert partitions(connection) == [5, 6, 7]
    assert value(connection, "SELECT count(DISTINCT purged_at) FROM mailing WHERE purged_at IS NOT NULL") == 1
    retention.run()
    assert partitions(connection) == [7]
    assert value(connection, "SELECT count(*) FROM mailing WHERE purged_at IS NOT NULL") == 7


def test_a_partition_that_autovacuum_reads_stays_and_those_before_it_go(
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    mailings = fill_old_partitions(connection, queue, maintenance, 3)
    vacuum = connect()
    vacuum.autocommit = False
    execute(vacuum, "LOCK TABLE attempt_1 IN SHARE UPDATE EXCLUSIVE MODE")
    retention = open_retention()

    retention.run()

    assert partitions(connection) == [1, 2, 3]
    assert [mailing(connection, one)["purge_started_at"] is None for one in mailings] == [False, True, True]
    assert [counted(connection, one) for one in mailings] == [{}, {"sent": 7}, {"sent": 7}]
    assert (caplog.messages.count("partition.dropped"), caplog.messages.count("partition.busy")) == (1, 1)
    vacuum.rollback()
    retention.run()
    assert partitions(connection) == [3]
    assert [mailing(connection, one)["purged_at"] is None for one in mailings] == [False] * 3


def test_a_ledger_that_others_read_is_tried_again_after_a_minute_while_other_old_rows_go(
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_database: OpenDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("worker.maintenance.retention.SHARE", 1e9)
    monkeypatch.setattr("worker.maintenance.retention.DELETE_LIMIT", 1)
    caplog.set_level(logging.INFO)
    old = add_settled(connection, queue, maintenance, days_ago=31)
    begin_partition(connection, 1)
    add_idempotency_keys(connection)
    reader = connect()
    reader.autocommit = False
    assert counted(reader, old) == {"sent": 7}
    retention = Retention(open_database(), 30)

    def keys_left() -> int:
        retention.run()
        return int(value(connection, "SELECT count(*) FROM idempotency_key"))

    eventually(lambda: keys_left() == 2)

    assert caplog.messages.count("partition.busy") == 1


@pytest.mark.parametrize(("locked", "left"), [("mailing", [3]), ("attempt_1", [1, 2, 3])])
def test_after_partitions_that_went_the_next_go_soon_unless_one_is_busy(
    locked: str,
    left: list[int],
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
    open_database: OpenDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("worker.maintenance.retention.SHARE", 1e9)
    monkeypatch.setattr("worker.maintenance.retention.DROP_LIMIT", 2)
    caplog.set_level(logging.INFO)
    fill_old_partitions(connection, queue, maintenance, 3)
    vacuum = connect()
    vacuum.autocommit = False
    execute(vacuum, f"LOCK TABLE {locked} IN ACCESS SHARE MODE")
    retention = Retention(open_database(), 30)

    for _ in range(10):
        retention.run()

    assert partitions(connection) == left
    assert caplog.messages.count("partition.busy") == (locked != "mailing")


def test_partitions_with_many_mailings_are_dropped_one_at_a_time(
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger is locked while they are marked."""
    monkeypatch.setattr("worker.maintenance.retention.MAILINGS_LIMIT", 3)
    for number, mailings in enumerate((5, 2, 1, 1), start=1):
        for _ in range(mailings):
            add_settled(connection, queue, maintenance, days_ago=31, messages=1)
        begin_partition(connection, number)
    retention = open_retention()

    for left in ([1, 2, 3, 4], [3, 4], [4]):
        retention.run()

        assert partitions(connection) == left


def test_between_its_runs_it_has_no_connection(open_database: OpenDatabase) -> None:
    database = open_database()
    retention = Retention(database, 30)
    retention.run()
    assert database._connection is not None

    retention.close()

    assert database._connection is None


def test_message_ids_that_were_removed_are_not_given_out_again(
    connection: Connection, queue: Queue, maintenance: Maintenance, open_retention: OpenRetention
) -> None:
    mailing_id = add_settled(connection, queue, maintenance, days_ago=31)
    begin_partition(connection, 1)
    open_retention().run()

    assert counted(connection, mailing_id) == {}
    assert next_id(connection) == WIDTH


def test_a_late_answer_to_a_message_that_is_gone_is_logged_and_delays_no_other(
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
    open_retention: OpenRetention,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    [late] = queue.claim(1)
    queue.record([answer(late, "accepted")])
    settle(connection, queue, maintenance, mailing_id, 31)
    begin_partition(connection, 1)
    open_retention().run()
    add_running_mailing(connection, 1)

    queue.record([answer(one, "accepted") for one in (late, *queue.claim(1))])

    assert rows(connection, "SELECT id, status FROM message") == [(WIDTH, "sent")]
    assert attempts(connection) == 1
    assert "attempt.not_recorded" in caplog.messages


def test_answers_kept_for_longer_than_a_day_go(connection: Connection, open_retention: OpenRetention) -> None:
    add_idempotency_keys(connection)

    open_retention().run()

    assert [key for (key,) in rows(connection, "SELECT key FROM idempotency_key ORDER BY key")] == ["key 1", "key 2"]
