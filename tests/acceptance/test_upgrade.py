"""An upgrade while nothing runs: what an earlier version began, this one finishes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import disagreements
from tests.database import ROOT, migrate
from tests.factories import add_clients, add_mailing, counted, mailing, message_counts, rows
from tests.required_tools import GIT, need
from tests.waiting import eventually

FIRST = "0001"

ATTEMPTS = "SELECT message_id, number, started_at, duration, worker FROM attempt"


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


def test_what_the_first_version_began_is_finished_after_an_upgrade(
    old_version: Path, old_database: str, old_connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.2)  # 20 a second: the old version does not finish it
    add_clients(old_connection, 600)
    begun = add_mailing(old_connection)
    old = fleet.start("worker", old_version, DATABASE_URL=old_database, LAUNCH_CHUNK=50, WORKER_NAME="old")
    eventually(lambda: gateway.summary().accepted >= 30)
    assert old.stop() == 0  # nothing runs while the tables are migrated
    recorded = rows(old_connection, ATTEMPTS)
    gateway.faults()

    migrate(old_database)
    after = add_mailing(old_connection)
    new = fleet.start(DATABASE_URL=old_database, LAUNCH_CHUNK=50, WORKER_NAME="new")

    eventually(lambda: settled(old_connection, begun) and settled(old_connection, after))
    for mailing_id in (begun, after):
        assert counted(old_connection, mailing_id) == message_counts(old_connection, mailing_id) == {"sent": 600}
    by = rows(
        old_connection,
        """
        SELECT DISTINCT split_part(worker, '-', 1), gateway, result::text, provider_code
        FROM attempt JOIN message ON message.id = message_id WHERE mailing_id = %s ORDER BY 1
        """,
        begun,
    )
    assert by == [(worker, "default", "accepted", "200") for worker in ("new", "old")]
    assert set(recorded) < set(rows(old_connection, ATTEMPTS))
    assert gateway.summary().repeats == 0
    assert disagreements(old_connection, gateway) == []
    assert new.stop() == 0
