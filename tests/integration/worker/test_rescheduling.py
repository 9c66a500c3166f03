"""Messages that wait for a local window, after a change of what decides when it opens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.local_windows import EVERY_DAY, LocalWindow, next_permitted
from shared.sql import rescheduling
from shared.sql.messages import RETRY_MESSAGES
from shared.sql.queue import QUEUE_AGAIN
from tests.conftest import Connect
from tests.factories import add_clients, add_mailing, add_running_mailing, execute, message, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter, wait_for_new_day
from worker.maintenance.clock_step_rescheduler import ClockStepRescheduler
from worker.maintenance.duties import Maintenance
from worker.maintenance.rule_change_rescheduler import RuleChangeRescheduler
from worker.queue import Queue

MOSCOW, TOKYO = ZoneInfo("Europe/Moscow"), ZoneInfo("Asia/Tokyo")
SET_WINDOW = "UPDATE mailing SET local_from = %s, local_until = %s, local_weekdays = 127"
ALL_DAY = (0, 1440)


def closed_in_moscow(opens_in: timedelta = timedelta(hours=3)) -> tuple[int, int]:
    """A window of one minute that opens in Moscow after that time."""
    opens = datetime.now(MOSCOW) + opens_in
    return opens.hour * 60 + opens.minute, opens.hour * 60 + opens.minute + 1


def add_waiting(connection: Connection, messages: int = 1, ends_in: float = 3 * 86_400) -> tuple[int, int]:
    """A launched mailing with messages that wait for a window, to clients in Moscow; answers the window."""
    add_running_mailing(connection, messages, ends_in=ends_in)
    window = closed_in_moscow()
    execute(connection, SET_WINDOW, *window)
    opens = opening(window, MOSCOW)
    waits = "UPDATE message SET due_at = %s, reason_code = 'outside_local_window'"
    execute(connection, waits, opens)
    execute(connection, "DELETE FROM queue_batch WHERE due_at < now() + interval '1 minute'")
    return window


def opening(window: tuple[int, int], zone: ZoneInfo) -> datetime:
    now = datetime.now(UTC)
    opens = next_permitted(LocalWindow(*window, EVERY_DAY), zone, now, now + timedelta(days=3))
    assert opens is not None
    return opens


def due_times(connection: Connection) -> list[datetime]:
    return [due_at for (due_at,) in rows(connection, "SELECT due_at FROM message ORDER BY id")]


def request(connection: Connection, mailing_id: int = 1) -> None:
    execute(connection, rescheduling.REQUEST_FOR_MAILING.replace("%(mailing_id)s", "%s"), mailing_id)


def finish(rescheduler: RuleChangeRescheduler) -> int:
    """Runs until there is nothing to do; answers the number of rounds."""
    rounds = 1
    while rescheduler.run():
        rounds += 1
    return rounds


@pytest.fixture
def rescheduler(open_database: OpenDatabase) -> RuleChangeRescheduler:
    return RuleChangeRescheduler(open_database(), chunk=4)


def test_each_message_is_due_when_its_window_opens_after_the_change(
    connection: Connection, rescheduler: RuleChangeRescheduler, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    window = add_waiting(connection, 10)
    execute(connection, "UPDATE client SET timezone = 'Asia/Tokyo' WHERE id = 1")
    execute(connection, "UPDATE client SET timezone = 'Nowhere' WHERE id = 2")
    execute(connection, "UPDATE message SET due_at = now() + interval '1 hour', reason_code = 'throttled' WHERE id = 3")
    execute(connection, "UPDATE message SET due_at = 'infinity' WHERE id = 4")
    execute(connection, "UPDATE message SET due_at = now() - interval '1 hour' WHERE id = 5")
    before = due_times(connection)
    request(connection)

    assert finish(rescheduler) == 3

    [event] = [vars(record) for record in caplog.records if record.message == "messages.rescheduled"]
    assert (event["mailing_id"], event["messages"]) == (1, 2)
    after = due_times(connection)
    assert after[0] == opening(window, TOKYO)
    assert after[1] <= datetime.now(UTC)  # a claim decides about a zone that is not known
    assert after[2:] == before[2:]
    assert value(connection, "SELECT count(*) FROM reschedule") == 0
    assert {one.message_id for one in queue.claim(10)} == set()
    assert message(connection, 2)["reason_code"] == "timezone_unknown"


@pytest.mark.parametrize(
    ("change", "is_sent"),
    [
        ("UPDATE mailing SET local_from = 0, local_until = 1440", True),
        ("UPDATE mailing SET local_from = NULL, local_until = NULL, local_weekdays = NULL", True),
        ("UPDATE mailing SET end_datetime = now() + interval '1 hour'", False),
    ],
    ids=["all day", "no window", "an earlier end"],
)
def test_a_window_that_is_open_or_never_opens_is_decided_at_once(
    change: str, is_sent: bool, connection: Connection, rescheduler: RuleChangeRescheduler, queue: Queue
) -> None:
    add_waiting(connection)
    execute(connection, change)
    request(connection)
    assert queue.claim(10) == []

    finish(rescheduler)

    assert len(queue.claim(10)) == int(is_sent)
    assert message(connection, 1)["status"] == ("sending" if is_sent else "expired")


def test_new_holidays_put_off_what_waits(connection: Connection, maintenance: Maintenance) -> None:
    window = add_waiting(connection)
    opens = opening(window, MOSCOW)
    execute(connection, "INSERT INTO holiday_calendar (name) VALUES ('ours')")
    execute(connection, "UPDATE mailing SET holiday_calendar_id = (SELECT id FROM holiday_calendar)")
    day = opens.astimezone(MOSCOW).date()
    execute(connection, "INSERT INTO holiday (calendar_id, day) SELECT id, %s FROM holiday_calendar", day)
    statement = rescheduling.REQUEST_FOR_CALENDAR.replace("%(calendar_id)s", "(SELECT id FROM holiday_calendar)")
    execute(connection, statement)

    maintenance.run()

    assert due_times(connection) == [opens + timedelta(days=1)]


def test_a_request_for_all_is_for_mailings_with_a_window_that_run_or_are_about_to_start(connection: Connection) -> None:
    add_waiting(connection)
    for starts_in in (30.0, 3600.0):
        add_mailing(connection, starts_in=starts_in, ends_in=86_400, local_from=0, local_until=1440, local_weekdays=127)
    add_running_mailing(connection)
    add_waiting(connection)
    execute(connection, "UPDATE mailing SET settled_at = now(), status = 'finished', ended_at = now() WHERE id = 5")
    execute(connection, "UPDATE mailing SET local_from = NULL, local_until = NULL, local_weekdays = NULL WHERE id = 4")

    execute(connection, rescheduling.REQUEST_FOR_ALL)

    assert rows(connection, "SELECT mailing_id FROM reschedule ORDER BY 1") == [(1,), (2,)]


def test_a_request_lasts_until_the_launch_has_added_all_messages(
    connection: Connection, rescheduler: RuleChangeRescheduler
) -> None:
    add_waiting(connection, 2)
    execute(connection, "UPDATE mailing SET launched_at = NULL")
    execute(connection, SET_WINDOW, *ALL_DAY)
    request(connection)
    finish(rescheduler)
    assert value(connection, "SELECT last_message_id FROM reschedule") == 2

    execute(connection, "UPDATE mailing SET launched_at = now()")
    finish(rescheduler)
    assert value(connection, "SELECT count(*) FROM reschedule") == 0


def test_several_mailings_take_turns_and_one_that_is_over_is_forgotten(
    connection: Connection, rescheduler: RuleChangeRescheduler
) -> None:
    for _ in range(2):
        add_waiting(connection, 5)
    for mailing_id in (1, 2, 99):
        request(connection, mailing_id)
    rescheduler.run()
    rescheduler.run()
    assert rows(connection, "SELECT mailing_id, last_message_id > 0 FROM reschedule ORDER BY 1") == [
        (1, True),
        (2, True),
        (99, False),
    ]
    for _ in range(3):
        rescheduler.run()
    assert value(connection, "SELECT count(*) FROM reschedule") == 0


def test_requests_for_mailings_that_never_start_do_not_hold_up_the_others(
    connection: Connection, rescheduler: RuleChangeRescheduler
) -> None:
    for _ in range(3):  # cancelled before its start
        cancelled = add_mailing(connection, local_from=0, local_until=1440, local_weekdays=127)
        execute(connection, "UPDATE mailing SET status = 'cancelled', ended_at = now() WHERE id = %s", cancelled)
    # One that awaits approval.
    add_mailing(connection, requires_approval=True, local_from=0, local_until=1440, local_weekdays=127)
    execute(connection, rescheduling.REQUEST_FOR_ALL)
    assert rows(connection, "SELECT mailing_id FROM reschedule") == [(4,)]
    for mailing_id in (1, 2, 3):  # requested before it was cancelled
        request(connection, mailing_id)
    for _ in range(3):
        rescheduler.run()
    assert rows(connection, "SELECT mailing_id FROM reschedule") == [(4,)]

    add_running_mailing(connection, 1, local_from=0, local_until=1440, local_weekdays=127)
    request(connection, 5)
    rescheduler.run()

    assert rows(connection, "SELECT mailing_id FROM reschedule") == [(4,)]


@pytest.mark.parametrize(
    ("caps", "waits"),
    [([(1, 24)], timedelta(hours=24)), ([(2, 24)], None), ([(1, 1)], timedelta(hours=1)), ([], None)],
    ids=["as before", "more messages", "a shorter period", "none"],
)
def test_what_waits_for_a_cap_is_due_when_the_new_caps_allow_it(
    caps: list[tuple[int, int]],
    waits: timedelta | None,
    connection: Connection,
    rescheduler: RuleChangeRescheduler,
    queue: Queue,
) -> None:
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 24)")
    add_running_mailing(connection, 2, ends_in=3 * 86_400)
    execute(connection, "UPDATE message SET phone_number = 79000000001")
    [claimed] = queue.claim(10)
    queue.record([answer(claimed, "accepted")])
    execute(connection, "UPDATE message SET due_at = now() WHERE status = 'pending'")
    assert queue.claim(10) == []
    execute(connection, "DELETE FROM message_cap")
    for cap in caps:
        execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (%s, %s)", *cap)

    execute(connection, rescheduling.REQUEST_FOR_CAPS)
    finish(rescheduler)

    frees_at = value(connection, "SELECT claimed_until[1] FROM number_usage") + (waits or timedelta())
    [(due_at,)] = rows(connection, "SELECT due_at FROM message WHERE status = 'pending'")
    if waits:
        assert abs(due_at - frees_at) < timedelta(seconds=1)
        assert queue.claim(10) == []
    else:
        assert len(queue.claim(10)) == 1


def test_a_request_for_a_mailing_that_is_settled_ends_without_reading_its_messages(
    connection: Connection, rescheduler: RuleChangeRescheduler
) -> None:
    add_waiting(connection, 9)
    request(connection)
    execute(connection, "UPDATE mailing SET settled_at = now(), status = 'finished', ended_at = now()")

    assert finish(rescheduler) == 1

    assert value(connection, "SELECT count(*) FROM reschedule") == 0


def test_a_request_that_another_worker_has_taken_is_left_to_it(
    connection: Connection, connect: Connect, rescheduler: RuleChangeRescheduler
) -> None:
    add_waiting(connection)
    execute(connection, SET_WINDOW, *ALL_DAY)
    request(connection)
    before = due_times(connection)
    other = connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute(rescheduling.TAKE_REQUEST, {"after": 0})

    assert in_background(lambda: finish(rescheduler)).result(PATIENCE) == 1

    assert due_times(connection) == before
    assert value(connection, "SELECT count(*) FROM reschedule") == 1


def test_what_a_claim_postpones_by_old_values_is_found(
    connection: Connection, connect: Connect, rescheduler: RuleChangeRescheduler
) -> None:
    window = add_waiting(connection)
    opens = due_times(connection)[0]
    execute(connection, "UPDATE message SET due_at = now() - interval '1 second', reason_code = NULL")
    claim = connect()
    claim.autocommit = False
    execute(claim, "UPDATE message SET due_at = %s, reason_code = 'outside_local_window'", opens)
    execute(connection, "UPDATE client SET timezone = 'Asia/Tokyo'")
    request(connection)

    running = in_background(lambda: finish(rescheduler))
    wait_for_lock_waiter(connection)
    claim.commit()
    running.result(PATIENCE)

    assert due_times(connection) == [opening(window, TOKYO)]


def test_a_client_that_moves_while_a_launch_waits_for_it_is_not_without_a_time_zone(
    connection: Connection, connect: Connect, maintenance: Maintenance
) -> None:
    add_clients(connection, 1)
    add_mailing(connection, ends_in=86_400, local_from=0, local_until=1440, local_weekdays=127)
    editor = connect()
    editor.autocommit = False
    execute(editor, "SELECT FROM client FOR UPDATE")
    execute(editor, "UPDATE client SET timezone = 'Asia/Tokyo'")

    launching = in_background(maintenance.run)
    wait_for_lock_waiter(connection)
    editor.commit()
    launching.result(PATIENCE)

    assert rows(connection, "SELECT status::text, reason_code FROM message") == [("pending", None)]


def test_a_due_time_by_other_zone_rules_leads_to_no_request_outside_the_window(
    connection: Connection, queue: Queue
) -> None:
    """As after an update of the server's tzdata: what was computed before is wrong by some hours."""
    window = add_waiting(connection)
    execute(connection, "UPDATE message SET due_at = now()")  # too early: by the older rules it opens now

    assert queue.claim(10) == []
    assert due_times(connection) == [opening(window, MOSCOW)]

    wait_for_new_day(connection, MOSCOW.key)
    now = datetime.now(MOSCOW)
    execute(connection, SET_WINDOW, max(now.hour * 60 + now.minute - 60, 0), 1440)
    execute(connection, "UPDATE message SET due_at = now()")  # too late: it opened an hour ago
    assert [one.message_id for one in queue.claim(10)] == [1]


