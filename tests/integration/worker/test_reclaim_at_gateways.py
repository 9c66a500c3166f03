"""Reclaiming leases of messages at gateways that can be asked, also at one that this worker has no lane for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from tests.factories import add_gateway, add_running_mailing, execute, expire_leases, lease, message
from tests.waiting import PATIENCE, eventually, in_background
from worker.app import assemble
from worker.lanes.lane_set import LaneSet
from worker.maintenance.thread import MaintenanceThread
from worker.settings import WorkerSettings

KEY = "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtISE="
SETTINGS = {"GATEWAY_URL": "", "WORKER_POLL_SECONDS": "0.1", "WORKER_METRICS_PORT": "0"}
"""Of a worker with the gateways of the database alone."""


@pytest.fixture
def run_until(clean_database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    monkeypatch.setenv("DATABASE_URL", clean_database)
    monkeypatch.setenv("CREDENTIALS_KEY", KEY)
    for name, setting in SETTINGS.items():
        monkeypatch.setenv(name, setting)

    def run_until(true: Callable[[], object]) -> None:
        stop, wake = threading.Event(), threading.Event()
        ended = in_background(assemble(WorkerSettings.from_environment(), None, stop, wake).run)
        try:
            eventually(lambda: ended.done() or true())
        finally:
            stop.set()
            wake.set()
            ended.result(PATIENCE)

    return run_until


RunUntil = Callable[[Callable[[], object]], None]


@pytest.mark.parametrize(
    ("change", "provider", "status"),
    [
        ("paused_at = now()", "infobip", "pending"),
        ("paused_at = now(), credentials = 'unreadable'", "infobip", "pending"),
        ("paused_at = now()", "gonets", "unknown"),
    ],
    ids=["it is paused", "it cannot be used either", "it cannot be asked"],
)
def test_a_held_message_in_doubt_waits_until_its_gateway_can_be_asked(
    connection: Connection, run_until: RunUntil, change: str, provider: str, status: str
) -> None:
    gateway_id = add_gateway(connection, "asked", provider=provider, address="https://gateway.example")
    credentials = CredentialCipher([KEY]).encrypt({"api_key": "key", "token": "key"})
    execute(connection, "UPDATE gateway SET sender = 'Us', credentials = %s WHERE id = %s", credentials, gateway_id)
    execute(connection, f"UPDATE gateway SET {change} WHERE id = %s", gateway_id)  # noqa: S608  of this test
    add_running_mailing(connection, on_unknown="hold")
    lease(connection, 1)
    execute(connection, "UPDATE claim SET gateway = 'asked'")
    execute(connection, "UPDATE message SET gateway_id = %s", gateway_id)
    expire_leases(connection)

    run_until(lambda: message(connection, 1)["status"] != "sending")

    now = message(connection, 1)
    assert (now["status"], now["in_doubt"], now["gateway_id"]) == (status, True, gateway_id)


def test_the_gateways_are_read_before_the_first_lease_is_reclaimed(
    run_until: RunUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    start, refresh = MaintenanceThread.start, LaneSet.refresh

    def note_start(self: MaintenanceThread) -> None:
        steps.append("start")
        start(self)

    def note_refresh(self: LaneSet) -> None:
        refresh(self)
        steps.append("refreshed")

    monkeypatch.setattr(MaintenanceThread, "start", note_start)
    monkeypatch.setattr(LaneSet, "refresh", note_refresh)

    run_until(lambda: "start" in steps)

    assert steps.index("refreshed") < steps.index("start")
