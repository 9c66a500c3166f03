"""Partitions of the ledger are made ahead: the next messages never wait for one, or have none."""

from __future__ import annotations

import logging

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import add_messages, add_running_mailing, execute, rows, value
from tests.integration.worker.conftest import OpenDatabase
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance
from worker.maintenance.partition_maker import PartitionMaker
from worker.queue import Queue

WIDTH = 10_000_000
MADE = "partition.made"


def partitions(connection: Connection) -> list[tuple[int, int, int]]:
    """Number, first id and end of each partition that is listed."""
    return rows(connection, "SELECT number, first_message_id, end_message_id FROM ledger_partition ORDER BY 1")


def tables(connection: Connection) -> list[str]:
    """The partitions of the three tables that there are."""
    found = rows(
        connection,
        """
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent IN ('message'::regclass, 'attempt'::regclass, 'message_unsent'::regclass) ORDER BY 1
        """,
    )
    return [name for (name,) in found]


def drop(connection: Connection, *numbers: int) -> None:
    for number in numbers:
        execute(connection, "SELECT drop_ledger_partition(%s)", number)


@pytest.mark.parametrize(("dropped", "made"), [((), []), ((1,), [1]), ((0, 1), [0, 1])])
def test_the_partition_of_the_next_message_and_the_one_after_it_are_made_if_they_are_missing(
    dropped: tuple[int, ...],
    made: list[int],
    connection: Connection,
    open_database: OpenDatabase,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    drop(connection, *dropped)

    PartitionMaker(open_database()).run()

    assert partitions(connection) == [(0, 0, WIDTH), (1, WIDTH, 2 * WIDTH)]
    assert tables(connection) == [
        *("attempt_0", "attempt_1", "message_0", "message_1", "message_unsent_0", "message_unsent_1")
    ]
    assert [vars(one)["partition"] for one in caplog.records if one.getMessage() == MADE] == made


def test_one_is_made_ahead_of_the_messages_wherever_they_are(
    connection: Connection, open_database: OpenDatabase
) -> None:
    maker = PartitionMaker(open_database())
    maker.run()
    execute(connection, "SELECT setval('message_id_seq', %s)", WIDTH - 1)
    mailing_id = add_running_mailing(connection)
    assert rows(connection, "SELECT tableoid::regclass::text, id FROM message") == [("message_1", WIDTH)]

    maker.run()
    assert [number for number, *_ in partitions(connection)] == [0, 1]  # the next check is not due yet
    PartitionMaker(open_database()).run()

    assert partitions(connection)[-1] == (2, 2 * WIDTH, 3 * WIDTH)
    execute(connection, "SELECT setval('message_id_seq', %s)", 2 * WIDTH)
    assert add_messages(connection, mailing_id, 1) == [2 * WIDTH + 1]


def test_a_round_of_maintenance_makes_what_is_missing(connection: Connection, maintenance: Maintenance) -> None:
    drop(connection, 1)

    maintenance.run()

    assert [number for number, *_ in partitions(connection)] == [0, 1]


def test_a_partition_has_all_that_the_others_have(connection: Connection) -> None:
    drop(connection, 1)
    execute(connection, "SELECT make_ledger_partition(1)")

    def of(number: int) -> list[tuple[str, ...]]:
        said = rows(
            connection,
            """
            WITH made AS (SELECT oid, relname, reloptions FROM pg_class WHERE relname ~ %s)
            SELECT relname, array_to_string(reloptions, ',') FROM made
            UNION ALL SELECT relname, attname || ' ' || atttypid::regtype || ' ' || attnotnull::text
                FROM made JOIN pg_attribute ON attrelid = made.oid
            UNION ALL SELECT relname, indexdef FROM made JOIN pg_indexes ON tablename = relname
            UNION ALL SELECT relname, conname || pg_get_constraintdef(pg_constraint.oid)
                FROM made JOIN pg_constraint ON conrelid = made.oid
            """,
            f"_{number}$",
        )
        return sorted(tuple(str(one).replace(f"_{number}", "_N") for one in row) for row in said)

    assert of(1) == of(0)
    assert any("message_N_client_id_mailing_id_key" in definition for _, definition in of(1))


def test_of_two_workers_at_once_one_makes_it(
    connection: Connection, connect: Connect, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    drop(connection, 1)
    first = connect()
    first.autocommit = False
    assert value(first, "SELECT make_ledger_partition(1)") is True
    second = in_background(PartitionMaker(open_database()).run)
    wait_for_lock_waiter(connection)

    first.commit()

    second.result(PATIENCE)
    assert [number for number, *_ in partitions(connection)] == [0, 1]
    assert MADE not in caplog.messages


def test_it_waits_for_no_claim_and_keeps_none_waiting(
    connection: Connection, connect: Connect, queue: Queue, open_database: OpenDatabase
) -> None:
    add_running_mailing(connection, 2)
    drop(connection, 1)
    claiming, making = connect(), connect()
    claiming.autocommit = making.autocommit = False
    with claiming.cursor() as cursor:
        assert len(queue._claim(cursor, 1, idle=False).rows) == 1

    assert in_background(lambda: value(making, "SELECT make_ledger_partition(1)")).result(PATIENCE) is True
    claiming.commit()
    assert len(in_background(lambda: queue.claim(1)).result(PATIENCE)) == 1


def test_ranges_never_overlap_whatever_the_first_partition_spans(connection: Connection) -> None:
    drop(connection, 1)
    execute(connection, "UPDATE ledger_partition SET end_message_id = 2 * end_message_id")  # as after an upgrade

    assert value(connection, "SELECT make_ledger_partition(1)") is False
    assert "message_1" not in tables(connection)
    execute(connection, "UPDATE ledger_partition SET end_message_id = end_message_id / 2")
