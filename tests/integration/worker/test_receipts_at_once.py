"""Receipts while others work: several workers, what records acceptances, removals, and retention."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery import UndeliveredReason
from shared.sql import messages, receipts
from tests.conftest import Connect
from tests.factories import add_running_mailing, execute, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import DELIVERED, UNDELIVERED, counts_by_delivery, deliveries, receive, report_deliveries
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import MessageGateway
from worker.maintenance.delivery_speed_measurer import DeliverySpeedMeasurer
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.maintenance.receipt_deadline import ReceiptDeadline
from worker.parameters import bigints
from worker.queue import Queue

MESSAGES = 300
REMOVED = 60
"""Clients that are removed meanwhile: those of the last messages."""


@pytest.fixture
def queue(open_queue: OpenQueue, connection: Connection) -> Queue:
    """The queue of a worker whose gateway reports deliveries."""
    report_deliveries(connection)
    return open_queue(gateway=MessageGateway("default", receipts=True))


def remove_clients(connection: Connection, client_ids: Iterable[int]) -> None:
    """Removes clients, each as the API does."""
    for client_id in client_ids:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT FROM client WHERE id = %s FOR UPDATE", (client_id,))
            cursor.execute(messages.CANCEL_FOR_CLIENT, {"client_id": client_id})
            cursor.execute("DELETE FROM client WHERE id = %s", (client_id,))
            cursor.execute("COMMIT")


def send_and_report(queue: Queue, connection: Connection) -> None:
    """Sends everything, and reports each delivery: half of them before the answer too, and some of unknown numbers."""
    unknown = replace(UNDELIVERED, reason=UndeliveredReason.UNKNOWN_SUBSCRIBER)
    while claimed := queue.claim(20):
        ids = [one.message_id for one in claimed]
        said = [replace(unknown if id_ % 5 == 0 else DELIVERED, provider_message_id=f"id-{id_}") for id_ in ids]
        receive(connection, *said[::2])
        queue.record([answer(one, "accepted", provider_message_id=f"id-{one.message_id}") for one in claimed])
        receive(connection, *said)


def test_nothing_is_lost_between_two_appliers_a_recorder_and_removals(
    queue: Queue,
    open_database: OpenDatabase,
    connection: Connection,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailing_id = add_running_mailing(connection, MESSAGES)
    clients = [client_id for (client_id,) in rows(connection, "SELECT client_id FROM message ORDER BY id DESC")]
    over = threading.Event()
    provider, remover = connect(), connect()

    def applying(applier: ReceiptApplier) -> Callable[[], None]:
        def work() -> None:
            while not over.is_set():
                applier.run()

        return work

    appliers = [ReceiptApplier(open_database()) for _ in range(2)]
    at_work = [in_background(applying(applier)) for applier in appliers]
    removing = in_background(lambda: remove_clients(remover, clients[:REMOVED]))
    sending = in_background(lambda: send_and_report(queue, provider))
    try:
        sending.result(PATIENCE)
        removing.result(PATIENCE)
    finally:
        over.set()
    for one in at_work:
        one.result(PATIENCE)
    while value(connection, "SELECT count(*) FROM receipt_queue"):
        execute(connection, "UPDATE receipt_queue SET due_at = now()")
        appliers[0].run()

    sent = rows(connection, "SELECT id FROM message WHERE status = 'sent'")
    expected = {id_: "undelivered" if id_ % 5 == 0 else "delivered" for (id_,) in sent}
    assert len(expected) >= MESSAGES - REMOVED
    assert dict(rows(connection, "SELECT id, delivery::text FROM message WHERE status = 'sent'")) == expected
    undelivered = sum(delivery == "undelivered" for delivery in expected.values())
    counted = {"delivered": len(expected) - undelivered, "undelivered": undelivered}
    assert counts_by_delivery(connection, mailing_id) == counted
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 0
    assert value(connection, "SELECT count(*) FROM receipt") == len(expected)
    wrong = "SELECT count(*) FROM client WHERE unknown_subscriber_count <> (SELECT count(*) FROM message WHERE "
    assert value(connection, f"{wrong} client_id = client.id AND delivery = 'undelivered')") == 0
    # A deadlock would have been retried, and logged.
    assert [record.message for record in caplog.records if record.name == "worker.database"] == []


def test_an_orphan_that_is_moved_first_is_adopted_by_the_acceptance_that_waits_for_it(
    queue: Queue, connection: Connection, connect: Connect, open_database: OpenDatabase
) -> None:
    add_running_mailing(connection, 1)
    [claimed] = queue.claim(1)
    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    mover = connect()
    with mover.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(receipts.LOCK_RECEIPTS)
        recording = in_background(lambda: queue.record([answer(claimed, "accepted", provider_message_id="abc")]))
        wait_for_lock_waiter(connection)
        move_all_orphans(cursor)
        assert cursor.rowcount == 1
        cursor.execute("COMMIT")
    recording.result(PATIENCE)

    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 0
    ReceiptApplier(open_database()).run()
    assert deliveries(connection) == [("sent", "delivered")]


def test_a_receipt_is_no_orphan_if_the_acceptance_was_recorded_first(
    queue: Queue, connection: Connection, connect: Connect, open_database: OpenDatabase
) -> None:
    add_running_mailing(connection, 1)
    [claimed] = queue.claim(1)
    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    recording, mover = connect(), connect()

    def move_orphans() -> int:
        with mover.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(receipts.LOCK_RECEIPTS)
            move_all_orphans(cursor)
            count = cursor.rowcount
            cursor.execute("COMMIT")
            return count

    with recording.cursor() as cursor:
        cursor.execute("BEGIN")
        queue.recorder.record(cursor, [answer(claimed, "accepted", provider_message_id="abc")])
        moving = in_background(move_orphans)
        wait_for_lock_waiter(connection)
        cursor.execute("COMMIT")

    assert moving.result(PATIENCE) == 0
    ReceiptApplier(open_database()).run()
    assert deliveries(connection) == [("sent", "delivered")]


def test_receipts_of_messages_that_retention_has_dropped_are_kept_as_orphans(
    queue: Queue, connection: Connection, open_database: OpenDatabase
) -> None:
    add_running_mailing(connection, 2)
    claimed = queue.claim(2)
    queue.record([answer(one, "accepted", provider_message_id=f"id-{one.message_id}") for one in claimed])
    receive(connection, replace(DELIVERED, message_id=claimed[0].message_id))
    receive(connection, replace(DELIVERED, provider_message_id=f"id-{claimed[1].message_id}"))
    execute(connection, "SELECT drop_ledger_partition(0)")

    ReceiptApplier(open_database()).run()
    execute(connection, "UPDATE receipt_wait SET since = now() - interval '100 hours'")
    DeliverySpeedMeasurer(open_database()).run()
    ReceiptDeadline(open_database()).run()

    assert value(connection, "SELECT count(*) FROM receipt_queue") == 0
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 2
    assert value(connection, "SELECT count(*) FROM receipt_wait") == 0
    assert value(connection, "SELECT count(*) FROM delivery_speed") == 0


def move_all_orphans(cursor: Cursor) -> None:
    """Moves every queued receipt that matches no message to the orphans."""
    queued = [row[0] for row in rows(cursor.connection, "SELECT id FROM receipt_queue")]
    cursor.execute(receipts.MOVE_ORPHANS, {"ids": bigints(queued)})
