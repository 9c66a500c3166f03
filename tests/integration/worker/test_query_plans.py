"""What the planner makes of all that a worker asks, with 100,000 messages waiting: with statistics fresh, stale and
absent, its estimate stays below what PostgreSQL compiles (jit_above_cost), and no large table is read as a whole.

A pooler may ignore that workers turn JIT off, so the estimates count by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import cast

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery import UndeliveredReason
from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import InboundPart, Receipt
from shared.sql import (
    audiences,
    caps,
    claim_rules,
    claims,
    counts,
    delivery_speed,
    inbound,
    keywords,
    mailings,
    messages,
    partitions,
    receipts,
    rescheduling,
    spending,
    suppressions,
)
from shared.sql import queue as queue_sql
from shared.sql import retention as retention_sql
from tests.conftest import Connect, MakeDatabase
from tests.database import connected
from tests.factories import add_mailing, add_running_mailing, begin_launch, execute, expire_leases, rows, value
from tests.inbound import WRITER, forward, let_come_earlier
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.leases import reclaim
from tests.query_plans import (
    NO_AUTOVACUUM,
    ROWS,
    ExplainingCursor,
    Plan,
    change,
    fill,
    plan,
    plan_problems,
    tables_touched,
)
from tests.receipts import DELIVERED, UNDELIVERED, receive
from worker.attempt_decision import Retries
from worker.database import Database
from worker.lanes.circuit_breaker import Pick
from worker.lanes.gateway_clients import GatewayClients
from worker.maintenance import duties, message_count_compactor, partition_maker
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.retention import Retention
from worker.open_claims import OpenClaims
from worker.parameters import bigints
from worker.polling.receipt_poller import ReceiptPoller
from worker.queue import Queue
from worker.spending import Pricing
from worker.telemetry.status_reporter import LaneStatus, StatusReporter

AT_ONCE = 1000

EVERYTHING = {
    queue_sql.TAKE_DUE,
    queue_sql.TAKE_LAST_DUE,
    queue_sql.TAKE_ANY_UNTRIED,
    queue_sql.TAKE_POISON_MESSAGE,
    queue_sql.TAKE_ENDED,
    queue_sql.TAKE_DUE_TOO_LATE,
    queue_sql.DELETE_SETTLED,
    claims.CLAIM,
    claims.CLAIM_RANGE,
    claims.CLAIM_WITH_VALUES,
    claims.CLAIM_POISON_MESSAGE,
    claims.FIND_EXPIRED,
    claims.FIND_UNACKNOWLEDGED,
    claims.LOCK_HELD,
    claims.RENEW_LEASES,
    claim_rules.FIND_SUPPRESSED,
    claim_rules.FIND_WITHOUT_CONSENT,
    claim_rules.WITHDRAW,
    suppressions.ADD_SUPPRESSIONS,
    suppressions.CANCEL_SUPPRESSED,
    claims.DELETE_CLAIMS,
    claims.DELETE_ENDED,
    claims.RELEASE,
    caps.COUNT_MESSAGES,
    caps.READ_COUNTED,
    caps.READ_UNSENT,
    caps.UNCOUNT_UNSENT,
    caps.READ_WAITS,
    caps.DELETE_UNUSED,
    spending.LOCK_SPENDING,
    spending.LOCK_DAY,
    spending.ADD_TO_MAILING,
    spending.ADD_TO_DAY,
    spending.READ_HELD,
    mailings.LOCK_MAILING,
    spending.PAUSE_MAILING,
    spending.DELETE_OLD_DAYS,
    messages.RECORD,
    messages.RECORD_ACCEPTED,
    messages.RECORD_ACCEPTED_RANGE,
    messages.RECORD_ACCEPTED_WITH_DETAILS,
    messages.RECORD_ACCEPTED_RANGE_WITH_DETAILS,
    messages.ADD_ATTEMPTS_IN_FLIGHT,
    messages.LOCK_CLIENTS,
    messages.CANCEL_WITHOUT_CLIENT,
    messages.END_MESSAGES,
    messages.ADVANCE_DUE,
    mailings.START_MAILINGS,
    mailings.FIND_LAUNCHING,
    mailings.LAUNCH_CHUNK,
    mailings.LAUNCH_DENSE_CHUNK,
    audiences.LAUNCH_LISTED_CHUNK,
    audiences.DELETE_SETTLED,
    mailings.LOCK_ENDED_MAILINGS,
    mailings.SETTLE_MAILINGS,
    counts.COMPACT_COUNTS,
    rescheduling.TAKE_REQUEST,
    rescheduling.LOCK_NEXT,
    rescheduling.RESCHEDULE,
    rescheduling.RESCHEDULE_OVER_CAP,
    rescheduling.ADVANCE,
    rescheduling.END_REQUEST,
    partitions.FIND_MISSING,
    partitions.BEGIN_NEXT,
    partitions.FIND_COMPLETE,
    partitions.FIND_MAILINGS,
    partitions.LOCK_OLD_MAILINGS,
    retention_sql.DELETE_IDEMPOTENCY_KEYS,
    inbound.LOCK_INBOUND,
    inbound.READ_PARTS,
    inbound.LOCK_MESSAGES,
    inbound.ADD_MESSAGES,
    inbound.ADD_PARTS,
    inbound.DELETE_OLD,
    keywords.LOCK_GATEWAYS,
    keywords.READ_CLIENTS,
    keywords.LOCK_CLIENTS,
    keywords.FIND_KEPT,
    keywords.LIFT_REFUSALS,
    keywords.READ_REPLY_RULES,
    keywords.FIND_REPLY_MAILINGS,
    keywords.READ_REPLY_MAILING,
    keywords.ADD_REPLIES,
    suppressions.ADD_SUPPRESSIONS,
    suppressions.CANCEL_SUPPRESSED,
    receipts.FIND_DUE,
    receipts.TAKE_RECEIPTS,
    receipts.FIND_CLIENTS,
    receipts.LOCK_CLIENTS,
    receipts.LOCK_MESSAGES,
    receipts.DEFER_RECEIPTS,
    receipts.MOVE_RECEIPTS,
    receipts.READ_RECEIPTS,
    receipts.READ_SEGMENTS,
    receipts.APPLY_DELIVERY,
    receipts.COUNT_UNKNOWN,
    receipts.MOVE_ORPHANS,
    receipts.TAKE_TO_POLL,
    receipts.READ_AWAITED,
    receipts.STOP_POLLS,
    receipts.TAKE_OVERDUE,
    receipts.END_WAIT,
    receipts.DELETE_ORPHANS,
    delivery_speed.TAKE_UNMEASURED,
    delivery_speed.MEASURE,
    delivery_speed.DELETE_OLD,
    delivery_speed.READ_RECENT,
}
"""What is explained at the least."""


# As many suppressions, of which few are of clients, and a consent of every second client.
FILL_RECORDS = f"""
INSERT INTO suppression (phone_number, scope, reason, source)
SELECT 79000000000 + {ROWS} - 100 + n, 'everything', 'opted_out', 'import' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO consent (phone_number, given_at, method, wording, source)
SELECT 79000000000 + 2 * n, now(), 'web form', 'Yes', 'import' FROM generate_series(1, {ROWS} / 2) AS n
"""  # noqa: S608  put together of constants

REQUIRE_CONSENT = "UPDATE mailing SET requires_consent = true WHERE status = 'running'"
REQUIRE_NONE = "UPDATE mailing SET requires_consent = false WHERE requires_consent"

DUE_TOO_LATE = """
UPDATE message SET due_at = now() + interval '30 days'
WHERE id = ANY(ARRAY(SELECT id FROM message WHERE mailing_id = 1 AND status = 'pending' ORDER BY id LIMIT 3))
"""


PERSONALISE = """
UPDATE mailing SET personalised = true WHERE status = 'running';
UPDATE mailing_text SET text = '{{ name | default: "you" }}', fields = '{name}', field_types = '{text}'
"""

MAKE_PLAIN = """
UPDATE mailing SET personalised = false WHERE personalised;
UPDATE mailing_text SET fields = NULL, field_types = NULL
"""


@pytest.fixture
def explained(large_ledger: str, make_database: MakeDatabase) -> Iterator[tuple[Connection, Database]]:
    """A connection to a copy of the large ledger, and a worker's, which notes its plans in ExplainingCursor."""
    for connection, database in explaining(make_database(large_ledger)):
        execute(connection, FILL_RECORDS)
        yield connection, database