Act = Callable[[Connection], None]


def retry_by_a_person(connection: Connection) -> None:
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now(), due_at = now()")
    with connection.cursor() as cursor:
        cursor.execute(RETRY_MESSAGES, {"ids": [1], "status": "failed"})


def queue_again(connection: Connection) -> None:
    execute(connection, "DELETE FROM queue_batch")
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_AGAIN, {"mailing_id": 1})


@pytest.mark.parametrize("act", [retry_by_a_person, queue_again], ids=["a retry", "a mailing that is reopened"])
def test_what_is_due_again_still_waits_for_its_window(act: Act, connection: Connection, queue: Queue) -> None:
    window = add_waiting(connection)
    act(connection)
    assert message(connection, 1)["due_at"] <= datetime.now(UTC)

    assert queue.claim(10) == []
    assert due_times(connection) == [opening(window, MOSCOW)]
    assert message(connection, 1)["reason_code"] == "outside_local_window"


def due_in_hours(connection: Connection, rules: dict[str, Any], has_cap: bool, reason: str | None) -> None:
    add_running_mailing(connection, 1, ends_in=86_400)
    assignments = ", ".join(f"{name} = %s" for name in rules)
    execute(connection, f"UPDATE mailing SET {assignments}", *rules.values())  # noqa: S608  our names
    if has_cap:
        execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 24)")
    execute(connection, "DELETE FROM queue_batch")
    execute(connection, "UPDATE message SET due_at = now() + interval '20 hours', reason_code = %s", reason)


