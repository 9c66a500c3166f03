"""Real workers against a real database and the simulated gateway: stopped, killed, cut off, refused."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.postgres import EmbeddedPostgres
from sandbox.simulated_gateway.client import SandboxGateway
from tests import commands
from tests.acceptance.worker_process import QUICK, WorkerProcess, attempts_by_result, disagreements
from tests.commands import Start
from tests.conftest import Connect
from tests.database import ROOT
from tests.factories import (
    FIRST_PHONE,
    add_clients,
    add_mailing,
    add_running_mailing,
    counted,
    execute,
    mailing,
    message_counts,
    rows,
    value,
)
from tests.long_variations import few_of
from tests.ports import unaccepting_port
from tests.waiting import PATIENCE, eventually, wait_for_lock_waiter

StartWorker = Callable[..., WorkerProcess]

TOKEN = "s3cret-t0ken"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token=TOKEN) as gateway:
        yield gateway


@pytest.fixture
def gateway(sandbox: SandboxGateway) -> SandboxGateway:
    eventually(lambda: sandbox.summary().in_flight == 0)
    sandbox.clear()
    return sandbox


@pytest.fixture
def start_worker(clean_database: str, gateway: SandboxGateway, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers; what is still running at the end is killed."""
    started: list[WorkerProcess] = []

    def start_one(start: Start = commands.start, /, **environment: str) -> WorkerProcess:
        given = {"DATABASE_URL": clean_database, "GATEWAY_URL": gateway.url, **QUICK, **environment}
        if "GATEWAY_TOKEN_FILE" not in given:
            given.setdefault("GATEWAY_TOKEN", TOKEN)
        started.append(WorkerProcess(tmp_path / f"worker-{len(started)}.log", start, **given))
        return started[-1]

    yield start_one
    for worker in started:
        worker.kill()


