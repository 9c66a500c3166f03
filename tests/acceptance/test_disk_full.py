"""A database whose disk is full: a real one, small enough to fill."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from sandbox.postgres import EmbeddedPostgres
from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import disagreements
from tests.database import migrate
from tests.factories import add_clients, add_mailing, counted, mailing, message_counts, value
from tests.integration.api.calls import caller
from tests.waiting import eventually

MEGABYTES = 160
"""Room for an empty cluster (40 MB), its first segments of write-ahead log (16 MB each) and some data."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={MEGABYTES}m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk can't be mounted here; it takes root and CAP_SYS_ADMIN: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Fills the disk to the last byte, with the file that is answered."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(os.urandom(size))
    return filler


def test_a_full_disk_is_waited_for_and_nothing_is_lost(small_disk: Path, gateway: SandboxGateway, fleet: Fleet) -> None:
    with EmbeddedPostgres(small_disk / "data", durable=False, log=small_disk.with_name("postgres.log")) as postgres:
        migrate(postgres.url)
        connection = psycopg2.connect(postgres.url)
        connection.autocommit = True
        add_clients(connection, 1200)
        mailing_id = add_mailing(connection)
        api = caller(create_app(ApiSettings(database_url=database_url(postgres.url))))
        gateway.faults(latency=0.01)
        worker = fleet.start(DATABASE_URL=postgres.url, LAUNCH_CHUNK=100)
        eventually(lambda: gateway.summary().accepted >= 50)

        filler = fill(small_disk)
        worker.wait_until_it_says("No space left on device")
        bodies = ({"phone_number": 7916000000 + n, "operator_code": "916", "tag": "x" * 90} for n in range(10_000))
        statuses = (api.post("/v1/client/create/", json={**body, "timezone": "UTC"}).status_code for body in bodies)
        refused = next(status for status in statuses if status != 201)
        assert refused == 503
        assert worker.status is None
        filler.unlink()

        eventually(lambda: mailing(connection, mailing_id)["settled_at"])
        assert mailing(connection, mailing_id)["audience"] == 1200
        assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 1200}
        assert value(connection, "SELECT count(*) FROM message WHERE in_doubt") == 0
        assert disagreements(connection, gateway) == []
        assert worker.stop() == 0
        connection.close()
