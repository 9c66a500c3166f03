"""A database restored from a dump that is older than what was sent since, and the command that makes it safe."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url
from api.extensions import db
from api.settings import ApiSettings
from sandbox.data_directory import program
from sandbox.simulated_gateway.client import SandboxGateway
from tests import commands
from tests.acceptance.worker_fleet import Fleet
from tests.conftest import MakeDatabase
from tests.database import connected
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    change_message,
    counted,
    execute,
    lease,
    mailing,
    message_counts,
    revise_text,
    rows,
    value,
)
from tests.integration.api.calls import caller
from tests.waiting import eventually
from worker.attempt_decision import Retries
from worker.database import Database
from worker.queue import Queue

OPT_OUT_URL = "https://s.example"


class Restored(NamedTuple):
    """A database as it was at the dump, and what had happened by the time it was restored."""

    url: str
    small: int
    """A mailing of 20 that was running at the dump, and has been sent since; one message was in a worker's hands."""
    planned: int
    """A mailing whose start came after the dump."""
    later: int
    """A mailing that is still to come."""
    highest_id: int
    """The highest message id that the gateway has seen."""
    bodies: dict[int, str]
    """What it has seen of each message id, as a hash."""


@pytest.fixture(scope="module")
def restored_once(migrated: str, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Restored:
    """The database that the tests of this file get copies of."""
    folder, origin = tmp_path_factory.mktemp("restore"), make_database(migrated)
    with connected(origin) as connection:
        if connection.info.server_version < 170000:
            pytest.skip("pg_restore 18 sets transaction_timeout, which a server before 17 does not know")
        small, later = add_running_mailing(connection, 20), add_mailing(connection, starts_in=1800.0)
        add_clients(connection, 50, tag="planned")
        planned = add_mailing(connection, mark="planned", starts_in=1800.0)
        in_flight = value(connection, "SELECT min(id) FROM message")
        lease(connection, in_flight, worker="lost", until="now() + interval '0.5 s'")
        run("pg_dump", "--format=custom", f"--file={folder / 'gonets.dump'}", f"--dbname={origin}")

        execute(connection, "UPDATE mailing SET start_datetime = now() WHERE id = %s", planned)
        with SandboxGateway.start() as gateway, Fleet(folder, origin, gateway.url, gateway.token) as fleet:
            fleet.start(LOG_LEVEL="INFO")
            eventually(lambda: all(mailing(connection, one)["settled_at"] for one in (small, planned)))
            bodies = {entry.id: entry.body_hash for entry in gateway.ledger()}

    url = make_database()
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(folder / "gonets.dump"))
    with connected(url) as reopened:
        execute(reopened, "UPDATE mailing SET start_datetime = now() WHERE id = %s", planned)
    return Restored(url, small, planned, later, max(bodies), bodies)


@pytest.fixture
def restored(restored_once: Restored, make_database: MakeDatabase) -> Restored:
    return restored_once._replace(url=make_database(restored_once.url))


@pytest.fixture
def reopened(restored: Restored) -> Iterator[Connection]:
    """A connection to the restored database, in autocommit."""
    with connected(restored.url) as connection:
        yield connection