@pytest.mark.parametrize(
    ("rules", "has_cap", "reason", "is_advanced"),
    [
        ({"kind": "marketing"}, False, None, True),
        ({"kind": "service"}, True, None, True),
        ({"kind": "marketing"}, True, "over_cap", False),
        ({"kind": "marketing"}, True, None, True),
        ({"local_from": 0, "local_until": 1440, "local_weekdays": 127}, False, "throttled", True),
    ],
    ids=[
        "nothing to wait for",
        "a service message is under no cap",
        "a cap",
        "a message that waits for no cap",
        "a repeat that waits for no window",
    ],
)
def test_after_a_step_of_the_clock_only_what_may_wait_so_long_stays(
    rules: dict[str, Any],
    has_cap: bool,
    reason: str | None,
    is_advanced: bool,
    connection: Connection,
    open_database: OpenDatabase,
) -> None:
    due_in_hours(connection, rules, has_cap, reason)
    ClockStepRescheduler(open_database(), 60.0).run()
    assert (due_times(connection)[0] <= datetime.now(UTC)) is is_advanced


def test_after_a_step_of_the_clock_a_local_window_is_still_waited_for(
    connection: Connection, open_database: OpenDatabase, open_queue: OpenQueue
) -> None:
    add_waiting(connection, ends_in=86_400)
    before = due_times(connection)
    ClockStepRescheduler(open_database(), 60.0).run()
    assert due_times(connection) == before

    execute(connection, "DELETE FROM queue_batch")
    execute(connection, "UPDATE message SET due_at = now() + interval '2 days'")  # beyond the end
    ClockStepRescheduler(open_database(), 60.0).run()
    assert open_queue("left").claim(10) == []
    assert due_times(connection)[0] <= before[0]


def test_a_retry_that_is_due_after_the_end_of_its_mailing_is_no_step_of_the_clock(
    connection: Connection, open_database: OpenDatabase
) -> None:
    add_running_mailing(connection, 1, ends_in=5.0, local_from=0, local_until=1440, local_weekdays=127)
    execute(connection, "UPDATE message SET due_at = now() + interval '20 seconds'")
    before = due_times(connection)
    ClockStepRescheduler(open_database(), 60.0).run()
    assert due_times(connection) == before
