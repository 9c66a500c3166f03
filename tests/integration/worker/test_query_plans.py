"""What the planner makes of all that a worker asks, with 100,000 messages waiting: with statistics fresh, stale and
absent, its estimate stays below what PostgreSQL compiles (jit_above_cost), and no large table is read as a whole.

A pooler may ignore that workers turn JIT off, so the estimates count by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.worker_status import GatewayHealth
from shared.sql import claims, counts, mailings, messages, partitions
from shared.sql import queue as queue_sql
from shared.sql import retention as retention_sql
from tests.conftest import Connect, MakeDatabase
from tests.database import connected, migrate
from tests.factories import add_mailing, add_running_mailing, execute, expire_leases, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.leases import reclaim
from tests.query_plans import NO_AUTOVACUUM, ExplainingCursor, Plan, change, fill, plan, plan_problems, tables_touched
from worker.attempt_decision import Retries
from worker.database import Database
from worker.lanes.circuit_breaker import Pick
from worker.maintenance import duties, message_count_compactor, partition_maker, retention
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.open_claims import OpenClaims
from worker.parameters import bigints
from worker.queue import Queue
from worker.telemetry.status_reporter import LaneStatus, StatusReporter

AT_ONCE = 1000

EVERYTHING = {
    queue_sql.TAKE_DUE,
    queue_sql.TAKE_LAST_DUE,
    queue_sql.TAKE_ANY_UNTRIED,
    queue_sql.TAKE_POISON_MESSAGE,
    queue_sql.TAKE_EXPIRED,
    queue_sql.TAKE_DUE_TOO_LATE,
    queue_sql.DELETE_SETTLED,
    claims.CLAIM,
    claims.CLAIM_POISON_MESSAGE,
    claims.FIND_EXPIRED,
    claims.FIND_UNACKNOWLEDGED,
    claims.LOCK_HELD,
    claims.RENEW_LEASES,
    claims.DELETE_CLAIMS,
    claims.DELETE_ENDED,
    claims.RELEASE,
    messages.RECORD,
    messages.ADD_ATTEMPTS_IN_FLIGHT,
    messages.LOCK_CLIENTS,
    messages.CANCEL_WITHOUT_CLIENT,
    messages.END_MESSAGES,
    messages.ADVANCE_DUE,
    mailings.START_MAILINGS,
    mailings.LAUNCH_CHUNK,
    mailings.LOCK_ENDED_MAILINGS,
    mailings.SETTLE_MAILINGS,
    counts.COMPACT_COUNTS,
    partitions.FIND_MISSING,
    partitions.BEGIN_NEXT,
    partitions.FIND_COMPLETE,
    partitions.FIND_MAILINGS,
    partitions.LOCK_OLD_MAILINGS,
    retention_sql.DELETE_IDEMPOTENCY_KEYS,
}
"""What is explained at the least."""


DUE_TOO_LATE = """
UPDATE message SET due_at = now() + interval '30 days'
WHERE id = ANY(ARRAY(SELECT id FROM message WHERE mailing_id = 1 AND status = 'pending' ORDER BY id LIMIT 3))
"""


@pytest.fixture
def explained(large_ledger: str, make_database: MakeDatabase) -> Iterator[tuple[Connection, Database]]:
    """A connection to a copy of the large ledger, and a worker's, which notes its plans in ExplainingCursor."""
    yield from explaining(make_database(large_ledger))


@pytest.fixture
def empty(make_database: MakeDatabase) -> Iterator[tuple[Connection, Database]]:
    """The same, on an empty database."""
    url = make_database()
    migrate(url)
    yield from explaining(url)


