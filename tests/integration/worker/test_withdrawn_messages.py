"""Messages that a claim has leased and must not send: nothing is lost, nothing is counted, and nobody is held up."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.json_parameter import json_parameter
from shared.sql.suppressions import LIFT_SUPPRESSION
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_running_mailing,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.integration.worker.test_claim_rules import ALL_DAY, closed_window, suppress
from tests.ledger_rules import broken_rules
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.queue import Queue

IN_DAYS = 3 * 86_400.0


def set_window(connection: Connection, window: dict[str, object], mailing_id: int = 1) -> None:
    columns = ", ".join(f"{name} = %s" for name in window)
    execute(connection, f"UPDATE mailing SET {columns} WHERE id = %s", *window.values(), mailing_id)  # noqa: S608


def lose_twice(connection: Connection, queue: Queue) -> None:
    """All messages become poison messages."""
    for _ in range(2):
        assert queue.claim(10)
        expire_leases(connection)
        reclaim(queue)


def test_a_poison_message_waits_for_its_window_as_one_and_holds_up_no_other(
    connection: Connection, open_queue: OpenQueue
) -> None:
    queue = open_queue(max_attempts=10)
    add_running_mailing(connection, 1, ends_in=IN_DAYS)
    add_running_mailing(connection, 1, ends_in=IN_DAYS)
    lose_twice(connection, queue)
    set_window(connection, closed_window())

    taken = queue.claim_poison_message()

    assert taken is not None
    assert taken.message_id == 2
    assert queue.claim(10) == []
    queue.record([answer(taken, "accepted")])
    assert queue.claim_poison_message() is None
    assert value(connection, "SELECT due_at = 'infinity' FROM message WHERE id = 1")
    set_window(connection, ALL_DAY)
    alone = queue.claim_poison_message()
    assert alone is not None
    assert alone.message_id == 1
    assert broken_rules(connection) == {}


def test_a_poison_message_that_a_cap_puts_off_stays_one(connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue(max_attempts=10)
    add_running_mailing(connection, 2, ends_in=IN_DAYS)
    lose_twice(connection, queue)
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 24)")
    other = "INSERT INTO number_usage VALUES (%s, ARRAY[1000000], ARRAY[now() + interval '1 minute'])"
    execute(connection, other, FIRST_PHONE + 1)

    assert queue.claim_poison_message() is None
    assert value(connection, "SELECT due_at = 'infinity' AND reason_code = 'over_cap' FROM message WHERE id = 1")
    taken = queue.claim_poison_message()
    assert taken is not None
    assert taken.message_id == 2
    assert broken_rules(connection) == {}


def test_what_is_withdrawn_stays_as_it_was_before_the_claim(connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue(max_attempts=10)
    fields = {"name": "text"}
    add_running_mailing(connection, 4, ends_in=IN_DAYS, text='Hi {{ name | default: "you" }}', fields=fields)
    first = {one.message_id: one for one in queue.claim(4)}
    queue.release([first[1]])
    queue.record([answer(first[2], "throttled"), answer(first[3], "ambiguous"), answer(first[4], "throttled")])
    make_due(connection)
    assert value(connection, "SELECT count(*) FROM message WHERE reason_params IS NOT NULL") == 3
    columns = "SELECT id, status::text, attempts, text_revision, text_values, in_doubt, phone_number FROM message"
    before = rows(connection, f"{columns} ORDER BY id")
    set_window(connection, closed_window())

    assert queue.claim(10) == []

    assert rows(connection, f"{columns} ORDER BY id") == before
    reasons = rows(connection, "SELECT DISTINCT reason_code, reason_params FROM message")
    assert reasons == [("outside_local_window", None)]
    assert value(connection, "SELECT count(*) FROM claim") == 0
    assert broken_rules(connection) == {}
    suppress(connection, FIRST_PHONE + 2)
    suppress(connection, FIRST_PHONE + 3, "gateway", 1)
    set_window(connection, ALL_DAY)
    make_due(connection)
    sent = queue.claim(10)
    assert {one.message_id for one in sent} == {1, 4}
    queue.record([answer(one, "accepted") for one in sent])
    ended = rows(connection, "SELECT status::text, attempts FROM message ORDER BY id")
    assert ended == [("sent", 1), ("cancelled", 1), ("unknown", 1), ("sent", 2)]
    assert broken_rules(connection) == {}


def test_a_refusal_that_comes_while_another_one_is_lifted_is_recorded(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    suppress(connection, FIRST_PHONE + 1)
    execute(connection, "UPDATE message SET status = 'pending', ended_at = NULL, due_at = now()")
    editor, recorder = connect(), connect()
    editor.autocommit = False
    with editor.cursor() as cursor:
        given = {"id": 1, "lifted_by": "a person", "evidence": json_parameter({"note": "asked by telephone"})}
        cursor.execute(LIFT_SUPPRESSION, given)

    refusing = in_background(lambda: suppress(recorder, FIRST_PHONE + 1))
    wait_for_lock_waiter(connection)
    editor.commit()
    refusing.result(PATIENCE)

    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1
    assert queue.claim(10) == []
    assert message(connection, 1)["reason_code"] == "suppressed"
