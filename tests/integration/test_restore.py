"""A database restored from a dump that is older than what was sent since, and the command that makes it safe."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from sandbox.data_folder import program
from sandbox.gateway_client import SandboxGateway
from tests.acceptance.fleet import Fleet
from tests.database import ROOT, migrate
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    change_message,
    counted,
    execute,
    mailing,
    revise_text,
    rows,
    tally,
    value,
)
from tests.integration.api.calls import caller
from tests.waiting import eventually
from worker.database import Database
from worker.delivery import Retries
from worker.queue import Queue


class Restored(NamedTuple):
    """A database as it was at the dump, and what had happened by the time it was restored."""

    url: str
    connection: Connection
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


@pytest.fixture
def restored(
    connection: Connection, clean_database: str, make_database: Callable[[], str], tmp_path: Path
) -> Iterator[Restored]:
    small, later = add_running_mailing(connection, 20), add_mailing(connection, starts_in=1800.0)
    add_clients(connection, 50, tag="planned")
    planned = add_mailing(connection, mark="planned", starts_in=1800.0)
    lease = "status = 'sending', attempts = 1, text_revision = 1, claimed_at = now(), lease_worker = 'lost', "
    in_hand = value(connection, "SELECT min(id) FROM message")
    change_message(connection, in_hand, lease + "lease_until = now() + interval '0.5 s'")
    run("pg_dump", "--format=custom", f"--file={tmp_path / 'gonets.dump'}", f"--dbname={clean_database}")

    execute(connection, "UPDATE mailing SET start_datetime = now() WHERE id = %s", planned)
    with SandboxGateway.start() as gateway, Fleet(tmp_path, clean_database, gateway.url, gateway.token) as fleet:
        fleet.start(LOG_LEVEL="INFO")
        eventually(lambda: all(mailing(connection, one)["settled_at"] for one in (small, planned)))
        bodies = {entry.id: entry.body_hash for entry in gateway.ledger()}

    url = make_database()
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(tmp_path / "gonets.dump"))
    with closing(psycopg2.connect(url)) as reopened:
        reopened.autocommit = True
        execute(reopened, "UPDATE mailing SET start_datetime = now() WHERE id = %s", planned)
        yield Restored(url, reopened, small, planned, later, max(bodies), bodies)


def run(name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs."""
    subprocess.run([program(name), *arguments], check=True, capture_output=True)


def after_restore(url: str, *arguments: str) -> str:
    """Runs the command as a person does, and answers what it printed."""
    command = [sys.executable, "-m", "flask", "--app", "api", "ledger", "after-restore", *arguments]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def test_no_message_id_is_given_out_again(restored: Restored) -> None:
    assert value(restored.connection, "SELECT max(id) FROM message") < restored.highest_id

    after_restore(restored.url, "--skip", "1000")

    new = add_running_mailing(restored.connection, 5)
    assert value(restored.connection, "SELECT min(id) FROM message WHERE mailing_id = %s", new) > restored.highest_id
    assert new > 1000


def test_what_was_under_way_waits_for_a_person(restored: Restored) -> None:
    after_restore(restored.url)

    status = {one: mailing(restored.connection, one)["status"] for one in restored[2:5]}
    assert status == {restored.small: "paused", restored.planned: "paused", restored.later: "scheduled"}
    journal = rows(restored.connection, "SELECT mailing_id, action, detail FROM journal ORDER BY id")
    assert journal == [(one, "pause", "after a restore") for one in sorted((restored.small, restored.planned))]


def test_what_may_have_been_sent_since_is_in_doubt_and_out_of_hands(restored: Restored) -> None:
    after_restore(restored.url)

    doubts = rows(restored.connection, "SELECT DISTINCT status, in_doubt, lease_until, text_revision FROM message")
    assert doubts == [("pending", True, None, 1)]
    attempts = rows(
        restored.connection, "SELECT number, outcome, duration, worker, count(*) FROM attempt GROUP BY 1, 2, 3, 4"
    )
    assert sorted(attempts) == [(1, "ambiguous", None, "before the restore", 19), (1, "ambiguous", None, "lost", 1)]
    # Only the one that was made counts towards the limit.
    counts = rows(restored.connection, "SELECT attempts, attempts_spared, count(*) FROM message GROUP BY 1, 2")
    assert sorted(counts) == [(1, 0, 1), (1, 1, 19)]
    assert tally(restored.connection, restored.small) == counted(restored.connection, restored.small) == {"pending": 20}


