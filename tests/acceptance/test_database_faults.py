"""A database that crashes, is cut off, or drops all packets, and real workers that go through it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from sandbox.postgres import EmbeddedPostgres
from sandbox.simulated_gateway.client import SandboxGateway
from shared.database import CONNECT_OPTIONS
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import disagreements
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    counted,
    execute,
    mailing,
    message_counts,
    value,
)
from tests.fault_proxy import FaultProxy
from tests.waiting import PATIENCE, eventually, in_background
from worker.database import TRANSACTION_TIMEOUT, Database


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def sent(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sent'"))


def progress(connection: Connection, mailing_id: int) -> tuple[int, int, bool]:
    """How far a mailing has got: it only ever grows."""
    return mailing(connection, mailing_id)["audience"], sent(connection), settled(connection, mailing_id)


@pytest.fixture
def proxy(clean_database: str) -> Iterator[FaultProxy]:
    with FaultProxy(clean_database) as proxy:
        yield proxy


def test_a_database_that_crashes_again_and_again_during_launch_and_sending_loses_nothing(
    own_postgres: EmbeddedPostgres, gateway: SandboxGateway, fleet: Fleet
) -> None:
    connection = psycopg2.connect(own_postgres.url)
    connection.autocommit = True
    add_clients(connection, 1000)
    mailing_id = add_mailing(connection)
    connection.close()
    gateway.faults(latency=0.01)
    for _ in range(2):
        fleet.start(DATABASE_URL=own_postgres.url, LAUNCH_CHUNK=20)

    for crash in range(1, 4):
        eventually(lambda: gateway.summary().accepted >= 60 * crash)  # noqa: B023  asked here and now
        own_postgres.restart("immediate")

    connection = psycopg2.connect(own_postgres.url)
    connection.autocommit = True
    eventually(lambda: settled(connection, mailing_id))
    assert mailing(connection, mailing_id)["audience"] == 1000
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 1000}
    assert disagreements(connection, gateway) == []
    connection.close()


def test_after_an_outage_of_the_database_the_claims_of_a_dead_worker_are_reclaimed_within_a_lease(
    own_postgres: EmbeddedPostgres, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=5.0)
    connection = psycopg2.connect(own_postgres.url)
    connection.autocommit = True
    mailing_id = add_running_mailing(connection, 8)
    dead = fleet.start(DATABASE_URL=own_postgres.url, GATEWAY_TIMEOUT=20, LEASE_SECONDS=3600)
    eventually(lambda: gateway.summary().in_flight > 0)
    dead.kill()
    gateway.faults(latency=0.0)
    alive = fleet.start(DATABASE_URL=own_postgres.url)
    alive.wait_until_it_says('"worker.started"')
    connection.close()

    own_postgres.stop("immediate")
    alive.wait_until_it_says("database.unavailable")
    own_postgres.start()

    connection = psycopg2.connect(own_postgres.url)
    connection.autocommit = True
    eventually(lambda: sent(connection) > 0 or counted(connection, mailing_id).get("sending", 0) > 0)
    execute(
        connection,
        "UPDATE claim SET lease_until = now() - interval '1 hour' WHERE lease_until > now() + interval '1 minute'",
    )
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 8}
    connection.close()


def test_workers_whose_connections_are_cut_all_the_time_deliver_every_message_once(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.01)
    add_clients(connection, 500)
    for _ in range(2):
        fleet.start(LAUNCH_CHUNK=20)

    cuts, mailings = 0, 0
    while cuts <= 4 and mailings < 10:  # a mailing may be over before this process gets to cut anything
        mailings += 1
        cuts += cut_until_settled(connection, add_mailing(connection))

    assert cuts > 4
    for mailing_id in range(1, mailings + 1):
        assert mailing(connection, mailing_id)["audience"] == 500
        assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 500}
    # A record whose answer was lost is written again; a claim whose answer was lost is given back: no request is made
    # twice, and no attempt is in doubt.
    assert gateway.summary().repeats == 0
    assert value(connection, "SELECT count(*) FROM attempt") == 500 * mailings


def cut_until_settled(connection: Connection, mailing_id: int) -> int:
    """Cuts the workers' connections again and again, and tells how many."""
    cuts, before = 0, (-1, -1, False)
    while not settled(connection, mailing_id):
        # On a busy machine a connection that is cut every 0.15 s, whatever it has come to, comes to nothing.
        eventually(lambda: progress(connection, mailing_id) > before)  # noqa: B023  asked here and now
        before = progress(connection, mailing_id)
        cuts += value(
            connection,
            """
            SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'gonets worker%%'
            """,
        )
        time.sleep(0.15)
    return cuts