WORKERS_CONNECTED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gonets worker%%'
"""
"""The server completes a statement of a worker that was killed."""


def messages(connection: Connection, status: str) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = %s", status))


def test_a_worker_that_is_told_to_stop_while_it_starts_does_so_in_order(start_worker: StartWorker) -> None:
    worker = start_worker(commands.start_cold)
    maps = Path(f"/proc/{worker.pid}/maps")
    if not maps.exists():
        pytest.skip("this system does not tell what a process has loaded")
    # Its first library is loaded: it is in the middle of its imports.
    eventually(lambda: "httptools" in maps.read_text() or "_psycopg" in maps.read_text())

    assert worker.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_that_is_told_to_stop_does_not_wait_for_its_next_poll(
    number: signal.Signals, start_worker: StartWorker
) -> None:
    worker = start_worker(WORKER_POLL_SECONDS="60")
    worker.event("worker.started")

    worker.send(number)

    assert worker.wait() == 0
    assert worker.event("worker.stopped")


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight_and_releases_the_rest(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    gateway.faults(latency=0.7)
    add_running_mailing(connection, 50)
    worker = start_worker(WORKER_CONCURRENCY="8")
    eventually(lambda: gateway.summary().in_flight == 8)

    assert worker.stop() == 0

    assert messages(connection, "sending") == 0
    assert messages(connection, "sent") == gateway.summary().accepted >= 8
    untouched = value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0")
    assert untouched == 50 - messages(connection, "sent")
    assert attempts_by_result(connection).keys() == {"accepted"}
    assert disagreements(connection, gateway) == []


def test_a_worker_that_is_told_to_stop_does_not_wait_for_connections_that_are_not_made(
    connection: Connection, start_worker: StartWorker
) -> None:
    add_running_mailing(connection, 3)
    with unaccepting_port() as port:
        address = f"http://127.0.0.1:{port}"
        worker = start_worker(GATEWAY_URL=address, GATEWAY_CONNECT_TIMEOUT="60", WORKER_STOP_SECONDS="1")
        eventually(lambda: messages(connection, "sending"))

        assert worker.stop() == 0

    assert worker.event("worker.stopped")
    assert not attempts_by_result(connection)


def test_the_claims_of_a_killed_worker_are_sent_by_another_and_every_repeat_is_explained(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    gateway.faults(latency=[0.2, 0.4], seed=1)  # 27 a second: it is far from over when the worker is killed
    mailing_id = add_running_mailing(connection, 200)
    victim = start_worker(WORKER_CONCURRENCY="8")
    eventually(lambda: messages(connection, "sent") >= 20)

    victim.kill()
    gateway.faults()
    eventually(lambda: not value(connection, WORKERS_CONNECTED))
    left_behind = messages(connection, "sending")
    execute(connection, "UPDATE claim SET lease_until = now()")
    start_worker(WORKER_CONCURRENCY="8")

    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 200}
    assert left_behind > 0
    ambiguous = rows(connection, "SELECT worker, duration FROM attempt WHERE result = 'ambiguous'")
    assert ambiguous == [(victim.name, None)] * left_behind
    assert gateway.summary().repeats <= left_behind
    assert disagreements(connection, gateway) == []


def test_a_launch_whose_worker_was_killed_in_the_middle_of_a_chunk_is_finished_by_another(
    connection: Connection, connect: Connect, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    audience = add_clients(connection, 65)
    mailing_id = add_mailing(connection)
    editor = connect()
    editor.autocommit = False
    execute(editor, "SELECT FROM client WHERE id = %s FOR UPDATE", audience[35])  # in the fourth chunk of ten
    victim = start_worker(LAUNCH_CHUNK="10")
    wait_for_lock_waiter(connection)
    eventually(lambda: messages(connection, "sent") == 30)

    victim.kill()
    assert mailing(connection, mailing_id)["last_client_id"] == audience[29]
    start_worker(LAUNCH_CHUNK="10")
    editor.rollback()

    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    launched = mailing(connection, mailing_id)
    assert (launched["audience"], launched["last_client_id"]) == (65, audience[-1])
    assert [client_id for (client_id,) in rows(connection, "SELECT client_id FROM message ORDER BY 1")] == audience
    assert message_counts(connection, mailing_id) == {"sent": 65}
    assert (gateway.summary().accepted, gateway.summary().repeats) == (65, 0)
    assert disagreements(connection, gateway) == []


def test_a_worker_drops_what_has_been_kept_for_long_enough_while_it_sends(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    old = add_running_mailing(connection, 5)
    worker = start_worker()
    eventually(lambda: mailing(connection, old)["settled_at"])
    worker.stop()
    execute(connection, "UPDATE mailing SET settled_at = now() - interval '31 days'")
    execute(connection, "SELECT make_ledger_partition(1), setval('message_id_seq', 10000000, false)")
    new = add_running_mailing(connection, 5)

    start_worker(RETENTION_DAYS="30")

    eventually(lambda: mailing(connection, old)["purged_at"] and mailing(connection, new)["settled_at"])
    assert rows(connection, "SELECT mailing_id, count(*)::int FROM message GROUP BY 1") == [(new, 5)]
    assert message_counts(connection, old) == message_counts(connection, new) == {"sent": 5}


def test_three_workers_send_fifteen_hundred_messages_once_each(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    gateway.faults(latency=1.0)  # each sends its first message alone, before another can have sent them all
    add_clients(connection, 1500)
    workers = [start_worker(LAUNCH_CHUNK="200", LOG_LEVEL="INFO") for _ in range(3)]
    for worker in workers:
        worker.event("worker.started")

    mailings = [add_mailing(connection), add_mailing(connection, mark="nobody")]
    eventually(lambda: value(connection, "SELECT count(DISTINCT worker) FROM claim") == 3)
    gateway.faults()

    eventually(lambda: all(mailing(connection, mailing_id)["settled_at"] for mailing_id in mailings))
    assert counted(connection, mailings[0]) == message_counts(connection, mailings[0]) == {"sent": 1500}
    assert mailing(connection, mailings[0])["audience"] == 1500
    summary = gateway.summary()
    assert (summary.requests, summary.accepted, summary.distinct) == (1500, 1500, 1500)
    assert attempts_by_result(connection) == {"accepted": 1500}
    assert disagreements(connection, gateway) == []
    assert len(rows(connection, "SELECT DISTINCT worker FROM attempt")) == 3
    assert [worker.stop() for worker in workers] == [0, 0, 0]


def test_the_database_may_be_away_at_the_start_and_go_away_in_the_middle(
    own_postgres: EmbeddedPostgres, gateway: SandboxGateway, start_worker: StartWorker
) -> None:
    gateway.faults(latency=0.1)  # 40 a second: it is far from over when the database goes away
    with closing(psycopg2.connect(own_postgres.url)) as connection:
        connection.autocommit = True
        add_clients(connection, 400)
        mailing_id = add_mailing(connection)
    own_postgres.stop()
    worker = start_worker(DATABASE_URL=own_postgres.url, WORKER_CONCURRENCY="4")
    worker.event("database.unavailable")
    own_postgres.start()
    eventually(lambda: gateway.summary().accepted >= 50)

    own_postgres.stop("immediate")
    accepted = gateway.summary().accepted
    time.sleep(0.5)
    gateway.faults()
    own_postgres.start()

    with closing(psycopg2.connect(own_postgres.url)) as connection:
        connection.autocommit = True
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])
        assert accepted < 400
        assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 400}
        assert disagreements(connection, gateway) == []
    assert worker.stop() == 0


def test_a_token_that_is_refused_is_read_again_until_it_is_right(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("an-0ld-t0ken\n")
    mailing_id = add_running_mailing(connection, 30)
    worker = start_worker(GATEWAY_TOKEN_FILE=str(file))
    refused = worker.event("gateway.misconfigured")
    assert (refused["level"], refused["provider_code"], refused["reason_code"]) == ("error", "401", "token_rejected")

    file.write_text(f"{TOKEN}\n")

    worker.event("circuit_breaker.closed")
    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    assert counted(connection, mailing_id) == {"sent": 30}
    assert attempts_by_result(connection) == {"accepted": 30, "misconfigured": gateway.summary().by_status["401"]}
    assert value(connection, "SELECT max(attempts - uncounted_attempts) FROM message") == 1
    assert disagreements(connection, gateway) == []


def test_neither_the_token_nor_a_text_nor_a_phone_number_is_ever_logged(
    connection: Connection, gateway: SandboxGateway, start_worker: StartWorker, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("an-0ld-t0ken")
    gateway.faults(
        statuses={"500": 0.1, "400": 0.1, "429": 0.1},
        bodies={"refused": 0.1},
        reset_after_accept=0.1,
        hang=0.05,
        seed=3,
    )
    add_clients(connection, 60)
    mailing_id = add_mailing(connection, text="Совершенно секретно, код 4711")
    worker = start_worker(GATEWAY_TOKEN_FILE=str(file), GATEWAY_TIMEOUT="0.3")
    worker.event("gateway.misconfigured")
    file.write_text(TOKEN)
    eventually(lambda: messages(connection, "sent") >= 10)
    gateway.faults(bodies={"garbage": 1.0})
    another = add_mailing(connection, text="Совершенно секретно, код 4711")
    worker.event("gateway.not_understood")
    gateway.faults()
    eventually(lambda: all(mailing(connection, each)["settled_at"] for each in (mailing_id, another)))

    assert worker.stop() == 0

    reasons = rows(
        connection,
        "SELECT reason_params::text, worker FROM attempt"
        " UNION ALL SELECT reason_params::text, NULL FROM message UNION ALL SELECT NULL, worker FROM claim",
    )
    written = worker.said + str(reasons)
    assert "mailing.settled" in written
    assert "simulated" in written
    phones = [str(FIRST_PHONE + number) for number in range(1, 61)]
    for secret in (TOKEN, "an-0ld-t0ken", "секретно", "4711", *phones):
        assert secret not in written


WRONG: list[tuple[dict[str, str], str]] = [
    ({"GATEWAY_URL": ""}, "GATEWAY_URL: "),
    ({"GATEWAY_URL": "gateway.example"}, "GATEWAY_URL: "),
    ({"GATEWAY_URL": "http://[half"}, "GATEWAY_URL: "),
    ({"GATEWAY_TOKEN": ""}, "There is no token for the gateway: "),
    ({"GATEWAY_TOKEN": "two words"}, "GATEWAY_TOKEN: "),
    ({"GATEWAY_TOKEN": TOKEN, "GATEWAY_TOKEN_FILE": "/some/file"}, "GATEWAY_TOKEN and GATEWAY_TOKEN_FILE "),
    ({"GATEWAY_TOKEN_FILE": "/no/such/file"}, "GATEWAY_TOKEN_FILE: cannot read /no/such/file"),
    ({"GATEWAY_CA_FILE": "/no/such/file"}, "GATEWAY_CA_FILE: cannot use /no/such/file"),
    ({"GATEWAY_PROXY": "proxy"}, "GATEWAY_PROXY: "),
    ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL must begin with postgresql://"),
    ({"LEASE_SECONDS": "5"}, "LEASE_SECONDS: must be at least GATEWAY_TIMEOUT + 5"),
    ({"WORKER_HEARTBEAT_FILE": "/no/such/folder/file"}, "WORKER_HEARTBEAT_FILE: cannot write"),
]


@pytest.mark.parametrize(("environment", "said"), few_of(WRONG, WRONG[2], WRONG[3], WRONG[6], WRONG[7], WRONG[11]))
def test_a_wrong_setting_ends_it_at_once_with_one_sentence(
    environment: dict[str, str], said: str, start_worker: StartWorker
) -> None:
    worker = start_worker(commands.start_cold, **environment)

    assert worker.wait() == 2
    assert worker.said.startswith(said)
    assert worker.said.count("\n") == 1
    assert TOKEN not in worker.said


@pytest.fixture
def at_a_terminal(clean_database: str, gateway: SandboxGateway) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A worker at a terminal, without a token; and the other end of the terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": clean_database, "GATEWAY_URL": gateway.url, **QUICK},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    yield process, ours
    process.kill()
    process.wait()
    os.close(ours)


def read_until(terminal: int, words: str) -> str:
    said = ""
    while words not in said:
        assert select.select([terminal], [], [], PATIENCE)[0], said
        said += os.read(terminal, 1024).decode()
    return said


def test_at_a_terminal_it_asks_for_the_token_and_does_not_show_it(
    connection: Connection, at_a_terminal: tuple[subprocess.Popen[bytes], int]
) -> None:
    add_running_mailing(connection, 1)
    _, terminal = at_a_terminal
    read_until(terminal, "Token of the gateway: ")

    os.write(terminal, f"{TOKEN}\n".encode())

    assert TOKEN not in read_until(terminal, "mailing.settled")
    assert messages(connection, "sent") == 1
