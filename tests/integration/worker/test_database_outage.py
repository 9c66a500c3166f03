"""A database that goes away, at any moment: nothing is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from random import Random

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.postgres import EmbeddedPostgres, StopMode
from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    attempts_of,
    change_message,
    counted,
    execute,
    expire_leases,
    mailing,
    make_due,
    message,
    message_counts,
    revise_text,
    rows,
    value,
)
from tests.fault_proxy import CommitMoment, FaultProxy
from tests.integration.worker.attempt_results import answer, claimed_at
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, eventually, in_background, wait_for_lock_waiter
from worker.attempt_decision import Retries
from worker.database import Database
from worker.lanes import send_permits
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

MOMENTS = pytest.mark.parametrize("moment", ["before the commit", "after the commit"])


def ask(database: Database, question: str = "SELECT 1") -> int:
    def work(cursor: psycopg2.extensions.cursor) -> int:
        cursor.execute(question)
        (answer,) = cursor.fetchall()[0]
        return int(answer)

    return database.transaction(work)


def isolation_level(cursor: psycopg2.extensions.cursor) -> str:
    cursor.execute("SHOW transaction_isolation")
    [(level,)] = cursor.fetchall()
    return str(level)


def backend(database: Database) -> int:
    """The process that serves its connection."""
    return ask(database, "SELECT pg_backend_pid()")


@pytest.fixture
def database(open_database: OpenDatabase) -> Database:
    return open_database()


@pytest.fixture
def proxy(clean_database: str) -> Iterator[FaultProxy]:
    with FaultProxy(clean_database) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy: FaultProxy) -> Iterator[Database]:
    """A connection that the proxy can cut."""
    database = Database(proxy.url, threading.Event(), "gonets test")
    yield database
    database.close()


@pytest.fixture
def left(proxied: Database) -> Queue:
    """The queue of a worker whose connection the proxy can cut."""
    retries = Retries(3, base=0.0, cap=1.0)
    return Queue(proxied, worker="left", lease_seconds=30, request_timeout=10, retries=retries, random=Random(1))


def test_a_connection_that_was_cut_while_idle_is_replaced(connection: Connection, database: Database) -> None:
    execute(connection, "SELECT pg_terminate_backend(%s)", backend(database))

    assert ask(database) == 1


def test_a_connection_that_is_cut_in_the_middle_is_replaced_and_the_work_done_again(
    connection: Connection, connect: Connect, database: Database
) -> None:
    add_running_mailing(connection, 1)
    holder = connect()
    holder.autocommit = False
    execute(holder, "UPDATE message SET reason_code = 'held' WHERE id = 1")
    work = in_background(lambda: ask(database, "UPDATE message SET attempts = attempts + 1 RETURNING attempts"))
    execute(connection, "SELECT pg_terminate_backend(%s)", wait_for_lock_waiter(connection))
    holder.commit()

    assert work.result(PATIENCE) == 1
    assert message(connection, 1)["attempts"] == 1


def test_a_deadlock_is_done_again(connection: Connection, connect: Connect, database: Database) -> None:
    add_running_mailing(connection, 2)
    other = connect()
    other.autocommit = False
    execute(other, "SET deadlock_timeout = '1 h'")  # so that it is ours that gives way
    change_message(other, 2, "reason_code = 'theirs'")
    theirs: list[Future[None]] = []

    def commit_other() -> None:
        change_message(other, 1, "reason_code = 'theirs'")
        other.commit()

    def work(cursor: psycopg2.extensions.cursor) -> None:
        cursor.execute("SET LOCAL deadlock_timeout = '10 ms'")
        cursor.execute("UPDATE message SET reason_code = 'ours' WHERE id = 1")
        if not theirs:
            theirs.append(in_background(commit_other))
            wait_for_lock_waiter(connection)
        cursor.execute("UPDATE message SET reason_code = 'ours' WHERE id = 2")

    in_background(lambda: database.transaction(work)).result(PATIENCE)

    theirs[0].result(PATIENCE)
    assert {reason for (reason,) in rows(connection, "SELECT reason_code FROM message")} == {"ours"}


def test_a_mistake_is_raised_at_once_and_leaves_the_connection_usable(database: Database) -> None:
    before = backend(database)

    with pytest.raises(psycopg2.ProgrammingError, match="nonsense"):
        ask(database, "SELECT nonsense")

    assert backend(database) == before


def test_a_server_that_is_stopped_is_waited_for_whichever_way_it_went(own_postgres: EmbeddedPostgres) -> None:
    database = Database(own_postgres.url, threading.Event(), "gonets test")
    ways: list[StopMode] = ["fast", "immediate"]
    for way in ways:
        ask(database)
        own_postgres.stop(way)
        asking = in_background(lambda: ask(database))
        with pytest.raises(StillWaiting):
            asking.result(0.3)

        own_postgres.start()

        assert asking.result(PATIENCE) == 1
    database.close()


def test_a_server_that_takes_a_statement_and_never_answers_times_out(
    clean_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(clean_database) as proxy:
        database = Database(proxy.url, threading.Event(), "gonets test", transaction_timeout=0.5)
        before = backend(database)
        proxy.drop_data()
        asking = in_background(lambda: backend(database))
        eventually(lambda: "database.unavailable" in caplog.messages)
        assert not asking.done()

        proxy.restore()

        assert asking.result(PATIENCE) != before
        database.close()


def test_a_connection_that_is_idle_for_longer_than_the_timeout_is_kept(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.database.TRANSACTION_TIMEOUT", 2.0)
    database = open_database()
    before = backend(database)

    time.sleep(2.5)

    assert backend(database) == before


def test_an_idle_transaction_loses_its_locks_and_is_done_again(
    connection: Connection, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.database.SERVER_TIMEOUTS", "-c idle_in_transaction_session_timeout=200ms")
    add_running_mailing(connection, 1)
    tries: list[int] = []

    def work(cursor: psycopg2.extensions.cursor) -> int:
        cursor.execute("UPDATE message SET attempts = attempts + 1")
        tries.append(1)
        if len(tries) == 1:
            # Somebody else gets the row while we stand still.
            execute(connection, "UPDATE message SET reason_code = 'theirs'")
        cursor.execute("SELECT attempts FROM message")
        return int(cursor.fetchall()[0][0])

    assert in_background(lambda: open_database().transaction(work)).result(PATIENCE) == 1
    assert len(tries) > 1


def test_a_server_that_takes_no_writes_any_more_is_waited_for(
    connection: Connection, clean_database: str, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 1)
    name = value(connection, "SELECT current_database()")
    tries: list[int] = []

    def work(cursor: psycopg2.extensions.cursor) -> None:
        if not tries:
            # What a standby says of itself to a connection that it kept, and then to a new one.
            cursor.execute("SET TRANSACTION READ ONLY")
            execute(connection, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        tries.append(1)
        cursor.execute("UPDATE message SET attempts = attempts + 1")

    try:
        writing = in_background(lambda: database.transaction(work))
        eventually(lambda: caplog.messages.count("database.unavailable") >= 2)
        assert not writing.done()
        assert "session is read-only" in vars(caplog.records[-1])["error"]
    finally:
        execute(connection, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')

    writing.result(PATIENCE)
    assert (message(connection, 1)["attempts"], len(tries)) == (1, 2)


def test_the_server_has_timeouts_too_and_options_in_the_url_override_them(clean_database: str) -> None:
    dsn = psycopg2.extensions.make_dsn(clean_database, options="-c statement_timeout=7s -c jit=off")
    shown = "SELECT setting FROM pg_settings WHERE name = "
    for address, name, milliseconds in (
        (clean_database, "statement_timeout", 50_000),
        (clean_database, "idle_in_transaction_session_timeout", 10_000),
        (dsn, "statement_timeout", 7000),
        (dsn, "idle_in_transaction_session_timeout", 10_000),
    ):
        database = Database(address, threading.Event(), "gonets test")
        assert ask(database, f"{shown}'{name}'") == milliseconds
        database.close()


def test_each_statement_sees_what_was_committed_before_it_whatever_the_database_has_as_default(
    connection: Connection, open_database: OpenDatabase
) -> None:
    name = value(connection, "SELECT current_database()")
    execute(connection, f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
    try:
        level = open_database().transaction(isolation_level)
    finally:
        execute(connection, f'ALTER DATABASE "{name}" RESET default_transaction_isolation')
    assert level == "read committed"


def test_a_worker_that_is_being_stopped_does_not_wait_indefinitely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.database.SHUTDOWN_TIMEOUT", 0.2)
    stop = threading.Event()
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", stop, "gonets test")
    asking = in_background(lambda: ask(database))
    with pytest.raises(StillWaiting):
        asking.result(0.5)

    stop.set()

    with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
        asking.result(PATIENCE)


@MOMENTS
def test_a_claim_that_was_cut_holds_no_more_than_it_tells(
    moment: CommitMoment, connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 10)
    in_flight = left.claim(2)
    proxy.cut_at_commit(moment)

    claimed = left.claim(3)

    assert proxy.cuts == 1
    assert len(claimed) == 3
    told = {delivery.message_id for delivery in in_flight + claimed}
    leased = """
        SELECT message.id FROM message JOIN claim ON claim.id = claim_id AND message.id = ANY(message_ids)
        WHERE status = 'sending' AND worker = 'left' AND attempts = 1
    """
    assert {message_id for (message_id,) in rows(connection, leased)} == told
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") == 5
    assert value(connection, "SELECT count(*) FROM claim") == 2


def test_a_claim_that_was_cut_releases_nothing_of_another_worker(
    connection: Connection, left: Queue, open_database: OpenDatabase, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 10)
    retries = Retries(3, base=0.0, cap=1.0)
    right = Queue(
        open_database(), worker="right", lease_seconds=30, request_timeout=10, retries=retries, random=Random(1)
    )
    right.claim(4)
    proxy.cut_at_commit("after the commit")

    left.claim(3)

    leased = "SELECT count(*) FROM message JOIN claim ON claim.id = claim_id WHERE status = 'sending' AND worker = %s"
    assert value(connection, leased, "right") == 4


def test_a_claim_that_was_cut_is_told_from_one_of_the_same_message_before_it(
    connection: Connection, left: Queue, open_queue: OpenQueue, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 1)
    left.claim(1)
    expire_leases(connection)
    reclaim(open_queue("right"))
    make_due(connection)
    proxy.cut_at_commit("after the commit")

    assert [delivery.number for delivery in left.claim(1)] == [2]


def test_what_a_claim_that_was_cut_releases_is_as_before_the_claim(
    connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    mailing_id = add_running_mailing(connection, 3, text="old")

    def change_everything() -> None:
        revise_text(connection, mailing_id, "new")
        execute(connection, "UPDATE client SET phone_number = 79990000000 + id, operator_code = '999'")
        execute(connection, "DELETE FROM client WHERE id = 3")

    proxy.cut_at_commit("after the commit", meanwhile=change_everything)

    claimed = left.claim(10)

    assert {(one.message_id, one.phone_number, one.text) for one in claimed} == {
        (1, 79990000001, "new"),
        (2, 79990000002, "new"),
    }
    assert message(connection, 3)["status"] == "cancelled"


@MOMENTS
def test_a_claim_is_dated_by_the_try_that_succeeded(
    moment: CommitMoment, connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 1)
    cut_at: list[float] = []
    proxy.cut_at_commit(moment, meanwhile=lambda: cut_at.append(time.monotonic()))

    [delivery] = left.claim(1)

    assert message(connection, 1)["claimed_at"] == claimed_at(delivery)
    assert delivery.claim.monotonic > cut_at[0]
    assert abs(delivery.claim.database_time(time.monotonic()) - value(connection, "SELECT now()").timestamp()) < 5


def test_a_permit_counts_from_the_try_that_succeeded(
    connection: Connection, left: Queue, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_permits, "REFRESH_SECONDS", 0.0)
    add_running_mailing(connection, 1)
    [delivery] = left.claim(1)
    cut_at: list[float] = []
    proxy.cut_at_commit("before the commit", meanwhile=lambda: cut_at.append(time.monotonic()))

    left.refresh_permits()

    assert delivery.permit.until > cut_at[0] + send_permits.VALID_SECONDS


@MOMENTS
@pytest.mark.parametrize("name", ["accepted", "refused", "throttled", "ambiguous"])
def test_a_record_that_was_cut_is_written_once(
    moment: CommitMoment, name: str, connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    mailing_id = add_running_mailing(connection, 5)
    claimed = left.claim(5)
    proxy.cut_at_commit(moment)

    left.record([answer(delivery, name) for delivery in claimed])

    assert proxy.cuts == 1
    now = message(connection, 1)
    assert (now["status"], now["attempts"]) == ("sent" if name == "accepted" else "pending", 1)
    assert now["uncounted_attempts"] == (name == "throttled")
    assert [one["number"] for one in attempts_of(connection, 1)] == [1]
    assert message_counts(connection, mailing_id) == counted(connection, mailing_id)


@MOMENTS
def test_what_was_released_when_the_connection_was_cut_is_released_once(
    moment: CommitMoment, connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 5)
    claimed = left.claim(5)
    proxy.cut_at_commit(moment)

    left.release(claimed)

    assert proxy.cuts == 1
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") == 5


@MOMENTS
def test_a_lease_that_ran_out_is_written_down_once(
    moment: CommitMoment, connection: Connection, left: Queue, proxy: FaultProxy
) -> None:
    add_running_mailing(connection, 5)
    left.claim(5)
    expire_leases(connection)
    proxy.cut_at_commit(moment)

    reclaim(left)

    assert proxy.cuts == 1
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 1") == 5
    assert value(connection, "SELECT count(*) FROM attempt") == 5


@MOMENTS
def test_a_chunk_that_was_cut_is_launched_once(
    moment: CommitMoment, connection: Connection, proxied: Database, proxy: FaultProxy
) -> None:
    add_clients(connection, 40)
    mailing_id = add_mailing(connection)
    maintenance = Maintenance(proxied, launch_chunk=10)
    maintenance.run()
    proxy.cut_at_commit(moment)

    while maintenance.run():
        proxy.cut_at_commit(moment)

    assert proxy.cuts > 3
    assert mailing(connection, mailing_id)["audience"] == 40
    assert message_counts(connection, mailing_id) == counted(connection, mailing_id) == {"pending": 40}