def explaining(url: str) -> Iterator[tuple[Connection, Database]]:
    """The two connections."""
    ExplainingCursor.plans = []
    with connected(url) as connection:
        execute(connection, NO_AUTOVACUUM)
        database = Database(url, threading.Event(), "gonets test")
        database._options["cursor_factory"] = ExplainingCursor
        yield connection, database
        database.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round of maintenance does each of its duties."""
    monkeypatch.setattr(duties, "ROUND_INTERVAL", float("inf"))
    monkeypatch.setattr(message_count_compactor, "COMPACT_ABOVE", 0)
    monkeypatch.setattr(retention, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(partition_maker, "CHECK_SECONDS", 0.0)


def accept_late(connection: Connection, queue: Queue) -> None:
    """Records an acceptance while another claim holds the message."""
    [late] = queue.claim(1)
    expire_leases(connection)
    assert reclaim(queue) == 1
    execute(connection, "UPDATE message SET due_at = '-infinity' WHERE id = %s", late.message_id)
    while (again := queue.claim(1)) and again[0].message_id != late.message_id:
        queue.release(again)
    queue.record([answer(late, "accepted")])


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
    execute(connection, DUE_TOO_LATE)
    for _ in range(3):
        keeping.run()
    for pick in (Pick.LAST, Pick.ANY):
        queue.release(queue.claim(1, pick=pick))
    accept_late(connection, queue)
    claimed = queue.claim(AT_ONCE)
    assert len(claimed) > AT_ONCE / 3
    names = ("accepted", "refused", "ambiguous")
    queue.record([answer(one, names[place % 3]) for place, one in enumerate(claimed[:-20])])
    queue.release(claimed[-20:-10])
    expire_leases(connection)
    assert reclaim(queue) == 10
    assert queue.claim(AT_ONCE)
    queue._open = OpenClaims()
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
    check(connection, database)  # statistics are absent

    execute(connection, "ANALYZE client, mailing, message, queue_batch, message_count_delta")
    check(connection, database)  # they are absent for `attempt` only, which grows last

    execute(connection, "ANALYZE")
    check(connection, database)  # they are fresh

    change(connection)
    check(connection, database)  # they are stale: most of what waited has been sent, and as much is new


def test_what_retention_asks_reads_no_large_table(explained: tuple[Connection, Database]) -> None:
    connection, _ = explained
    mailings_of_all = {"ids": bigints(range(1, 7)), "days": 30}
    bounds = {"first": 0, "end": 10_000_000}

    for prepare in ("SELECT", "ANALYZE"):  # statistics are absent, and fresh
        execute(connection, prepare)
        plans = [
            plan(connection, partitions.FIND_MAILINGS, bounds),
            plan(connection, partitions.LOCK_OLD_MAILINGS, mailings_of_all),
            plan(connection, partitions.MARK_PURGED, mailings_of_all),
        ]
        assert plan_problems(plans) == []


def test_only_the_partitions_of_its_messages_are_touched_by_what_becomes_of_a_claim(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 3)
    execute(connection, "SELECT setval('message_id_seq', 10000000, false)")
    add_running_mailing(connection, 30)
    execute(connection, "UPDATE mailing SET status = 'paused' WHERE id = 1")
    own = connect()
    own.autocommit = False
    names = ("accepted", "refused for good", "refused", "ambiguous")

    def touched_by(work: Callable[[Cursor], object]) -> set[str]:
        execute(own, "SELECT pg_stat_force_next_flush()")  # at the end of the transaction: what was before is left out
        own.rollback()
        with own.cursor() as cursor:
            work(cursor)
        touched = tables_touched(own)
        own.rollback()
        return touched

    assert touched_by(lambda cursor: queue._claim(cursor, 10, idle=True)) == {"message_1"}
    claimed = queue.claim(30)
    answers = [answer(one, names[place % 4]) for place, one in enumerate(claimed)]
    assert touched_by(lambda cursor: queue.recorder.record(cursor, answers)) == {
        "message_1",
        "attempt_1",
        "message_unsent_1",
    }
    assert touched_by(lambda cursor: queue._release(cursor, claimed)) == {"message_1"}
    expire_leases(connection)
    reclaimer = LeaseReclaimer(queue._database, queue.recorder, lease_seconds=30.0)
    assert touched_by(reclaimer._reclaim) == {"message_1", "attempt_1"}


@pytest.mark.long
@pytest.mark.usefixtures("steps")
def test_a_claim_reads_only_what_it_takes_when_all_was_analyzed_while_it_was_empty(
    empty: tuple[Connection, Database],
) -> None:
    connection, database = empty
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
