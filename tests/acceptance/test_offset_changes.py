"""A change of offset under way: the clocks of a zone are changed while messages are sent to clients who live there.

The clocks of PostgreSQL and of the gateway show the time shortly before a change. That of the worker shows the real
date, months from there: it is not asked.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox import postgres
from sandbox.data_directory import minimal_environment
from sandbox.postgres import EmbeddedPostgres
from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.local_windows import LocalWindow
from tests.acceptance.worker_fleet import Fleet
from tests.conftest import CopyDataFolder
from tests.factories import add_clients, add_mailing, counted, execute, mailing, value
from tests.shifted_clock import shifted_clock
from tests.waiting import eventually

CLIENTS = 80
PREPARATION = 15
"""Seconds before the change at which the clocks begin: enough to start everything."""
LEAD = 5
"""Seconds from the start of the mailing to the change. One worker sends eight messages a second."""

SECONDS_LEFT = "SELECT date_part('epoch', %s::timestamptz - clock_timestamp())"


class Change(NamedTuple):
    """A change of offset, and a local window that it opens or closes."""

    zone: str
    at: datetime
    window: LocalWindow
    opens: bool


CHANGES = [
    pytest.param(
        # 01:59:59 is followed by 03:00:00.
        Change("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC), LocalWindow(150, 240), opens=True),
        id="it opens when its first minutes are left out",
    ),
    pytest.param(
        # 02:59:59 is followed by 02:00:00.
        Change("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC), LocalWindow(150, 180), opens=False),
        id="it closes when the hour is repeated",
    ),
    pytest.param(
        # 01:59:59 is followed by 03:00:00.
        Change("Pacific/Auckland", datetime(2026, 9, 26, 14, tzinfo=UTC), LocalWindow(60, 150), opens=False),
        id="it closes when its last minutes are left out",
    ),
]


class Service(NamedTuple):
    """What runs by the shifted clock."""

    connection: Connection
    gateway: SandboxGateway
    fleet: Fleet


@contextlib.contextmanager
def service_at(
    seconds: float, folder: Path, copy: CopyDataFolder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """PostgreSQL and a gateway by a clock that shows this time now, in seconds since 1970, and workers that do not."""
    with contextlib.ExitStack() as stack:
        library = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gonets-clock-", dir="/tmp")))
        library.chmod(0o755)
        shifted = shifted_clock(library, round(seconds - time.time()))
        copy(folder / "data")
        with monkeypatch.context() as started:
            environment = {**minimal_environment(), **shifted}
            started.setattr(postgres, "minimal_environment", lambda: environment)
            server = stack.enter_context(EmbeddedPostgres(folder / "data", durable=False))
        with monkeypatch.context() as started:
            for name in shifted:
                started.setenv(name, shifted[name])
            gateway = stack.enter_context(SandboxGateway.start())
        assert "LD_PRELOAD" not in os.environ, "the workers get the real time"
        connection = stack.enter_context(contextlib.closing(psycopg2.connect(server.url)))
        connection.autocommit = True
        fleet = stack.enter_context(Fleet(folder, server.url, gateway.url, gateway.token))
        yield Service(connection, gateway, fleet)


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_offset_opens_and_closes_local_windows_on_the_second(
    change: Change, tmp_path: Path, copy_migrated_folder: CopyDataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes_at = change.at.timestamp()
    with service_at(changes_at - PREPARATION, tmp_path, copy_migrated_folder, monkeypatch) as service:
        connection, gateway, fleet = service
        gateway.faults(latency=0.5)
        add_clients(connection, CLIENTS)
        execute(connection, "UPDATE client SET timezone = %s", change.zone)
        fleet.start().wait_until_it_says('"worker.started"')
        eventually(lambda: value(connection, SECONDS_LEFT, change.at) < LEAD)
        mailing_id = add_mailing(
            connection,
            ends_in=60.0,
            local_from=change.window.local_from,
            local_until=change.window.local_until,
            local_weekdays=change.window.weekdays,
        )
        eventually(lambda: mailing(connection, mailing_id)["settled_at"] is not None)

        requests = sorted(entry.started_at for entry in gateway.ledger(everything=True))
        counts = counted(connection, mailing_id)
        assert value(connection, SECONDS_LEFT, change.at) < 0, "the change has come"
    outside = [at for at in requests if not change.window.permits(datetime.fromtimestamp(at, ZoneInfo(change.zone)))]
    assert requests
    assert outside == []
    if change.opens:
        assert counts == {"sent": CLIENTS}
        assert min(requests) >= changes_at
    else:
        assert set(counts) == {"sent", "expired"}
        assert max(requests) < changes_at
