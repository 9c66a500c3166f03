"""A round of maintenance carries out the duties that other files test one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_gateway, add_mailing, add_running_mailing, execute, set_path, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import DELIVERED, deliveries, receive, report_deliveries
from worker.claimed_message import MessageGateway
from worker.maintenance.duties import Maintenance


@pytest.fixture
def sent(open_queue: OpenQueue, connection: Connection) -> int:
    """A message that was sent and whose delivery is awaited."""
    report_deliveries(connection)
    add_running_mailing(connection, 1)
    queue = open_queue(gateway=MessageGateway("default", receipts=True))
    [claimed] = queue.claim(10)
    queue.record([answer(claimed, "accepted")])
    return claimed.message_id


def test_it_applies_receipts(sent: int, connection: Connection, maintenance: Maintenance) -> None:
    receive(connection, replace(DELIVERED, message_id=sent))

    maintenance.run()

    assert deliveries(connection) == [("sent", "delivered")]


@pytest.mark.usefixtures("sent")
def test_it_ends_the_wait_for_receipts_that_have_not_come(connection: Connection, maintenance: Maintenance) -> None:
    execute(connection, "UPDATE receipt_wait SET since = since - interval '73 hours'")

    maintenance.run()

    assert deliveries(connection) == [("sent", "no_receipt")]


def test_it_measures_how_soon_messages_were_delivered(
    sent: int, connection: Connection, maintenance: Maintenance
) -> None:
    execute(connection, "UPDATE message SET sent_at = sent_at - interval '11 minutes' WHERE id = %s", sent)
    execute(connection, "UPDATE receipt_wait SET since = since - interval '11 minutes'")

    maintenance.run()

    assert value(connection, "SELECT sent FROM delivery_speed") == 1


def test_it_assigns_paths_to_other_gateways(connection: Connection, maintenance: Maintenance) -> None:
    other = add_gateway(connection, "other")
    set_path(connection, 1, other)
    execute(connection, "UPDATE gateway SET paused_at = now(), revision = revision + 1 WHERE id = 1")

    maintenance.run()

    assert value(connection, "SELECT gateway_id FROM path WHERE id = 1") == other


def test_it_tells_when_there_is_an_audience_to_list(connection: Connection, open_database: OpenDatabase) -> None:
    told: list[bool] = []
    add_mailing(connection, segment='tag = "vip"')

    Maintenance(open_database(), launch_chunk=1000, on_unlisted=lambda: told.append(True)).run()

    assert told == [True]


def test_duties_that_can_wait_for_a_migration_do_not_end_it(
    maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.sql.caps.DELETE_UNUSED", "SELECT column_of_a_later_version FROM number_usage")

    maintenance.run()

    assert "maintenance.not_migrated" in caplog.messages
