"""What a claim reads of the tables, whatever the planner knows of them.

On a database of its own, where nothing is analyzed but by a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claims import CLAIM
from tests.conftest import MakeDatabase
from tests.database import connected, migrate
from tests.factories import add_running_mailing, execute
from tests.integration.worker.attempt_results import CLAIM_ONE_HUNDRED
from tests.query_plans import NO_AUTOVACUUM, pages_touched


@pytest.fixture
def connection(make_database: MakeDatabase) -> Iterator[Connection]:
    url = make_database()
    migrate(url)
    with connected(url) as connection:
        execute(connection, NO_AUTOVACUUM)
        yield connection


def test_a_claim_reads_only_what_it_takes_however_large_the_table(connection: Connection) -> None:
    add_running_mailing(connection, 50_000)
    plans = [_plan(connection)]  # never analyzed
    execute(connection, "ANALYZE message")
    plans.append(_plan(connection))  # all are pending
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id <= 48000")
    plans.append(_plan(connection))  # most have ended, and the planner does not know it
    execute(connection, "ANALYZE message")
    plans.append(_plan(connection))

    for plan in plans:
        assert len(re.findall("Index (Only )?Scan using message_due_idx on message", plan)) == 2, plan
        assert "Seq Scan on message" not in plan
        # What is updated is found by its ids, and by nothing else.
        assert set(re.findall("(?:using|Bitmap Index Scan on) (message_[a-z_]+)", plan)) == {
            "message_due_idx",
            "message_pkey",
        }, plan


def test_a_claim_reads_only_the_mailings_that_run(connection: Connection) -> None:
    execute(
        connection,
        """
        INSERT INTO mailing (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id, launched_at,
            ended_at, settled_at)
        SELECT 'm', now() - interval '2 h', now() - interval '1 h', 'finished', now(), 0, now(), now(), now()
        FROM generate_series(1, 5000)
        """,
    )
    for _ in range(3):
        add_running_mailing(connection, 10)
    execute(connection, "ANALYZE mailing")

    assert "Seq Scan on mailing" not in _plan(connection)


def test_a_claim_costs_the_same_however_many_are_pending(connection: Connection) -> None:
    add_running_mailing(connection, 5_000)
    execute(connection, "ANALYZE message")
    few = pages_of_a_claim(connection)

    add_running_mailing(connection, 95_000)
    execute(connection, "UPDATE mailing SET status = 'paused' WHERE id = 1")
    execute(connection, "ANALYZE message")

    assert pages_of_a_claim(connection) <= 1.3 * few


def pages_of_a_claim(connection: Connection) -> int:
    """The database pages that a claim of a hundred touches."""
    return pages_touched(connection, CLAIM, CLAIM_ONE_HUNDRED)


def _plan(connection: Connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {CLAIM}", CLAIM_ONE_HUNDRED)
        return "\n".join(line for (line,) in cursor.fetchall())
