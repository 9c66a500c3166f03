"""What forbids or postpones messages, at the launch and in the commit of each claim."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.local_windows import EVERY_DAY, LocalWindow, next_permitted
from shared.json_parameter import json_parameter
from shared.sql.suppressions import ADD_SUPPRESSIONS, CANCEL_SUPPRESSED
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_clients,
    add_gateway,
    add_mailing,
    add_running_mailing,
    execute,
    message,
    rows,
    value,
)
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter, wait_for_new_day
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

MOSCOW = ZoneInfo("Europe/Moscow")


def suppress(
    connection: Connection, phone_number: int, scope: str = "everything", gateway_id: int | None = None
) -> None:
    given = {
        "phone_number": phone_number,
        "scope": scope,
        "gateway_id": gateway_id,
        "reason": "opted_out",
        "source": "api",
    }
    with connection.cursor() as cursor:
        cursor.execute(ADD_SUPPRESSIONS, {"suppressions": json_parameter([given])})
        cursor.execute(CANCEL_SUPPRESSED, {"phone_numbers": [phone_number]})


def closed_window(opens_in: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    """The rules of a window of one minute that opens in Moscow after that time."""
    opens = datetime.now(MOSCOW) + opens_in
    minute = opens.hour * 60 + opens.minute
    return {"local_from": minute, "local_until": minute + 1, "local_weekdays": EVERY_DAY}


ALL_DAY = {"local_from": 0, "local_until": 1440, "local_weekdays": EVERY_DAY}


def outcome(connection: Connection, message_id: int) -> tuple[str, str | None]:
    found = message(connection, message_id)
    return found["status"], found["reason_code"]


@pytest.mark.parametrize(
    ("scope", "gateway_id", "kind", "is_sent"),
    [
        ("everything", None, "marketing", False),
        ("everything", None, "service", False),
        ("everything", None, "reply", True),
        ("marketing", None, "marketing", False),
        ("marketing", None, "service", True),
        ("gateway", 1, "service", False),
        ("gateway", 1, "reply", True),
    ],
)
def test_a_number_that_was_suppressed_after_the_launch_is_not_claimed(
    scope: str, gateway_id: int | None, kind: str, is_sent: bool, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    execute(connection, "UPDATE mailing SET kind = %s", kind)
    # Without the step that ends pending messages: the claim decides alone.
    given = {"phone_number": FIRST_PHONE + 1, "scope": scope, "gateway_id": gateway_id}
    given |= {"reason": "opted_out", "source": "api"}
    with connection.cursor() as cursor:
        cursor.execute(ADD_SUPPRESSIONS, {"suppressions": json_parameter([given])})

    claimed = {one.message_id for one in queue.claim(10)}

    assert claimed == ({1, 2} if is_sent else {2})
    if not is_sent:
        assert outcome(connection, 1) == ("cancelled", "suppressed")
        assert message(connection, 1)["attempts"] == 0
        assert queue.may_have_more


def test_suppressions_of_one_number_cover_the_mailings_of_a_claim_by_their_kinds(
    connection: Connection, queue: Queue
) -> None:
    marketing, service, reply = (
        add_running_mailing(connection, 2, kind=kind) for kind in ("marketing", "service", "reply")
    )
    execute(connection, "UPDATE message SET phone_number = %s WHERE id %% 2 = 1", FIRST_PHONE + 1)
    kept = "INSERT INTO suppression (phone_number, scope, gateway_id, reason, source, lifted_at, lifted_by, "
    kept += "lift_evidence) VALUES (%s, %s, %s, 'opted_out', 'api', %s, %s, %s)"
    execute(connection, kept, FIRST_PHONE + 1, "marketing", None, None, None, None)
    execute(connection, kept, FIRST_PHONE + 1, "gateway", add_gateway(connection, "other"), None, None, None)
    execute(connection, kept, FIRST_PHONE + 1, "everything", None, "2026-01-01", "anna", "{}")

    claimed = queue.claim(10)

    assert sorted((one.mailing_id, one.message_id) for one in claimed) == [
        (marketing, 2),
        (service, 3),
        (service, 4),
        (reply, 5),
        (reply, 6),
    ]
    assert queue.withdrawn == {"suppressed": 1}


def test_a_rule_of_one_mailing_of_a_claim_forbids_nothing_in_another(connection: Connection, queue: Queue) -> None:
    for rules in ({}, {"requires_consent": True}, {}):
        add_running_mailing(connection, 1, **rules)

    assert {one.mailing_id for one in queue.claim(10)} == {1, 3}
    assert outcome(connection, 2) == ("cancelled", "no_consent")


def test_a_suppression_waits_for_a_claim_under_way_and_precedes_the_next(
    connection: Connection, connect: Connect, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1)
    editor = connect()
    editor.autocommit = False
    suppress(editor, FIRST_PHONE + 1)

    claiming = in_background(lambda: open_queue("right").claim(10))
    wait_for_lock_waiter(connection)
    assert not claiming.done()
    editor.commit()

    assert claiming.result(PATIENCE) == []
    assert outcome(connection, 1) == ("cancelled", "suppressed")


def test_a_suppression_leaves_a_message_alone_that_is_being_claimed(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    claiming, editor = connect(), connect()
    claiming.autocommit = False
    with claiming.cursor() as cursor:
        assert len(queue._claim(cursor, 1, idle=False).rows) == 1

    suppressing = in_background(lambda: suppress(editor, FIRST_PHONE + 1))
    wait_for_lock_waiter(connection)
    claiming.commit()
    suppressing.result(PATIENCE)

    assert outcome(connection, 1) == ("sending", None)


def test_a_suppression_locks_messages_in_the_order_of_their_ids(connection: Connection, connect: Connect) -> None:
    add_running_mailing(connection, 2)
    execute(connection, "UPDATE message SET phone_number = %s", FIRST_PHONE + 1)
    execute(connection, "UPDATE message SET reason_code = NULL WHERE id = 1")  # its row comes last in the table now
    holder, editor = connect(), connect()
    holder.autocommit = False
    execute(editor, "SET enable_indexscan = off; SET enable_bitmapscan = off")  # nothing but the statement sorts
    execute(holder, "SELECT FROM message WHERE id = 1 FOR UPDATE")

    suppressing = in_background(lambda: suppress(editor, FIRST_PHONE + 1))
    wait_for_lock_waiter(connection)
    execute(holder, "SELECT FROM message WHERE id = 2 FOR UPDATE NOWAIT")
    holder.commit()

    suppressing.result(PATIENCE)
    assert outcome(connection, 1) == outcome(connection, 2) == ("cancelled", "suppressed")


@pytest.mark.parametrize(("suppressed_at", "claimed_by"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_suppression_at_a_gateway_forbids_what_that_gateway_claims_and_nothing_else(
    suppressed_at: int, claimed_by: int, connection: Connection, open_queue: OpenQueue
) -> None:
    gateways = {1: 1, 2: add_gateway(connection, "other")}
    add_running_mailing(connection, 1)
    suppress(connection, FIRST_PHONE + 1, "gateway", gateways[suppressed_at])
    queue = open_queue(gateway_id=gateways[claimed_by])

    assert len(queue.claim(10)) == (suppressed_at != claimed_by)
    assert queue.withdrawn == ({"suppressed": 1} if suppressed_at == claimed_by else {})


def test_a_poison_message_to_a_suppressed_number_is_not_sent(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET due_at = 'infinity', attempts = 2, in_doubt = TRUE")
    suppress(connection, FIRST_PHONE + 1, "gateway", 1)

    assert queue.claim_poison_message() is None
    assert outcome(connection, 1) == ("unknown", "suppressed")
    assert value(connection, "SELECT count(*) FROM claim") == 0


def test_a_suppressed_message_in_doubt_ends_as_unknown(connection: Connection) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET in_doubt = true, attempts = 1, gateway_id = 1")
    execute(connection, "UPDATE message SET reason_code = 'throttled', reason_params = '{}'")

    suppress(connection, FIRST_PHONE + 1)

    assert outcome(connection, 1) == ("unknown", "suppressed")
    assert message(connection, 1)["reason_params"] is None


def test_a_launch_ends_the_messages_of_suppressed_numbers_at_once(
    connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 3)
    suppress(connection, FIRST_PHONE + 2, "marketing")
    add_mailing(connection)
    maintenance.run()

    found = rows(connection, "SELECT phone_number, status::text, reason_code FROM message ORDER BY id")
    assert found == [
        (FIRST_PHONE + 1, "pending", None),
        (FIRST_PHONE + 2, "cancelled", "suppressed"),
        (FIRST_PHONE + 3, "pending", None),
    ]
    assert value(connection, "SELECT audience FROM mailing") == 3


def test_a_launch_sets_what_is_due_by_the_time_zone_of_each_client(
    connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 4)
    for place, zone in enumerate(("Europe/Moscow", "Asia/Kathmandu", "Nowhere", "Pacific/Honolulu"), 1):
        execute(connection, "UPDATE client SET timezone = %s WHERE id = %s", zone, place)
    window = closed_window()
    add_mailing(connection, ends_in=86_400 * 3, **window)
    started = datetime.now(UTC)
    maintenance.run()

    found = {one[0]: one[1:] for one in rows(connection, "SELECT client_id, status::text, due_at FROM message")}
    assert found[3][0] == "failed"
    launched_at = value(connection, "SELECT created_at FROM message LIMIT 1")
    for client_id, zone in ((1, "Europe/Moscow"), (2, "Asia/Kathmandu"), (4, "Pacific/Honolulu")):
        expected = next_permitted(
            LocalWindow(window["local_from"], window["local_until"]),
            ZoneInfo(zone),
            launched_at,
            started + timedelta(days=2),
        )
        assert found[client_id] == ("pending", expected)


@pytest.mark.parametrize(
    ("rules_now", "timezone", "ends_in", "expected"),
    [
        (lambda: ALL_DAY, "Nowhere", 3600, ("failed", "timezone_unknown")),
        (closed_window, "Europe/Moscow", 600, ("expired", "no_local_time")),
        (closed_window, "Europe/Moscow", 86_400, ("pending", "outside_local_window")),
        (closed_window, "Nowhere", 600, ("failed", "timezone_unknown")),
        (lambda: {"requires_consent": True}, "UTC", 3600, ("cancelled", "no_consent")),
    ],
    ids=["no zone", "no time left", "waits", "no zone and closed", "no consent"],
)
def test_a_claim_applies_the_rules_again(
    rules_now: Callable[[], dict[str, Any]],
    timezone: str,
    ends_in: float,
    expected: tuple[str, str],
    connection: Connection,
    queue: Queue,
) -> None:
    add_running_mailing(connection, 1)
    rules = rules_now()
    change = "UPDATE mailing SET local_from = %s, local_until = %s, local_weekdays = %s, requires_consent = %s"
    names = ("local_from", "local_until", "local_weekdays")
    execute(connection, change, *(rules.get(name) for name in names), rules.get("requires_consent", False))
    execute(connection, "UPDATE mailing SET end_datetime = now() + %s * interval '1 second'", ends_in)
    execute(connection, "UPDATE client SET timezone = %s", timezone)

    assert queue.claim(10) == []
    assert outcome(connection, 1) == expected
    taken_back = message(connection, 1)
    assert (taken_back["attempts"], taken_back["gateway_id"]) == (0, None)
    assert value(connection, "SELECT count(*) FROM claim") == 0


def test_a_default_time_zone_counts_for_clients_without_one(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE mailing SET local_from = 0, local_until = 1440, local_weekdays = 127")
    execute(connection, "UPDATE mailing SET default_timezone = 'Europe/Moscow'")
    execute(connection, "UPDATE client SET timezone = 'Nowhere'")

    assert len(queue.claim(10)) == 1


def test_a_message_whose_client_is_gone_is_not_sent_without_regard_to_its_window(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE mailing SET local_from = 0, local_until = 1440, local_weekdays = 127")
    execute(connection, "DELETE FROM client")

    assert queue.claim(10) == []

    assert outcome(connection, 1) == ("failed", "timezone_unknown")


def test_a_request_does_not_leave_after_the_local_window_closes(connection: Connection, open_queue: OpenQueue) -> None:
    wait_for_new_day(connection, MOSCOW.key)
    queue = open_queue(lease_seconds=3600.0)  # longer than the window: it must not be the lease that decides
    add_running_mailing(connection, 1)
    now = datetime.now(MOSCOW)
    minute = now.hour * 60 + now.minute
    closes_at = min(minute + 2, 1440)
    execute(
        connection,
        "UPDATE mailing SET local_from = %s, local_until = %s, local_weekdays = 127",
        minute,
        closes_at,
    )
    closes_in = 60 * (closes_at - minute) - now.second - now.microsecond / 1e6

    asked = time.monotonic()
    [claimed] = queue.claim(10)

    assert claimed.start_by <= asked + closes_in + 0.5
    assert not claimed.may_leave(asked + closes_in + 0.5)


def test_a_message_waits_for_its_window_and_is_claimed_then(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1)
    window = closed_window()
    execute(connection, "UPDATE mailing SET end_datetime = now() + interval '1 day'")
    execute(connection, "UPDATE mailing SET local_from = %s, local_until = %s, local_weekdays = %s", *window.values())
    assert queue.claim(10) == []
    due_at = message(connection, 1)["due_at"]
    assert due_at > datetime.now(UTC) + timedelta(minutes=50)
    assert value(connection, "SELECT due_at FROM queue_batch") >= due_at

    execute(connection, "UPDATE mailing SET local_from = 0, local_until = 1440")
    execute(connection, "UPDATE message SET due_at = now()")
    assert len(queue.claim(10)) == 1
