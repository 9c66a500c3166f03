"""How soon messages were delivered: measured once, by gateway, operator code and minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, execute, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import DELIVERED, UNDELIVERED, receive, report_deliveries
from worker.claimed_message import MessageGateway
from worker.maintenance.delivery_speed_measurer import DeliverySpeedMeasurer
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.maintenance.retention import Retention

MEASURED = "SELECT sent, within_1, within_5, within_10, undelivered FROM delivery_speed ORDER BY operator_code"

SENT_AGO = "11 minutes"


@pytest.fixture
def sent(open_queue: OpenQueue, connection: Connection) -> list[int]:
    """Seven messages that were sent eleven minutes ago, and are awaited."""
    report_deliveries(connection)
    add_running_mailing(connection, 7)
    queue = open_queue(gateway=MessageGateway("default", receipts=True))
    claimed = queue.claim(100)
    queue.record([answer(message, "accepted") for message in claimed])
    for table, column in (("message", "sent_at"), ("receipt_wait", "since")):
        execute(connection, f"UPDATE {table} SET {column} = {column} - interval '{SENT_AGO}'")  # noqa: S608
    return [message.message_id for message in claimed]


@pytest.fixture
def measurer(open_database: OpenDatabase) -> DeliverySpeedMeasurer:
    return DeliverySpeedMeasurer(open_database())


def deliver(connection: Connection, database: OpenDatabase, message_id: int, after: float, received: float) -> None:
    """Delivers a message: by the provider's clock so many seconds after it was sent, and the receipt came later."""
    sent_at: datetime = value(connection, "SELECT sent_at FROM message WHERE id = %s", message_id)
    receive(connection, replace(DELIVERED, message_id=message_id, at=sent_at + timedelta(seconds=after)))
    execute(connection, "UPDATE receipt_queue SET received_at = %s", sent_at + timedelta(seconds=received))
    ReceiptApplier(database()).run()


def test_deliveries_are_measured_once_by_when_they_happened(
    sent: list[int], measurer: DeliverySpeedMeasurer, open_database: OpenDatabase, connection: Connection
) -> None:
    hour = 3600
    for message_id, after, received in (
        (sent[0], 30, 200),  # found by a poll
        (sent[1], 200, 201),
        (sent[2], 500, 501),
        (sent[3], -3 * hour, 40),  # the provider's clock is three hours slow
        (sent[4], 3 * hour, 250),  # or fast
        (sent[5], 620, 621),
    ):
        deliver(connection, open_database, message_id, after, received)

    measurer.run()
    measurer.run()

    assert rows(connection, MEASURED) == [(7, 2, 4, 5, 0)]
    assert rows(connection, "SELECT DISTINCT measured FROM receipt_wait") == [(True,)]
    minute = value(connection, "SELECT date_trunc('minute', min(sent_at)) FROM message")
    assert rows(connection, "SELECT gateway_id, operator_code, minute FROM delivery_speed") == [(1, "900", minute)]


def test_a_client_who_was_removed_has_no_operator_code(
    sent: list[int], measurer: DeliverySpeedMeasurer, open_database: OpenDatabase, connection: Connection
) -> None:
    execute(connection, "DELETE FROM client WHERE id = (SELECT client_id FROM message WHERE id = %s)", sent[0])
    receive(connection, replace(UNDELIVERED, message_id=sent[0]))
    ReceiptApplier(open_database()).run()

    measurer.run()

    assert rows(connection, MEASURED) == [(1, 0, 0, 0, 1), (6, 0, 0, 0, 0)]
    assert rows(connection, "SELECT operator_code FROM delivery_speed ORDER BY 1") == [("",), ("900",)]


def test_two_measurements_of_one_minute_are_added(
    sent: list[int], measurer: DeliverySpeedMeasurer, open_database: OpenDatabase, connection: Connection
) -> None:
    execute(connection, "UPDATE receipt_wait SET message_ids = %s", sent[:3])
    measurer.run()
    execute(connection, "UPDATE receipt_wait SET message_ids = %s, measured = false", sent[3:])
    deliver(connection, open_database, sent[5], 10, 11)

    measurer.run()

    assert rows(connection, MEASURED) == [(7, 1, 1, 1, 0)]


@pytest.mark.usefixtures("sent")
def test_it_is_waited_for_the_time_and_for_receipts_in_the_queue(
    sent: list[int], measurer: DeliverySpeedMeasurer, connection: Connection
) -> None:
    receive(connection, replace(DELIVERED, message_id=sent[0]))
    execute(connection, "UPDATE receipt_queue SET due_at = now() - interval '2 minutes'")
    measurer.run()
    assert rows(connection, MEASURED) == []

    execute(connection, "DELETE FROM receipt_queue")
    execute(connection, "UPDATE receipt_wait SET since = since + interval '1 minute'")
    measurer.run()

    assert rows(connection, MEASURED) == []


def test_old_measurements_and_orphans_are_deleted(
    open_database: OpenDatabase, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.retention.CHECK_SECONDS", 0.0)
    for days in (34, 36):
        execute(
            connection,
            "INSERT INTO delivery_speed VALUES (1, '', now() - %s * interval '1 day', 5, 0, 0, 0, 0)",
            days,
        )
        execute(
            connection,
            "INSERT INTO receipt_orphan (provider_message_id, fingerprint, gateway_id, received_at, state) "
            "VALUES ('abc', gen_random_uuid(), 1, now() - (%s - 30) * interval '1 day', 'delivered')",
            days,
        )

    Retention(open_database(), 5).run()

    assert value(connection, "SELECT count(*) FROM delivery_speed") == 1
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1
