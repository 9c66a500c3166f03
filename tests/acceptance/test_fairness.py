"""A small mailing never waits for a large one."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.factories import add_clients, add_mailing, add_running_mailing, mailing, message_counts, value
from tests.waiting import eventually

POLL = 2.0
"""Seconds."""
LARGE = 30_000
"""Messages: of minutes, at 200 a second."""


def test_a_mailing_of_ten_is_finished_before_a_tenth_of_thirty_thousand_others_is_sent(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.02)
    large = add_running_mailing(connection, LARGE)
    add_clients(connection, 10, tag="the few")
    fleet.start(WORKER_POLL_SECONDS=POLL, LOG_LEVEL="INFO")
    eventually(lambda: gateway.summary().accepted > 100)

    small = add_mailing(connection, mark="the few", starts_in=0.0)

    eventually(lambda: mailing(connection, small)["status"] == "finished")
    assert message_counts(connection, small) == {"sent": 10}
    before = "SELECT count(*) FROM attempt JOIN message ON id = message_id WHERE mailing_id = %s AND started_at < %s"
    assert value(connection, before, large, mailing(connection, small)["settled_at"]) < 0.1 * LARGE


def test_a_mailing_of_ten_is_finished_while_one_of_thirty_thousand_is_being_launched(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.02)
    add_clients(connection, LARGE)
    large = add_mailing(connection)
    add_clients(connection, 10, tag="the few")
    fleet.start(WORKER_POLL_SECONDS=POLL, LAUNCH_CHUNK=50)
    eventually(lambda: gateway.summary().accepted > 20)

    small = add_mailing(connection, mark="the few", starts_in=0.0)

    eventually(lambda: mailing(connection, small)["status"] == "finished")
    assert message_counts(connection, small) == {"sent": 10}
    launched_at = mailing(connection, large)["launched_at"]
    assert launched_at is None or launched_at > mailing(connection, small)["settled_at"]
