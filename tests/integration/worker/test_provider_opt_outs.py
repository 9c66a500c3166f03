"""Recipients who have opted out at a provider, as its answers and receipts say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.delivery import UndeliveredReason
from shared.domain.results import Result
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from tests.factories import (
    FIRST_PHONE,
    add_gateway,
    add_mailing,
    add_running_mailing,
    begin_launch,
    execute,
    row,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.receipts import UNDELIVERED, receive, report_deliveries
from worker.claimed_message import AttemptResult, MessageGateway
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.queue import Queue
from worker.suppressions import NewSuppression, suppress

OPTED_OUT = replace(UNDELIVERED, reason=UndeliveredReason.OPTED_OUT, code="21610", message_id=1)

LIFT = "UPDATE suppression SET lifted_at = %s, lift_evidence = '{}' WHERE lifted_at IS NULL"


@pytest.fixture
def applier(open_database: OpenDatabase) -> ReceiptApplier:
    return ReceiptApplier(open_database())


def opt_out(queue: Queue) -> list[AttemptResult]:
    """The next attempts, whose recipients have opted out at the gateway."""
    return [
        answer(message, "refused for good", result=Result.OPTED_OUT, code="21610", provider_message_id="SM1")
        for message in queue.claim(10)
    ]


def suppressions(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(
        connection,
        "SELECT phone_number, scope::text, gateway_id, reason::text, source::text, lifted_at IS NULL FROM suppression "
        "ORDER BY id",
    )


def reporting(open_queue: OpenQueue, connection: Connection) -> Queue:
    report_deliveries(connection)
    return open_queue(gateway=MessageGateway("default", receipts=True))


def test_an_opt_out_in_an_answer_suppresses_the_number_at_that_gateway(queue: Queue, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    begin_launch(connection, add_mailing(connection, mark="none"))
    execute(
        connection,
        "INSERT INTO message (mailing_id, client_id, phone_number, due_at, path_id) "
        "SELECT 2, client_id, phone_number, now() + interval '1 hour', path_id FROM message WHERE id = 1",
    )
    attempted = opt_out(queue)

    queue.record(attempted)
    queue.record(attempted)

    assert suppressions(connection) == [(FIRST_PHONE + 1, "gateway", 1, "opted_out", "provider", True)]
    evidence = value(connection, "SELECT evidence FROM suppression")
    assert evidence == {
        "message_id": 1,
        "attempt": 1,
        "gateway": "default",
        "provider_code": "21610",
        "provider_message_id": "SM1",
        "words": "code 1: no such phone",
    }
    # Messages that other gateways may send wait; this one does not send them.
    later = row(connection, "SELECT id, status::text FROM message WHERE mailing_id = 2 ORDER BY id DESC LIMIT 1")
    assert later["status"] == "pending"
    execute(connection, "UPDATE message SET due_at = now() WHERE id = %s", later["id"])
    assert queue.claim(10) == []
    assert row(connection, "SELECT status::text, reason_code FROM message WHERE id = %s", later["id"]) == {
        "status": "cancelled",
        "reason_code": "suppressed",
    }


def test_an_answer_that_is_recorded_again_does_not_undo_a_lift(queue: Queue, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    attempted = opt_out(queue)
    queue.record(attempted)
    execute(connection, LIFT, datetime.now(UTC) + timedelta(minutes=1))

    queue.record(attempted)

    assert [one[-1] for one in suppressions(connection)] == [False]


def test_an_opt_out_in_a_receipt_suppresses_the_number_at_that_gateway(
    open_queue: OpenQueue, applier: ReceiptApplier, connection: Connection
) -> None:
    queue = reporting(open_queue, connection)
    add_running_mailing(connection, 1)
    queue.record([answer(message, "accepted") for message in queue.claim(10)])

    receive(connection, OPTED_OUT, OPTED_OUT)
    applier.run()

    assert suppressions(connection) == [(FIRST_PHONE + 1, "gateway", 1, "opted_out", "receipt", True)]
    evidence = value(connection, "SELECT evidence FROM suppression")
    assert evidence["message_id"] == 1
    assert evidence["provider_code"] == "21610"


@pytest.mark.parametrize("reported", ["with its own time", "without a time"])
def test_a_receipt_that_is_repeated_after_a_lift_does_not_undo_it(
    reported: str, open_queue: OpenQueue, applier: ReceiptApplier, connection: Connection
) -> None:
    queue = reporting(open_queue, connection)
    add_running_mailing(connection, 1)
    queue.record([answer(message, "accepted") for message in queue.claim(10)])
    receipt = replace(OPTED_OUT, at=datetime.now(UTC) if reported == "with its own time" else None)
    receive(connection, receipt)
    applier.run()
    execute(connection, LIFT, datetime.now(UTC))

    # The same again, and once with other words of the provider's.
    receive(connection, receipt)
    receive(connection, replace(receipt, words="opted out"))
    applier.run()

    assert value(connection, "SELECT count(*) + sum(repeats) FROM receipt") == 3
    assert [one[-1] for one in suppressions(connection)] == [False]


def test_an_opt_out_after_a_lift_suppresses_the_number_again(
    open_queue: OpenQueue, applier: ReceiptApplier, connection: Connection
) -> None:
    queue = reporting(open_queue, connection)
    add_running_mailing(connection, 1)
    queue.record([answer(message, "accepted") for message in queue.claim(10)])
    execute(
        connection,
        "INSERT INTO suppression (phone_number, scope, gateway_id, reason, source, lifted_at, lift_evidence) "
        "VALUES (%s, 'gateway', 1, 'opted_out', 'receipt', now(), '{}')",
        FIRST_PHONE + 1,
    )

    receive(connection, OPTED_OUT)
    applier.run()

    assert [one[-1] for one in suppressions(connection)] == [False, True]


def test_an_opt_out_whose_number_was_erased_meanwhile_suppresses_no_number(
    open_queue: OpenQueue, connection: Connection, applier: ReceiptApplier
) -> None:
    queue = reporting(open_queue, connection)
    add_running_mailing(connection, 2)
    attempted = opt_out(queue)
    execute(connection, "UPDATE message SET phone_number = 0 WHERE id = 1")
    queue.record(attempted)
    assert suppressions(connection) == [(FIRST_PHONE + 2, "gateway", 1, "opted_out", "provider", True)]

    execute(connection, "UPDATE message SET phone_number = 0, status = 'sent', sent_at = now(), delivery = 'awaiting'")
    receive(connection, OPTED_OUT)
    applier.run()

    assert value(connection, "SELECT delivery::text FROM message WHERE id = 1") == "undelivered"
    assert len(suppressions(connection)) == 1


@pytest.mark.parametrize(
    ("reported", "lifted"),
    [
        ((SuppressionScope.EVERYTHING, None), (SuppressionScope.MARKETING, None)),
        ((SuppressionScope.GATEWAY, 1), (SuppressionScope.GATEWAY, 2)),
    ],
    ids=["another scope", "another gateway"],
)
def test_a_lift_of_another_suppression_does_not_undo_what_is_reported_late(
    reported: tuple[SuppressionScope, int | None], lifted: tuple[SuppressionScope, int | None], connection: Connection
) -> None:
    add_gateway(connection, "other")
    execute(
        connection,
        "INSERT INTO suppression (phone_number, scope, gateway_id, reason, source, lifted_at, lift_evidence) "
        "VALUES (%s, %s, %s, 'opted_out', 'api', now(), '{}')",
        FIRST_PHONE,
        *lifted,
    )
    given = NewSuppression(
        FIRST_PHONE,
        *reported,
        SuppressionReason.OPTED_OUT,
        RecordSource.PROVIDER,
        {},
        reported_at=datetime.now(UTC) - timedelta(hours=1),
    )

    with connection.cursor() as cursor:
        assert [one.phone_number for one in suppress(cursor, [given])] == [FIRST_PHONE]


def test_suppressions_of_one_number_are_all_recorded_and_each_once(connection: Connection) -> None:
    scopes = [
        (SuppressionScope.EVERYTHING, None),
        (SuppressionScope.MARKETING, None),
        (SuppressionScope.GATEWAY, 1),
        (SuppressionScope.GATEWAY, add_gateway(connection, "other")),
    ]
    given = [
        NewSuppression(FIRST_PHONE, *scope, SuppressionReason.OPTED_OUT, RecordSource.PROVIDER, {}) for scope in scopes
    ]

    with connection.cursor() as cursor:
        suppress(cursor, given + given)

    found = rows(connection, "SELECT scope::text, gateway_id FROM suppression")
    assert sorted(found, key=str) == sorted(((scope.value, gateway_id) for scope, gateway_id in scopes), key=str)