@pytest.fixture
def empty(migrated: str, make_database: MakeDatabase) -> Iterator[tuple[Connection, Database]]:
    """The same, on an empty database."""
    yield from explaining(make_database(migrated))


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
    monkeypatch.setattr(duties, "LAUNCH_SECONDS", 0.0)
    monkeypatch.setattr(message_count_compactor, "COMPACT_ABOVE", 0)
    monkeypatch.setattr("worker.maintenance.retention.CHECK_SECONDS", 0.0)
    monkeypatch.setattr(partition_maker, "CHECK_SECONDS", 0.0)


def accept_late(connection: Connection, queue: Queue) -> None:
    """Records an acceptance while another claim holds the message. Some numbers are suppressed."""
    while not (claimed := queue.claim(1)):
        assert queue.may_have_more
    [late] = claimed
    expire_leases(connection)
    assert reclaim(queue) == 1
    execute(connection, "UPDATE message SET due_at = '-infinity' WHERE id = %s", late.message_id)
    while not (again := queue.claim(1)) or again[0].message_id != late.message_id:
        assert again or queue.may_have_more
        queue.release(again)
    queue.record([answer(late, "accepted")])


def apply_receipts(connection: Connection, keeping: Maintenance, sending: int) -> None:
    """Applies as many receipts as one transaction takes, measures, and ends a wait. `sending` is being sent."""
    ids = [row[0] for row in rows(connection, "SELECT id FROM message WHERE mailing_id = 2 ORDER BY id LIMIT 1000")]
    unknown = replace(UNDELIVERED, reason=UndeliveredReason.UNKNOWN_SUBSCRIBER)
    by_ours = [replace(unknown, message_id=message_id, part="1") for message_id in ids[:200]]
    by_theirs = [replace(DELIVERED, provider_message_id=f"theirs-{message_id}") for message_id in ids[200:490]]
    strange = [Receipt(state=DELIVERED.state, provider_message_id=f"foreign-{place}") for place in range(9)]
    execute(connection, "UPDATE message SET gateway_id = 1 WHERE id = ANY(%s)", [*ids, sending])
    receive(connection, *by_ours, *by_theirs, *strange, replace(DELIVERED, message_id=sending))
    execute(connection, "UPDATE client SET unknown_subscriber_count = 1 WHERE id <= 300")
    while keeping.run_due():  # it stops in between after half a second
        pass
    assert value(connection, "SELECT count(*) FROM receipt_queue") == 1
    execute(connection, "UPDATE message SET delivery = 'awaiting' WHERE id = ANY(%s)", ids[490:])
    execute(connection, "UPDATE receipt_wait SET since = now() - interval '100 hours', poll_at = now()")
    poller = ReceiptPoller(keeping._database, cast(GatewayClients, None), threading.Event())
    keeping._database.transaction(poller._take)
    assert keeping._delivery_speed_measurer.run() is False
    assert keeping._receipt_deadline.run() is False
    assert value(connection, "SELECT count(*) FROM message WHERE delivery = 'no_receipt'") == 510
    execute(connection, "UPDATE message SET delivery = NULL, delivery_reason = NULL WHERE delivery IS NOT NULL")
    execute(connection, "DELETE FROM receipt_queue")