def ask(database: Database, *questions: str) -> int:
    """The answer to the first question that gets one, each asked once."""
    left = list(questions)

    def work(cursor: Cursor) -> int:
        cursor.execute(left.pop(0) if len(left) > 1 else left[0])
        return int(cursor.fetchall()[0][0])

    return database.transaction(work)


@pytest.mark.parametrize("questions", [("SELECT 1",), ("SELECT 2 FROM pg_sleep(60)", "SELECT 1")], ids=["ask", "wait"])
def test_an_unresponsive_server_is_given_up_before_and_after_a_statement_is_sent(
    questions: tuple[str, ...], connection: Connection, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, quicker in (("tcp_user_timeout", 1500), ("keepalives_idle", 1), ("keepalives_interval", 1)):
        monkeypatch.setitem(CONNECT_OPTIONS, name, quicker)
    given_up = threading.Event()
    database = Database(proxy.url, threading.Event(), "gonets test", on_retry=given_up.set)
    ask(database, "SELECT 1")
    if len(questions) > 1:
        answer = in_background(lambda: ask(database, *questions))
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        eventually(lambda: value(connection, asked))
        proxy.drop_packets()
    else:
        proxy.drop_packets()
        answer = in_background(lambda: ask(database, *questions))

    # Well before TRANSACTION_TIMEOUT: it is TCP that gives up.
    assert given_up.wait(TRANSACTION_TIMEOUT / 2)
    assert not answer.done()
    proxy.restore()

    assert answer.result(PATIENCE) == 1
    database.close()


def test_a_worker_whose_packets_are_dropped_is_replaced_and_comes_back(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet, proxy: FaultProxy
) -> None:
    gateway.faults(latency=0.05)
    mailing_id = add_running_mailing(connection, 400)
    cut_off = fleet.start(DATABASE_URL=proxy.url)
    eventually(lambda: sent(connection) >= 20)

    proxy.drop_packets()
    fleet.start()
    # docs/database.md says 15 s. Well before TRANSACTION_TIMEOUT: it is TCP that gives up.
    cut_off.wait_until_it_says("database.unavailable", within=TRANSACTION_TIMEOUT / 2)
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 400}

    proxy.restore()
    another = add_mailing(connection)
    fleet.workers[1].kill()
    add_clients(connection, 1)
    eventually(lambda: settled(connection, another))
    assert cut_off.stop() == 0
    assert disagreements(connection, gateway) == []


def test_a_worker_whose_database_does_not_answer_has_no_heartbeat_until_it_is_cut_off(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet, proxy: FaultProxy, tmp_path: Path
) -> None:
    # To TCP such a peer is alive. A worker waits for it as long as for one that is busy; meanwhile the heartbeat tells.
    gateway.faults(latency=0.05)
    sign = tmp_path / "heartbeat"
    mailing_id = add_running_mailing(connection, 200)
    fleet.start(DATABASE_URL=proxy.url, WORKER_HEARTBEAT_FILE=str(sign))
    eventually(lambda: sent(connection) >= 20)

    proxy.drop_data()
    # It comes once a second, while the worker can go on.
    eventually(lambda: is_left_alone(sign, 2.5), within=TRANSACTION_TIMEOUT / 2)

    proxy.restore()
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 200}
    assert disagreements(connection, gateway) == []


def is_left_alone(file: Path, seconds: float) -> bool:
    """Whether nobody touches it for so long."""
    last = file.stat().st_mtime_ns
    time.sleep(seconds)
    return file.stat().st_mtime_ns == last
