"""What the planner makes of all that a worker asks, with 200,000 messages waiting: with statistics fresh, stale and
absent, its estimate stays below what PostgreSQL compiles (jit_above_cost), and no large table is read as a whole.

A pooler may ignore that workers turn JIT off, so the estimates count by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.worker_status import GatewayHealth
from shared.sql import claims, counts, mailings, messages
from shared.sql import retention as retention_sql
from tests.conftest import MakeDatabase
from tests.database import connected, migrate
from tests.factories import add_mailing, execute, expire_leases, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.leases import reclaim
from tests.query_plans import NO_AUTOVACUUM, ExplainingCursor, Plan, change, fill, plan_problems
from worker.attempt_decision import Retries
from worker.database import Database
from worker.maintenance import message_count_compactor, retention
from worker.maintenance import round as maintenance_round
from worker.maintenance.round import Maintenance
from worker.queue import Queue
from worker.telemetry.status_reporter import LaneStatus, StatusReporter

AT_ONCE = 1000

EVERYTHING = {
    claims.CLAIM,
    claims.CLAIM_POISON_MESSAGE,
    messages.RECORD,
    claims.FIND_EXPIRED_LEASES,
    claims.FIND_UNACKNOWLEDGED,
    claims.RELEASE,
    messages.LOCK_CLIENTS,
    messages.CANCEL_WITHOUT_CLIENT,
    mailings.START_MAILINGS,
    mailings.LAUNCH_CHUNK,
    messages.EXPIRE_MESSAGES,
    mailings.LOCK_ENDED_MAILINGS,
    mailings.SETTLE_MAILINGS,
    counts.COMPACT_COUNTS,
    retention_sql.BEGIN_PURGE,
    retention_sql.PURGE_MESSAGES,
    retention_sql.DELETE_IDEMPOTENCY_KEYS,
}
"""What is explained at the least."""


@pytest.fixture
def explained(make_database: MakeDatabase) -> Iterator[tuple[Connection, Database]]:
    """A connection to a database of its own, and a worker's, which notes its plans in ExplainingCursor."""
    url = make_database()
    migrate(url)
    ExplainingCursor.plans = []
    with connected(url) as connection:
        execute(connection, NO_AUTOVACUUM)
        database = Database(url, threading.Event(), "gonets test")
        database._options["cursor_factory"] = ExplainingCursor
        yield connection, database
        database.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round of maintenance settles, folds and removes."""
    monkeypatch.setattr(maintenance_round, "ROUND_INTERVAL", float("inf"))
    monkeypatch.setattr(message_count_compactor, "COMPACT_ABOVE", 0)
    monkeypatch.setattr(retention, "TIME_SHARE", float("inf"))


def work(connection: Connection, database: Database) -> list[Plan]:
    """Does all that a worker does, and answers the plans."""
    queue = Queue(
        database,
        worker="left",
        lease_seconds=0.0,
        request_timeout=0.0,
        retries=Retries(5, 0.0, 0.0),
        random=Random(1),
    )
    keeping = Maintenance(database, launch_chunk=5000, retention_days=30)
    add_mailing(connection, mark="nobody")  # it is over at once
    for _ in range(3):
        keeping.run()
    claimed = queue.claim(AT_ONCE)
    assert len(claimed) > AT_ONCE / 3
    names = ("accepted", "refused", "ambiguous")
    queue.record([answer(one, names[place % 3]) for place, one in enumerate(claimed[:-20])])
    queue.release(claimed[-20:-10])
    expire_leases(connection)
    assert reclaim(queue, AT_ONCE) == 10
    assert queue.claim(AT_ONCE)
    queue._unrecorded.clear()
    database.transaction(queue._release_unacknowledged)
    poison_message = queue.claim_poison_message()
    assert poison_message
    queue.record([answer(poison_message, "refused")])
    StatusReporter(database, "left").report([LaneStatus("default", GatewayHealth.OK, 0, 1)])
    return ExplainingCursor.plans


def check(connection: Connection, database: Database) -> None:
    """Raises AssertionError with what is wrong with the plans of all that a worker does."""
    plans = work(connection, database)
    assert {plan.statement for plan in plans} >= EVERYTHING
    assert plan_problems(plans) == []
    plans.clear()


@pytest.mark.usefixtures("steps")
def test_no_statement_is_expensive_enough_to_be_compiled_or_reads_a_large_table(
    explained: tuple[Connection, Database],
) -> None:
    connection, database = explained
    fill(connection)
    check(connection, database)  # statistics are absent

    execute(connection, "ANALYZE client, mailing, message, message_count_delta")
    check(connection, database)  # they are absent for `attempt` only, which grows last

    execute(connection, "ANALYZE")
    check(connection, database)  # they are fresh

    change(connection)
    check(connection, database)  # they are stale: most of what waited has been sent, and as much is new


@pytest.mark.long
@pytest.mark.usefixtures("steps")
def test_a_claim_reads_only_what_it_takes_when_all_was_analyzed_while_it_was_empty(
    explained: tuple[Connection, Database],
) -> None:
    connection, database = explained
    execute(connection, "ANALYZE")
    fill(connection)

    check(connection, database)


def _jit(cursor: Cursor) -> str:
    cursor.execute("SHOW jit")
    [(setting,)] = cursor.fetchall()
    return str(setting)


def test_a_worker_turns_jit_off(clean_database: str) -> None:
    with connected(clean_database) as connection:
        name = value(connection, "SELECT current_database()")
        execute(connection, f'ALTER DATABASE "{name}" SET jit = on')
        try:
            database = Database(clean_database, threading.Event(), "gonets test")
            assert database.transaction(_jit) == "off"
            database.close()
        finally:
            execute(connection, f'ALTER DATABASE "{name}" RESET jit')
