"""Caps: at most n marketing messages to one number in any period, over all mailings."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql import caps
from tests.conftest import Connect
from tests.factories import FIRST_PHONE, add_running_mailing, change_message, execute, message, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import ClaimedMessage
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

DAY = 24
NUMBER = FIRST_PHONE + 1


def add_cap(connection: Connection, messages: int, period_hours: int = DAY) -> None:
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (%s, %s)", messages, period_hours)


def add_mailings(connection: Connection, count: int, messages: int = 1, **given: object) -> list[int]:
    """So many running mailings, each with a message to each of the same numbers."""
    added = [add_running_mailing(connection, messages, **given) for _ in range(count)]
    for mailing_id in added:
        execute(
            connection,
            "UPDATE message SET phone_number = %s + (SELECT count(*) FROM message AS other "
            "WHERE other.mailing_id = message.mailing_id AND other.id <= message.id) WHERE mailing_id = %s",
            FIRST_PHONE,
            mailing_id,
        )
    return added


def claim_all(queue: Queue, limit: int = 100) -> list[ClaimedMessage]:
    """Claims until there is nothing more to claim."""
    claimed = []
    while (part := queue.claim(limit)) or queue.may_have_more:
        claimed += part
    return claimed


def accept(queue: Queue, claimed: list[ClaimedMessage]) -> None:
    queue.record([answer(one, "accepted") for one in claimed])


def fall_out(connection: Connection, hours: float) -> None:
    """Lets that time pass for everything that is counted."""
    execute(
        connection,
        "UPDATE number_usage SET claimed_until = ARRAY(SELECT until - %s * interval '1 hour' "
        "FROM unnest(claimed_until) AS until)",
        hours,
    )


def count(connection: Connection, numbers: Mapping[int, int]) -> set[int]:
    """Counts messages by the numbers that they go to, in this order. Returns the numbers where the caps allow it."""
    given = {"ids": list(numbers), "phones": list(numbers.values()), "lease": 30.0}
    with connection.cursor() as cursor:
        cursor.execute(caps.COUNT_MESSAGES, given)
        return {phone_number for (phone_number,) in cursor.fetchall()}


def outcomes(connection: Connection) -> list[tuple[str, str | None]]:
    return [(one[0], one[1]) for one in rows(connection, "SELECT status::text, reason_code FROM message ORDER BY id")]


def test_a_number_gets_no_more_than_its_cap_in_one_claim_or_several(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 2)
    add_mailings(connection, 3, ends_in=3 * 86_400)

    accept(queue, claimed := claim_all(queue))

    assert len(claimed) == 2
    assert queue.withdrawn == {"over_cap": 1}
    [waiting] = {1, 2, 3} - {one.message_id for one in claimed}
    found = message(connection, waiting)
    assert (found["status"], found["reason_code"], found["attempts"]) == ("pending", "over_cap", 0)
    assert value(connection, "SELECT message_ids FROM number_usage") == sorted(one.message_id for one in claimed)
    # A fourth, in a claim of its own.
    add_mailings(connection, 1, ends_in=3 * 86_400)
    assert claim_all(queue) == []
    # It is due when the first of those that are counted falls out of the period.
    execute(connection, "UPDATE message SET due_at = now() WHERE id = %s", waiting)
    assert claim_all(queue) == []
    frees_at = value(connection, "SELECT claimed_until[1] FROM number_usage") + timedelta(hours=DAY)
    assert abs(message(connection, waiting)["due_at"] - frees_at) < timedelta(seconds=1)
    fall_out(connection, DAY + 1)
    execute(connection, "UPDATE message SET due_at = now() WHERE id = %s", waiting)
    assert [one.message_id for one in claim_all(queue)] == [waiting]


@pytest.mark.parametrize("kind", ["service", "reply"])
def test_service_messages_and_replies_are_neither_counted_nor_capped(
    kind: str, connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 2, kind=kind)

    assert len(claim_all(queue)) == 2
    assert value(connection, "SELECT count(*) FROM number_usage") == 0
    add_mailings(connection, 1)
    assert len(claim_all(queue)) == 1


@pytest.mark.parametrize(
    ("over_cap", "ends_in", "in_doubt", "expected"),
    [
        ("cancel", 3 * 86_400, False, ("cancelled", "over_cap")),
        ("cancel", 3 * 86_400, True, ("unknown", "over_cap")),
        ("wait", 3600, False, ("expired", "over_cap")),
        ("wait", 3600, True, ("unknown", "over_cap")),
        ("wait", 3 * 86_400, True, ("pending", "over_cap")),
    ],
)
def test_what_is_over_the_cap_waits_or_ends_as_its_mailing_says(
    over_cap: str, ends_in: float, in_doubt: bool, expected: tuple[str, str], connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    accept(queue, claim_all(queue))
    add_mailings(connection, 1, over_cap=over_cap, ends_in=ends_in)
    if in_doubt:
        execute(connection, "UPDATE message SET in_doubt = true, attempts = 1, gateway_id = 1 WHERE id = 2")

    assert claim_all(queue) == []

    assert outcomes(connection)[1] == expected
    assert message(connection, 2)["in_doubt"] is in_doubt


def test_every_cap_must_allow_it_and_the_last_one_decides_when(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 1, 1)
    add_cap(connection, 2, 7 * DAY)
    add_mailings(connection, 1, ends_in=30 * 86_400)
    accept(queue, claim_all(queue))
    add_mailings(connection, 2, ends_in=30 * 86_400)
    assert claim_all(queue) == []
    in_an_hour = datetime.now(UTC) + timedelta(hours=1, minutes=1)
    assert message(connection, 2)["due_at"] < in_an_hour

    fall_out(connection, 2)
    execute(connection, "UPDATE message SET due_at = now() WHERE status = 'pending'")
    accept(queue, claimed := claim_all(queue))
    assert len(claimed) == 1

    # Now the week's cap is reached as well: until the first one falls out.
    [waiting] = {2, 3} - {one.message_id for one in claimed}
    execute(connection, "UPDATE message SET due_at = now() WHERE id = %s", waiting)
    assert claim_all(queue) == []
    expected = datetime.now(UTC) + timedelta(days=7, hours=-2)
    assert abs(message(connection, waiting)["due_at"] - expected) < timedelta(minutes=5)


def test_a_repeat_takes_the_place_of_its_message(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    [claimed] = claim_all(queue)
    queue.record([answer(claimed, "ambiguous")])
    execute(connection, "UPDATE message SET due_at = now()")
    before = value(connection, "SELECT claimed_until[1] FROM number_usage")

    assert len(claim_all(queue)) == 1

    assert value(connection, "SELECT message_ids FROM number_usage") == [claimed.message_id]
    assert value(connection, "SELECT claimed_until[1] FROM number_usage") > before


def test_a_repeat_keeps_its_place_when_the_cap_is_lowered(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 2)
    add_mailings(connection, 2)
    first, second = claim_all(queue)
    queue.record([answer(first, "ambiguous"), answer(second, "accepted")])
    execute(connection, "UPDATE message_cap SET messages = 1")
    execute(connection, "UPDATE message SET due_at = now() WHERE status = 'pending'")

    assert [one.message_id for one in claim_all(queue)] == [first.message_id]


def test_a_repeat_that_has_fallen_out_of_one_period_does_not_wait_for_its_own_place_in_another(
    connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1, 1)
    add_cap(connection, 2, 7 * DAY)
    add_mailings(connection, 1, ends_in=30 * 86_400)
    [first] = claim_all(queue)
    queue.record([answer(first, "ambiguous")])
    execute(connection, "UPDATE message SET due_at = now() + interval '1 day'")
    fall_out(connection, 2)
    add_mailings(connection, 1)
    accept(queue, claim_all(queue))
    execute(connection, "UPDATE message SET due_at = now() WHERE id = %s", first.message_id)

    assert claim_all(queue) == []

    assert message(connection, first.message_id)["due_at"] < datetime.now(UTC) + timedelta(hours=1, minutes=1)


def test_a_claim_drops_what_has_fallen_out_of_every_period(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    accept(queue, claim_all(queue))
    fall_out(connection, DAY + 1)
    add_mailings(connection, 1)

    [claimed] = claim_all(queue)

    assert value(connection, "SELECT message_ids FROM number_usage") == [claimed.message_id]


def test_a_message_that_was_certainly_not_sent_gives_its_place_back(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 1)
    for result, expected in (("refused for good", 1), ("unreachable", 1), ("ambiguous", 0)):
        execute(connection, "TRUNCATE number_usage")
        execute(connection, "UPDATE mailing SET status = 'paused' WHERE status = 'running'")
        add_mailings(connection, 1)
        [claimed] = claim_all(queue)
        queue.record([answer(claimed, result)])
        execute(connection, "UPDATE mailing SET status = 'paused' WHERE status = 'running'")
        add_mailings(connection, 1)
        assert len(claim_all(queue)) == expected, result


def test_a_place_that_is_given_back_is_one_place(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 2)
    add_mailings(connection, 2)
    first, second = claim_all(queue)
    queue.record([answer(first, "accepted"), answer(second, "refused for good")])
    add_mailings(connection, 2)

    assert len(claim_all(queue)) == 1


@pytest.mark.parametrize(
    ("status", "claimed"), [("failed", 1), ("expired", 1), ("cancelled", 1), ("unknown", 0), ("sent", 0)]
)
def test_a_message_that_has_ended_keeps_its_place_only_if_it_may_have_been_sent(
    status: str, claimed: int, connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    [first] = claim_all(queue)
    queue.record([answer(first, "throttled")])
    sent_at = "now()" if status == "sent" else "NULL"
    change_message(connection, first.message_id, f"status = '{status}', ended_at = now(), sent_at = {sent_at}")
    add_mailings(connection, 1)

    assert len(claim_all(queue)) == claimed


def test_behind_a_message_in_flight_another_waits_no_longer_than_its_lease(
    connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    [claimed] = claim_all(queue)
    add_mailings(connection, 1)

    assert claim_all(queue) == []

    assert message(connection, 2)["status"] == "pending"
    assert message(connection, 2)["due_at"] == value(connection, "SELECT claimed_until[1] FROM number_usage")
    queue.record([answer(claimed, "refused for good")])
    execute(connection, "UPDATE message SET due_at = now() WHERE id = 2")
    assert len(claim_all(queue)) == 1


def test_of_one_claim_what_is_over_the_cap_waits_no_longer_than_its_lease(connection: Connection, queue: Queue) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    [refused] = claim_all(queue)
    queue.record([answer(refused, "refused for good")])
    add_mailings(connection, 2)

    [claimed] = claim_all(queue)

    [waiting] = {2, 3} - {claimed.message_id}
    assert message(connection, waiting)["due_at"] == value(connection, "SELECT claimed_until[1] FROM number_usage")


def test_what_is_over_a_cap_that_has_just_been_removed_is_decided_again_at_once(connection: Connection) -> None:
    add_mailings(connection, 1)
    execute(connection, "INSERT INTO number_usage VALUES (%s, ARRAY[1000000], ARRAY[now()])", NUMBER)

    with connection.cursor() as cursor:
        cursor.execute(caps.READ_WAITS, {"ids": [1], "mailings": [1], "phones": [NUMBER], "sending": [1]})
        assert cursor.fetchall() == [(1, "wait", 0.0)]


def test_behind_a_message_whose_lease_has_ended_another_waits_until_its_place_is_free(
    connection: Connection, queue: Queue
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1)
    assert len(claim_all(queue)) == 1
    fall_out(connection, 1)  # its lease as well, which nobody has reclaimed yet
    add_mailings(connection, 1, ends_in=3 * 86_400)

    assert claim_all(queue) == []

    frees_at = value(connection, "SELECT claimed_until[1] FROM number_usage") + timedelta(hours=DAY)
    assert abs(message(connection, 2)["due_at"] - frees_at) < timedelta(seconds=1)


def test_no_period_has_more_than_the_cap_however_many_claim_at_once(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_cap(connection, 2)
    add_mailings(connection, 6, 40)
    queues = [open_queue(f"worker-{number}") for number in range(6)]

    def work(queue: Queue) -> None:
        accept(queue, claim_all(queue, 7))

    with ThreadPoolExecutor(len(queues)) as threads:
        list(threads.map(work, queues))

    counted = rows(
        connection,
        "SELECT phone_number, count(*) FROM message JOIN attempt ON message_id = message.id AND result = 'accepted' "
        "GROUP BY phone_number",
    )
    assert len(counted) == 40
    assert {one[1] for one in counted} == {2}


def test_claims_that_count_the_same_numbers_lock_them_in_one_order(connection: Connection, connect: Connect) -> None:
    add_cap(connection, 2)
    first, second = connect(), connect()
    first.autocommit = second.autocommit = False
    count(first, {1: NUMBER})

    counting = in_background(lambda: count(second, {3: NUMBER + 1, 4: NUMBER}))
    wait_for_lock_waiter(connection)
    count(first, {2: NUMBER + 1})  # it would wait for the second one if that had locked this number first
    first.commit()

    assert counting.result(PATIENCE) == {NUMBER, NUMBER + 1}


def test_rows_of_numbers_that_nothing_counts_for_any_more_are_deleted(
    connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    add_cap(connection, 1)
    add_mailings(connection, 1, 3)
    accept(queue, claim_all(queue))
    fall_out(connection, DAY + 1)
    execute(connection, "UPDATE number_usage SET claimed_until[1] = now() WHERE phone_number = %s", NUMBER)

    maintenance.run()

    assert rows(connection, "SELECT phone_number FROM number_usage") == [(NUMBER,)]
    with connection.cursor() as cursor:
        cursor.execute(caps.DELETE_UNUSED, {"after": NUMBER, "limit": 10})
        assert cursor.fetchone() == (0, None)