def add_listed_mailing(connection: Connection) -> None:
    """A mailing whose audience is listed, of clients who are gone since."""
    mailing_id = add_mailing(connection, segment="operator_code = 916")
    begin_launch(connection, mailing_id)
    execute(connection, "UPDATE mailing SET audience_frozen_at = now() WHERE id = %s", mailing_id)
    listed = "INSERT INTO mailing_audience SELECT %s, min(n), array_agg(n) FROM generate_series(%s, %s) AS n"
    for first in (10**9, 2 * 10**9):
        execute(connection, listed, mailing_id, first, first + 4999)


def claim_over_caps(connection: Connection, queue: Queue) -> None:
    """Claims messages to numbers that have had more than a cap allows, of which one was not sent."""
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 24)")
    execute(
        connection,
        "INSERT INTO number_usage SELECT DISTINCT phone_number, counted, ARRAY[now(), now()] FROM message, (SELECT "
        "ARRAY[min(id) FILTER (WHERE status = 'sent'), min(id) FILTER (WHERE status = 'cancelled')] FROM message"
        ") AS made(counted)",
    )
    assert queue.claim(AT_ONCE) == []
    assert queue.may_have_more
    execute(connection, "TRUNCATE number_usage, message_cap")


def claim_over_limits(connection: Connection, queue: Queue) -> None:
    """Claims messages of which some cost more than what is left of a limit, and releases the others."""
    execute(connection, "UPDATE mailing SET spending_limit = 50, spending_currency = 'EUR' WHERE status = 'running'")
    execute(connection, "UPDATE sending_rules SET daily_spending_limit = 1000, spending_currency = 'EUR'")
    queue._pricing = Pricing(len, Decimal(1), "EUR")  # ten messages of five letters
    while not (claimed := queue.claim(50)):
        assert queue.may_have_more
    queue.release(claimed)
    execute(connection, "UPDATE mailing SET spending_limit = NULL, spending_currency = NULL")
    execute(connection, "UPDATE mailing SET status = 'running' WHERE status = 'paused'")
    execute(connection, "UPDATE sending_rules SET daily_spending_limit = NULL, spending_currency = NULL")
    execute(connection, "TRUNCATE spending, daily_spending")
    queue._pricing = None


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
    keeping = Maintenance(database, launch_chunk=5000)
    retention = Retention(database, 30)
    add_mailing(connection, mark="nobody")  # it is over at once
    dense = add_mailing(connection, mark="nobody")
    execute(connection, "UPDATE mailing SET audience = 1 WHERE id = %s", dense)
    add_listed_mailing(connection)
    execute(connection, DUE_TOO_LATE)
    execute(connection, "INSERT INTO reschedule (mailing_id) VALUES (1), (1000000) ON CONFLICT DO NOTHING")
    forward(connection, InboundPart(sender=str(WRITER), recipient="1", text="Yes", reference="7", parts=3))
    let_come_earlier(connection, "10 minutes")
    for text in ("STOP", "START", "Thank you"):
        keeping.run()
        retention.run()
        forward(connection, InboundPart(sender=str(WRITER), recipient="1", text="Yes", reference="7", part=2, parts=3))
        forward(connection, InboundPart(sender=str(WRITER), recipient="1", text=text))
    while value(connection, "SELECT count(*) FROM mailing WHERE mark = 'nobody' AND launched_at IS NULL"):
        assert keeping._launcher.launch()
    # Replies are held when in doubt, and would not be claimed again.
    execute(connection, "UPDATE mailing SET on_unknown = 'resend' WHERE kind = 'reply'")
    for pick in (Pick.LAST, Pick.ANY):
        queue.release(queue.claim(1, pick=pick))
    accept_late(connection, queue)
    claimed = queue.claim(AT_ONCE)
    assert len(claimed) > AT_ONCE / 3
    names = ("accepted", "refused", "ambiguous")
    answers = [answer(one, names[place % 3]) for place, one in enumerate(claimed[:-20])]
    # The poison messages are to the first numbers.
    opted_out = [answer(one.message, "refused for good", result=Result.OPTED_OUT) for one in answers[-10:]]
    queue.record([*answers[:-10], *opted_out])
    for some in ((claimed[-20], claimed[-16]), claimed[-19:-16]):  # apart, and in a row
        queue.record([answer(one, "accepted", segments=1) for one in some])
    queue.release(claimed[-15:-10])
    apply_receipts(connection, keeping, claimed[-1].message_id)
    expire_leases(connection)
    assert reclaim(queue) == 10
    execute(connection, REQUIRE_CONSENT)
    assert queue.claim(AT_ONCE)
    execute(connection, REQUIRE_NONE)
    execute(connection, PERSONALISE)
    assert queue.claim(AT_ONCE)
    execute(connection, MAKE_PLAIN)
    queue._open = OpenClaims()
    database.transaction(queue._release_unacknowledged)
    while not (poison_message := queue.claim_poison_message()):
        assert queue.may_have_more
    queue.record([answer(poison_message, "refused")])
    claim_over_caps(connection, queue)
    claim_over_limits(connection, queue)
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
    execute(connection, FILL_RECORDS)

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
