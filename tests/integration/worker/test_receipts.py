"""Receipts: matched to their messages, folded, and counted."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.delivery import UndeliveredReason
from shared.gateways.base import Receipt
from shared.sql.receipts import RECEIPTS_READ
from tests.factories import add_messages, add_running_mailing, execute, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import (
    DELIVERED,
    ON_ITS_WAY,
    UNDELIVERED,
    counts_by_delivery,
    deliveries,
    receive,
    report_deliveries,
)
from tests.waiting import eventually
from worker.claimed_message import MessageGateway
from worker.database import Database
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.maintenance.receipt_deadline import ReceiptDeadline
from worker.maintenance.thread import MaintenanceThread
from worker.queue import Queue
from worker.telemetry.metrics import Metrics

REPORTING = MessageGateway("default", receipts=True, no_receipt_prefixes=("799",))

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@pytest.fixture
def queue(open_queue: OpenQueue, connection: Connection) -> Queue:
    """The queue of a worker whose gateway reports deliveries."""
    report_deliveries(connection)
    return open_queue(gateway=REPORTING)


@pytest.fixture
def applier(open_database: OpenDatabase) -> ReceiptApplier:
    return ReceiptApplier(open_database())


def send(queue: Queue, result: str = "accepted", **given: object) -> list[int]:
    """Sends what is due, and answers the ids."""
    claimed = queue.claim(100)
    queue.record([answer(message, result, **given) for message in claimed])
    return [message.message_id for message in claimed]


def named(receipt: Receipt, message_id: int) -> Receipt:
    return replace(receipt, message_id=message_id)


def test_a_message_awaits_its_receipt_and_is_delivered(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    first, _ = send(queue)
    assert deliveries(connection) == [("sent", "awaiting")] * 2

    receive(connection, named(replace(DELIVERED, at=NOON, code="delivered"), first))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered"), ("sent", "awaiting")]
    assert counts_by_delivery(connection, mailing_id) == {"delivered": 1, "awaiting": 1}
    assert rows(connection, "SELECT delivery_at, delivery_code FROM message WHERE id = %s", first) == [
        (NOON, "delivered")
    ]
    assert value(connection, "SELECT count(*) FROM receipt_queue") == 0


def test_a_gateway_without_receipts_awaits_none(open_queue: OpenQueue, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 1)

    send(open_queue())

    assert deliveries(connection) == [("sent", None)]
    assert counts_by_delivery(connection, mailing_id) == {"no_receipt": 1}


def test_a_country_without_receipts_awaits_none(queue: Queue, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET phone_number = 79901234567")

    send(queue)

    assert deliveries(connection) == [("sent", None)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_order_and_repeats_do_not_matter(
    queue: Queue, applier: ReceiptApplier, connection: Connection, order: tuple[int, ...]
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    trace = [
        named(replace(ON_ITS_WAY, at=NOON), message_id),
        named(replace(UNDELIVERED, at=NOON.replace(hour=13)), message_id),
        named(replace(DELIVERED, at=NOON.replace(hour=14)), message_id),
    ]

    for index in (*order, *order):
        receive(connection, trace[index])
        applier.run()

    assert deliveries(connection) == [("sent", "delivered")]
    assert value(connection, "SELECT delivery_conflicting FROM message") is True
    assert rows(connection, "SELECT count(*), sum(repeats) FROM receipt") == [(3, 3)]


def test_undelivered_messages_are_listed_with_their_reason(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    [message_id] = send(queue)

    receive(connection, named(UNDELIVERED, message_id))
    applier.run()

    assert rows(connection, "SELECT delivery_reason::text, delivery_code FROM message") == [("blocked", "30004")]
    assert rows(connection, "SELECT * FROM message_undelivered") == [(mailing_id, message_id)]

    receive(connection, named(replace(DELIVERED, at=NOON), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]
    assert rows(connection, "SELECT * FROM message_undelivered") == []


def test_a_message_in_parts_is_delivered_with_its_last_part(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    for part in "12":
        receive(connection, named(replace(DELIVERED, part=part, parts=3), message_id))
    applier.run()
    assert deliveries(connection) == [("sent", "awaiting")]
    assert rows(connection, "SELECT parts_delivered, parts FROM message") == [(2, 3)]

    receive(connection, named(replace(DELIVERED, part="3", parts=3), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


@pytest.mark.parametrize(("text", "fields"), [("Ж" * 100, None), ("{{ name }}", {"name": "text"})])
def test_parts_of_unknown_number_are_counted_in_the_text(
    text: str, fields: dict[str, str] | None, queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    """The answer, which would have said how many parts there are, was lost, and what has come cannot tell it."""
    add_running_mailing(connection, 1, text=text, fields=fields)
    execute(connection, "UPDATE client SET attributes = jsonb_build_object('name', repeat('Ж', 100))")
    [message_id] = send(queue, "lost")
    receive(connection, named(replace(DELIVERED, part="first", provider_message_id="first"), message_id))
    applier.run()
    assert deliveries(connection) == [("sent", "awaiting")]
    assert rows(connection, "SELECT parts_delivered, parts FROM message") == [(1, 2)]

    receive(connection, named(replace(DELIVERED, part="second", provider_message_id="second"), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_parts_that_the_provider_counted_are_not_counted_in_the_text(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1, text="Ж" * 100)
    [message_id] = send(queue, segments=1)

    receive(connection, named(replace(DELIVERED, part="first"), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_a_receipt_that_becomes_visible_late_is_found(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 2)
    first, second = send(queue)
    receive(connection, named(DELIVERED, first))
    applier.run()
    applier._full_scans.wait(60.0)

    receive(connection, named(DELIVERED, second))
    execute(connection, "UPDATE receipt_queue SET due_at = now() - interval '1 hour'")
    applier.run()
    assert deliveries(connection) == [("sent", "delivered"), ("sent", "awaiting")]
    applier._full_scans.wait(0.0)
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")] * 2


def test_an_idle_worker_applies_receipts_between_its_rounds(
    queue: Queue, maintenance: Maintenance, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    assert not maintenance.run_due()
    receive(connection, named(DELIVERED, message_id))

    assert not maintenance.run_due()

    assert deliveries(connection) == [("sent", "delivered")]


def test_the_thread_of_an_idle_worker_does_not_wait_for_its_next_poll(
    queue: Queue, maintenance: Maintenance, open_database: OpenDatabase, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    stop, rounds = threading.Event(), threading.Event()
    metrics = Metrics("left")
    database = open_database()
    reclaimer = LeaseReclaimer(database, queue.recorder, lease_seconds=30.0)
    thread = MaintenanceThread(
        database=database,
        lease_reclaimer=reclaimer,
        maintenance=maintenance,
        stop=stop,
        on_work_found=rounds.set,
        metrics=metrics,
        poll_seconds=3600.0,
    )
    thread.start()
    try:
        receive(connection, named(DELIVERED, message_id))
        eventually(lambda: deliveries(connection) == [("sent", "delivered")])
        eventually(lambda: metrics.receipts.applied == 1)
    finally:
        stop.set()
        thread.join(60.0)
    thread.raise_if_failed()


def test_a_receipt_waits_the_longer_the_longer_its_message_is_being_sent(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [claimed] = queue.claim(1)
    receive(connection, named(DELIVERED, claimed.message_id))
    for waited, expected in ((0, 1), (5, 5), (3600, 15)):
        execute(
            connection, "UPDATE receipt_queue SET due_at = now(), received_at = now() - %s * interval '1 s'", waited
        )
        before = value(connection, "SELECT clock_timestamp()")
        applier.run()
        due_at, after = rows(connection, "SELECT due_at, clock_timestamp() FROM receipt_queue")[0]
        wait = timedelta(seconds=expected)
        assert before + wait <= due_at <= after + wait + (after - before) + timedelta(seconds=1)


def test_the_providers_id_finds_the_message_of_its_gateway_alone(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    execute(connection, "INSERT INTO gateway (name, provider, receipts) VALUES ('other', 'gonets', true)")
    add_running_mailing(connection, 1)
    send(queue, provider_message_id="abc")

    receive(connection, replace(DELIVERED, provider_message_id="abc"), gateway_id=2)
    applier.run()
    assert deliveries(connection) == [("sent", "awaiting")]
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1

    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1


def test_another_gateway_or_recipient_never_matches_by_our_id(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    execute(connection, "INSERT INTO gateway (name, provider, receipts) VALUES ('other', 'gonets', true)")
    add_running_mailing(connection, 1)
    [message_id] = send(queue)

    receive(connection, named(DELIVERED, message_id), gateway_id=2)
    receive(connection, named(replace(DELIVERED, recipient="+7 (900) 765-43-21"), message_id))
    receive(connection, named(DELIVERED, message_id + 1))
    applier.run()

    assert deliveries(connection) == [("sent", "awaiting")]
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 3


def test_an_early_receipt_is_adopted_with_the_providers_id(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    claimed = queue.claim(1)
    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    applier.run()
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1

    queue.record([answer(claimed[0], "accepted", provider_message_id="abc")])
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 0
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_an_adopted_receipt_is_counted_as_often_as_it_came(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    claimed = queue.claim(1)
    for _ in range(3):
        receive(connection, replace(DELIVERED, provider_message_id="abc"))
        applier.run()
    queue.record([answer(claimed[0], "accepted", provider_message_id="abc")])
    applier.run()
    assert value(connection, "SELECT repeats FROM receipt") == 2


def test_a_receipt_that_names_a_submission_lets_earlier_ones_be_adopted(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue, "lost")
    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    applier.run()
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1

    receive(connection, named(replace(ON_ITS_WAY, provider_message_id="abc"), message_id))
    applier.run()
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_an_early_receipt_by_our_id_waits_for_the_answer(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    claimed = queue.claim(1)
    receive(connection, named(DELIVERED, claimed[0].message_id))
    applier.run()
    assert deliveries(connection) == [("sending", None)]

    queue.record([answer(claimed[0], "accepted")])
    execute(connection, "UPDATE receipt_queue SET due_at = now()")
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_an_id_that_the_provider_gives_again_never_matches_the_old_message(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    send(queue, provider_message_id="abc")
    execute(connection, "UPDATE attempt SET started_at = now() - interval '11 days'")

    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    applier.run()
    assert deliveries(connection) == [("sent", "awaiting")]

    # The orphan was about the old message, and not about the one that has its id now.
    execute(connection, "UPDATE receipt_orphan SET received_at = now() - interval '1 hour'")
    add_messages(connection, 1, 1)
    send(queue, provider_message_id="abc")
    applier.run()

    assert deliveries(connection) == [("sent", "awaiting")] * 2
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 1


@pytest.mark.parametrize(
    ("receipt", "delivery"), [(ON_ITS_WAY, "awaiting"), (DELIVERED, "delivered"), (UNDELIVERED, "undelivered")]
)
@pytest.mark.parametrize("status", ["pending", "unknown"])
def test_a_receipt_settles_a_doubt(
    queue: Queue,
    applier: ReceiptApplier,
    connection: Connection,
    receipt: Receipt,
    delivery: str,
    status: str,
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    [message_id] = send(queue, "lost")
    if status == "unknown":
        execute(connection, "UPDATE message SET status = 'unknown', ended_at = now()")

    receive(connection, named(replace(receipt, provider_message_id="abc"), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", delivery)]
    assert queue.claim(1) == []
    assert counts_by_delivery(connection, mailing_id) == {delivery: 1}
    assert rows(connection, "SELECT reason_code FROM message") == [("receipt_came",)]
    # Its later receipts may have the provider's id alone.
    assert rows(connection, "SELECT provider_message_id FROM attempt") == [("abc",)]


def test_a_report_that_it_was_not_delivered_changes_no_refused_message(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue, "refused for good")

    receive(connection, named(UNDELIVERED, message_id))
    applier.run()
    assert deliveries(connection) == [("failed", None)]
    assert value(connection, "SELECT count(*) FROM receipt") == 1

    receive(connection, named(replace(DELIVERED, at=NOON), message_id))
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_silence_is_no_failure_and_a_later_receipt_counts(
    queue: Queue, applier: ReceiptApplier, open_database: OpenDatabase, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    first, _ = send(queue)
    deadline = ReceiptDeadline(open_database())
    deadline.run()
    assert counts_by_delivery(connection, mailing_id) == {"awaiting": 2}

    execute(connection, "UPDATE receipt_wait SET since = now() - interval '73 hours'")
    deadline.run()
    assert counts_by_delivery(connection, mailing_id) == {"no_receipt": 2}
    assert value(connection, "SELECT count(*) FROM receipt_wait") == 0

    receive(connection, named(ON_ITS_WAY, first))
    applier.run()
    assert counts_by_delivery(connection, mailing_id) == {"no_receipt": 2}
    receive(connection, named(DELIVERED, first))
    applier.run()

    assert counts_by_delivery(connection, mailing_id) == {"delivered": 1, "no_receipt": 1}


def test_numbers_that_are_unknown_are_counted_until_a_delivery(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    unknown = replace(UNDELIVERED, reason=UndeliveredReason.UNKNOWN_SUBSCRIBER)
    client_id = None
    for expected in (1, 2, 3):
        add_running_mailing(connection, 1)
        client_id = client_id or value(connection, "SELECT client_id FROM message")
        execute(
            connection,
            "UPDATE message SET client_id = client.id, phone_number = client.phone_number FROM client"
            " WHERE client.id = %s AND status = 'pending'",
            client_id,
        )
        [message_id] = send(queue)
        receive(connection, named(unknown, message_id), named(unknown, message_id))
        applier.run()
        assert value(connection, "SELECT unknown_subscriber_count FROM client WHERE id = %s", client_id) == expected

    receive(connection, named(replace(DELIVERED, at=NOON), message_id))
    applier.run()

    assert value(connection, "SELECT unknown_subscriber_count FROM client WHERE id = %s", client_id) == 0


def test_a_number_that_a_client_has_no_more_is_not_counted(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    execute(connection, "UPDATE client SET phone_number = phone_number + 1")
    receive(connection, named(replace(UNDELIVERED, reason=UndeliveredReason.UNKNOWN_SUBSCRIBER), message_id))
    applier.run()
    assert deliveries(connection) == [("sent", "undelivered")]
    assert value(connection, "SELECT unknown_subscriber_count FROM client") == 0


def test_messages_that_others_have_locked_wait_for_the_next_round(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    receive(connection, named(DELIVERED, message_id))
    execute(connection, "BEGIN")
    execute(connection, "SELECT FROM message FOR UPDATE")

    applier.run()
    execute(connection, "COMMIT")

    assert deliveries(connection) == [("sent", "awaiting")]
    execute(connection, "UPDATE receipt_queue SET due_at = now()")
    applier.run()
    assert deliveries(connection) == [("sent", "delivered")]


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("Europe/Moscow", datetime(9999, 12, 31, 23, tzinfo=UTC)),
        ("America/New_York", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_that_no_calendar_has_stops_nothing(
    queue: Queue, database_url: str, connection: Connection, zone: str, at: datetime
) -> None:
    add_running_mailing(connection, 2)
    first, second = send(queue)
    receive(connection, named(replace(DELIVERED, at=at), first), named(DELIVERED, second))

    given = "&" if "?" in database_url else "?"
    database = Database(f"{database_url}{given}options=-ctimezone%3D{zone}", threading.Event(), "gonets test")
    ReceiptApplier(database).run()
    database.close()

    assert deliveries(connection) == [("sent", "delivered")] * 2


def test_very_many_receipts_of_one_message_stop_nothing(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 2)
    first, second = send(queue)
    execute(
        connection,
        """
        INSERT INTO receipt (message_id, fingerprint, gateway_id, part, state)
        SELECT %s, gen_random_uuid(), 1, number, 'accepted' FROM generate_series(1, 40000) AS number
        """,
        first,
    )

    receive(connection, named(DELIVERED, first), named(DELIVERED, second))
    applier.run()

    assert deliveries(connection)[1] == ("sent", "delivered")
    assert value(connection, "SELECT max(parts) FROM message") < RECEIPTS_READ
    assert value(connection, "SELECT count(*) FROM receipt_queue") == 0


def test_an_early_receipt_is_adopted_when_another_one_names_the_submission(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue, "lost")
    receive(connection, replace(DELIVERED, provider_message_id="abc"))
    applier.run()
    assert deliveries(connection) == [("pending", None)]

    receive(connection, named(replace(ON_ITS_WAY, provider_message_id="abc"), message_id))
    applier.run()
    assert value(connection, "SELECT count(*) FROM receipt_orphan") == 0
    applier.run()

    assert deliveries(connection) == [("sent", "delivered")]


def test_a_number_is_no_longer_unknown_if_a_later_receipt_gives_another_reason(
    queue: Queue, applier: ReceiptApplier, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    [message_id] = send(queue)
    unknown = replace(UNDELIVERED, reason=UndeliveredReason.UNKNOWN_SUBSCRIBER, at=NOON)
    for receipt, expected in ((unknown, 1), (replace(UNDELIVERED, at=NOON.replace(hour=13)), 0)):
        receive(connection, named(receipt, message_id))
        applier.run()
        assert value(connection, "SELECT max(unknown_subscriber_count) FROM client") == expected