def test_it_says_what_it_did_and_a_second_time_changes_nothing(restored: Restored) -> None:
    said = after_restore(restored.url)
    journal = rows(restored.connection, "SELECT * FROM journal")

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
    assert rows(restored.connection, "SELECT * FROM journal") == journal


def test_nothing_is_sent_until_a_person_says_so_and_then_with_the_ids_and_the_bodies_of_before(
    restored: Restored, tmp_path: Path
) -> None:
    after_restore(restored.url)
    execute(restored.connection, "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (%s, 2, 'new')", 1)
    execute(restored.connection, "UPDATE mailing SET text_revision = 2 WHERE id = %s", restored.small)
    with SandboxGateway.start() as gateway, Fleet(tmp_path, restored.url, gateway.url, gateway.token) as fleet:
        fleet.start()
        fleet.workers[0].wait_until_it_says("started")
        time.sleep(0.5)
        assert gateway.summary().requests == 0

        for mailing_id in (restored.small, restored.planned):
            resume(restored.url, mailing_id)
        eventually(lambda: all(mailing(restored.connection, one)["settled_at"] for one in restored[2:4]))

        again = {entry.id: entry.body_hash for entry in gateway.ledger()}
    old = {id_: body for id_, body in again.items() if id_ <= restored.highest_id}
    assert len(old) == 20
    assert old == {id_: restored.bodies[id_] for id_ in old}
    # Clients whom a launch reached only after the dump have messages with new ids: no gateway has seen them.
    assert len(again) == 70
    assert min(set(again) - set(old)) > 100_000_000


@pytest.fixture
def opened(make_database: Callable[[], str]) -> Iterator[tuple[str, Connection]]:
    """A database that was restored, for workers and a person to go on with."""
    url = make_database()
    migrate(url)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        yield url, connection


def open_queue(url: str) -> Queue:
    retries = Retries(3, base=0.0, cap=1.0)
    database = Database(url, threading.Event(), "gonets test")
    return Queue(database, worker="w", lease_seconds=30, delivery_seconds=10, retries=retries, random=Random(1))


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
    lease = "status = 'sending', attempts = 1, text_revision = 1, claimed_at = now(), lease_worker = 'lost', "
    change_message(connection, 1, lease + "lease_until = now() + interval '1 hour'")
    change_message(connection, 2, "status = 'sent', attempts = 1, sent_at = now(), ended_at = now()")

    said = after_restore(url)

    assert "Messages that ended as unknown, because their mailing holds when in doubt: 2." in said
    assert after_restore(url) == said
    assert counted(connection, mailing_id) == tally(connection, mailing_id) == {"sent": 1, "unknown": 2}
    assert counted(connection, other) == {"pending": 1}
    assert rows(
        connection,
        "SELECT id, message_id, number, outcome, worker FROM attempt JOIN message ON id = message_id "
        "WHERE mailing_id = %s ORDER BY id",
        mailing_id,
    ) == [(1, 1, 1, "ambiguous", "lost"), (3, 3, 1, "ambiguous", "before the restore")]
    queue = open_queue(url)
    for one in (mailing_id, other):
        call(url, "post", f"/v1/mailing/{one}/resume/")
    assert [one.mailing_id for one in queue.claim(10)] == [other]

    call(url, "post", f"/v1/mailing/{mailing_id}/retry/", json={"status": "unknown"})

    assert [(one.message_id, one.number) for one in queue.claim(10)] == [(1, 2), (3, 2)]
    queue._database.close()


def resume(url: str, mailing_id: int) -> None:
    call(url, "post", f"/v1/mailing/{mailing_id}/resume/")


def call(url: str, method: str, path: str, json: object = None) -> None:
    app = create_app(ApiSettings(database_url=database_url(url)))
    assert caller(app).open(path, method=method.upper(), json=json).status_code == 200
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