def run(name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs."""
    subprocess.run([program(name), *arguments], check=True, capture_output=True)


def after_restore(url: str, *arguments: str) -> str:
    """Runs the command within this process, and answers what it printed."""
    with application(url) as app:
        done = app.test_cli_runner().invoke(args=["ledger", "after-restore", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def after_restore_by_hand(url: str) -> str:
    """Runs the command as a person does, and answers what it printed."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    done = commands.run(["flask", "--app", "api", "ledger", "after-restore"], environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def application(url: str) -> Iterator[Flask]:
    """The application on that database; it leaves no connection."""
    app = create_app(ApiSettings(database_url=database_url(url), opt_out_url=OPT_OUT_URL))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_no_message_id_is_given_out_again(restored: Restored, reopened: Connection) -> None:
    assert value(reopened, "SELECT max(id) FROM message") < restored.highest_id

    after_restore(restored.url, "--skip", "1000")

    new = add_running_mailing(reopened, 5)
    assert value(reopened, "SELECT min(id) FROM message WHERE mailing_id = %s", new) > restored.highest_id
    assert new > 1000


def test_the_partitions_of_the_next_messages_are_made(restored: Restored, reopened: Connection) -> None:
    after_restore(restored.url)

    assert rows(reopened, "SELECT number FROM ledger_partition ORDER BY number") == [(0,), (1,), (10,), (11,)]
    new = add_running_mailing(reopened, 1)
    assert value(reopened, "SELECT tableoid::regclass::text FROM message WHERE mailing_id = %s", new) == "message_10"


def test_mailings_that_were_under_way_are_paused(restored: Restored, reopened: Connection) -> None:
    after_restore(restored.url)

    status = {one: mailing(reopened, one)["status"] for one in restored[1:4]}
    assert status == {restored.small: "paused", restored.planned: "paused", restored.later: "scheduled"}
    journal = rows(reopened, "SELECT mailing_id, action, detail FROM mailing_event ORDER BY id")
    assert journal == [(one, "pause", "after a restore") for one in sorted((restored.small, restored.planned))]


def test_messages_that_may_have_been_sent_since_are_pending_and_in_doubt(
    restored: Restored, reopened: Connection
) -> None:
    execute(
        reopened,
        """
        UPDATE mailing_text
        SET text = '{{ name }} {{ opt_out_link }}', fields = '{name,opt_out_link}', field_types = '{text,text}'
        """,
    )
    execute(reopened, "UPDATE client SET attributes = jsonb_build_object('name', 'Anna ' || id)")

    after_restore(restored.url)

    token = "opt_out_token(id, (SELECT opt_out_secret FROM sending_rules))"
    fixed = f"text_values = ARRAY['Anna ' || client_id, '{OPT_OUT_URL}/' || {token}]"
    assert value(reopened, f"SELECT count(*) FROM message WHERE uncounted_attempts = 1 AND {fixed}") == 19  # noqa: S608
    doubts = rows(reopened, "SELECT DISTINCT status, in_doubt, text_revision FROM message")
    assert doubts == [("pending", True, 1)]
    attempts = rows(reopened, "SELECT number, result, duration, worker, count(*) FROM attempt GROUP BY 1, 2, 3, 4")
    assert sorted(attempts) == [(1, "ambiguous", None, "before the restore", 19), (1, "ambiguous", None, "lost", 1)]
    # Only the one that was made counts towards the limit.
    counts = rows(reopened, "SELECT attempts, uncounted_attempts, count(*) FROM message GROUP BY 1, 2")
    assert sorted(counts) == [(1, 0, 1), (1, 1, 19)]
    assert message_counts(reopened, restored.small) == counted(reopened, restored.small) == {"pending": 20}


def test_it_says_what_it_did_and_a_second_time_changes_nothing(restored: Restored, reopened: Connection) -> None:
    said = after_restore_by_hand(restored.url)
    journal = rows(reopened, "SELECT * FROM mailing_event")

    again = after_restore(restored.url)

    assert again == said
    assert said.splitlines() == [
        "The next message gets an id above 100000020.",
        f"The next mailing gets an id above {100_000_000 + restored.planned}.",
        "The next client gets an id above 100000070.",
        f"Paused, for you to decide: mailing {restored.small}, mailing {restored.planned}.",
        "Messages that wait, and may have been sent after the backup: 20.",
        "Messages that ended as unknown, because their mailing holds when in doubt: 0.",
    ]
    assert rows(reopened, "SELECT * FROM mailing_event") == journal


def test_nothing_is_sent_until_a_person_says_so_and_then_with_the_ids_and_the_bodies_of_before(
    restored: Restored, reopened: Connection, tmp_path: Path
) -> None:
    after_restore(restored.url)
    execute(reopened, "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (%s, 2, 'new')", 1)
    execute(reopened, "UPDATE mailing SET text_revision = 2 WHERE id = %s", restored.small)
    with SandboxGateway.start() as gateway, Fleet(tmp_path, restored.url, gateway.url, gateway.token) as fleet:
        fleet.start()
        fleet.workers[0].wait_until_it_says("started")
        time.sleep(0.5)
        assert gateway.summary().requests == 0

        for mailing_id in (restored.small, restored.planned):
            resume(restored.url, mailing_id)
        eventually(lambda: all(mailing(reopened, one)["settled_at"] for one in restored[1:3]))

        again = {entry.id: entry.body_hash for entry in gateway.ledger()}
    old = {id_: body for id_, body in again.items() if id_ <= restored.highest_id}
    assert len(old) == 20
    assert old == {id_: restored.bodies[id_] for id_ in old}
    # Clients whom a launch reached only after the dump have messages with new ids: no gateway has seen them.
    assert len(again) == 70
    assert min(set(again) - set(old)) > 100_000_000


@pytest.fixture
def opened(migrated: str, make_database: MakeDatabase) -> Iterator[tuple[str, Connection]]:
    """A database that was restored, for workers and a person to go on with."""
    url = make_database(migrated)
    with connected(url) as connection:
        yield url, connection


def open_queue(url: str) -> Queue:
    retries = Retries(3, base=0.0, cap=1.0)
    database = Database(url, threading.Event(), "gonets test")
    return Queue(database, worker="w", lease_seconds=30, request_timeout=10, retries=retries, random=Random(1))


def test_what_may_have_been_sent_keeps_its_text_and_its_number_whatever_happens_to_it(
    opened: tuple[str, Connection],
) -> None:
    url, connection = opened
    mailing_id = add_running_mailing(connection, 2, text="old")
    before = dict(rows(connection, "SELECT id, phone_number FROM message"))
    after_restore(url)
    call(url, "post", f"/v1/mailing/{mailing_id}/resume/")
    revise_text(connection, mailing_id, "new")
    for client_id in (1, 2):
        phone = {"phone_number": 79990000000 + client_id, "operator_code": "999", "tag": "t", "timezone": "UTC"}
        call(url, "put", f"/v1/client/{client_id}/", json=phone)
    queue = open_queue(url)
    queue.release(queue.claim(10))

    again = queue.claim(10)

    assert {one.message_id: one.phone_number for one in again} == before
    assert {(one.text, one.number, one.in_doubt) for one in again} == {("old", 2, True)}
    queue._database.close()


def test_where_the_mailing_holds_what_may_have_been_sent_is_unknown_until_a_person_decides(
    opened: tuple[str, Connection],
) -> None:
    url, connection = opened
    mailing_id = add_running_mailing(connection, 3, on_unknown="hold")
    other = add_running_mailing(connection, 1)
    lease(connection, 1, worker="lost")
    change_message(connection, 2, "status = 'sent', attempts = 1, sent_at = now(), ended_at = now()")

    said = after_restore(url)

    assert "Messages that ended as unknown, because their mailing holds when in doubt: 2." in said
    assert after_restore(url) == said
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 1, "unknown": 2}
    assert counted(connection, other) == {"pending": 1}
    assert rows(
        connection,
        "SELECT id, message_id, number, result, worker FROM attempt JOIN message ON id = message_id "
        "WHERE mailing_id = %s ORDER BY id",
        mailing_id,
    ) == [(1, 1, 1, "ambiguous", "lost"), (3, 3, 1, "ambiguous", "before the restore")]
    queue = open_queue(url)
    for one in (mailing_id, other):
        call(url, "post", f"/v1/mailing/{one}/resume/")
    assert [one.mailing_id for one in queue.claim(10)] == [other]

    call(url, "post", f"/v1/mailing/{mailing_id}/retry/", json={"status": "unknown"})

    assert sorted((one.message_id, one.number) for one in queue.claim(10)) == [(1, 2), (3, 2)]
    queue._database.close()


def test_who_was_suppressed_before_the_backup_gets_nothing_after_the_restore(
    opened: tuple[str, Connection],
) -> None:
    url, connection = opened
    mailing_id = add_running_mailing(connection, 2)
    execute(
        connection,
        "INSERT INTO suppression (phone_number, scope, reason, source) "
        "SELECT phone_number, 'everything', 'opted_out', 'api' FROM message WHERE id = 1",
    )
    after_restore(url)
    call(url, "post", f"/v1/mailing/{mailing_id}/resume/")
    queue = open_queue(url)

    assert [one.message_id for one in queue.claim(10)] == [2]

    # It may have been sent before the restore.
    assert rows(connection, "SELECT status::text, reason_code FROM message WHERE id = 1") == [("unknown", "suppressed")]
    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1
    queue._database.close()


def resume(url: str, mailing_id: int) -> None:
    call(url, "post", f"/v1/mailing/{mailing_id}/resume/")


def call(url: str, method: str, path: str, json: object = None) -> None:
    with application(url) as app:
        assert caller(app).open(path, method=method.upper(), json=json).status_code == 200
