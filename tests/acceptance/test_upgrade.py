"""An upgrade under way: the tables change beneath workers that run, and old and new workers run side by side."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.gateway_client import SandboxGateway
from tests.acceptance.fleet import Fleet
from tests.acceptance.worker_process import disagreements
from tests.database import ROOT, migrate
from tests.factories import add_clients, add_mailing, counted, mailing, rows, tally
from tests.tools import GIT, need
from tests.waiting import eventually

FIRST = "0001"


@pytest.fixture
def old_database(make_database: Callable[[], str]) -> str:
    """A database as the first version has made it."""
    url = make_database()
    migrate(url, FIRST)
    return url


@pytest.fixture
def old_connection(old_database: str) -> Iterator[Connection]:
    connection = psycopg2.connect(old_database)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture
def old_version(tmp_path: Path) -> Path:
    """The worker as it was before the second migration, out of the history of this repository."""
    need(GIT)
    second = next((ROOT / "migrations" / "versions").glob("0002_*.py")).relative_to(ROOT)
    added = git("log", "--diff-filter=A", "--format=%H", "--", str(second)).decode().split()
    if not added or not git("rev-parse", "--verify", "--quiet", f"{added[-1]}^"):
        pytest.skip("the version before is not in this clone's history: git fetch --unshallow")
    folder = tmp_path / "old"
    folder.mkdir()
    archive = git("archive", f"{added[-1]}^", "worker", "shared")
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive, check=True)
    return folder


def git(*arguments: str) -> bytes:
    """What git says; nothing when this is no repository."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout
    except subprocess.CalledProcessError:
        return b""


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def test_workers_that_run_go_on_while_the_tables_are_migrated_and_afterwards(
    old_database: str, old_connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.02)
    add_clients(old_connection, 600)
    during = add_mailing(old_connection)
    workers = [fleet.start(DATABASE_URL=old_database, LAUNCH_CHUNK=50) for _ in range(2)]
    eventually(lambda: gateway.summary().accepted >= 50)

    migrate(old_database)
    after = add_mailing(old_connection)

    eventually(lambda: settled(old_connection, during) and settled(old_connection, after))
    for mailing_id in (during, after):
        assert counted(old_connection, mailing_id) == tally(old_connection, mailing_id) == {"sent": 600}
    assert gateway.summary().repeats == 0
    assert disagreements(old_connection, gateway) == []
    assert [worker.stop() for worker in workers] == [0, 0]


def test_workers_of_the_version_before_run_beside_new_ones_before_and_after_the_migration(
    old_version: Path, old_database: str, old_connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.02)
    add_clients(old_connection, 600)
    during = add_mailing(old_connection)
    old = fleet.start("worker", old_version, DATABASE_URL=old_database, LAUNCH_CHUNK=50, WORKER_NAME="old")
    eventually(lambda: gateway.summary().accepted >= 30)
    new = fleet.start(DATABASE_URL=old_database, LAUNCH_CHUNK=50, WORKER_NAME="new")
    new.wait_until_it_says('"event": "started"')

    migrate(old_database)
    after = add_mailing(old_connection)

    eventually(lambda: settled(old_connection, during) and settled(old_connection, after))
    for mailing_id in (during, after):
        assert counted(old_connection, mailing_id) == tally(old_connection, mailing_id) == {"sent": 600}
    by = rows(
        old_connection,
        """
        SELECT DISTINCT split_part(worker, '-', 1) FROM attempt JOIN message ON message.id = message_id
        WHERE mailing_id = %s ORDER BY 1
        """,
        after,
    )
    assert by == [("new",), ("old",)]
    assert gateway.summary().repeats == 0
    assert disagreements(old_connection, gateway) == []
    assert [old.stop(), new.stop()] == [0, 0]
