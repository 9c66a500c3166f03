"""Clients that are removed or get another phone number while their message is in flight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_clients,
    add_running_mailing,
    change_message,
    execute,
    expire_leases,
    make_due,
    message,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import ClaimedMessage
from worker.queue import Queue

NEW_PHONE = 79990001122
REMOVED = "client_removed"

PutDown = Callable[[Queue, Connection, ClaimedMessage], None]


def record(name: str) -> PutDown:
    return lambda queue, connection, delivery: queue.record([answer(delivery, name)])


def release(queue: Queue, connection: Connection, delivery: ClaimedMessage) -> None:
    queue.release([delivery])


def expire_lease(queue: Queue, connection: Connection, delivery: ClaimedMessage) -> None:
    expire_leases(connection)
    reclaim(queue)


def remove_client(connection: Connection) -> None:
    """As the API does it: the client first, then its messages that wait."""
    execute(connection, "DELETE FROM client WHERE tag <> 'stays'")
    execute(
        connection,
        "UPDATE message SET status = 'cancelled', ended_at = now(), reason_code = %s WHERE status = 'pending'",
        REMOVED,
    )


def change_phone(connection: Connection) -> None:
    """As the API does it: a new number reaches the messages that no attempt has been made for."""
    execute(connection, "UPDATE client SET phone_number = %s, operator_code = '999' WHERE tag <> 'stays'", NEW_PHONE)
    execute(connection, "UPDATE message SET phone_number = %s WHERE status = 'pending' AND attempts = 0", NEW_PHONE)


def claim(connection: Connection, queue: Queue) -> ClaimedMessage:
    add_running_mailing(connection, 1)
    add_clients(connection, 1, tag="stays")
    [delivery] = queue.claim(1)
    return delivery


def end_of(connection: Connection) -> tuple[Any, ...]:
    now = message(connection, 1)
    return now["status"], now["reason_code"]


@pytest.mark.parametrize(
    ("end_attempt", "end"),
    [
        (record("refused"), ("cancelled", REMOVED)),
        (record("throttled"), ("cancelled", REMOVED)),
        (record("unauthorized"), ("cancelled", REMOVED)),
        (record("ambiguous"), ("unknown", REMOVED)),
        (record("accepted"), ("sent", None)),
        (record("refused for good"), ("failed", "provider_said")),
        (release, ("cancelled", REMOVED)),
        (expire_lease, ("unknown", REMOVED)),
    ],
)
def test_the_message_of_a_client_that_was_removed_does_not_wait_again(
    end_attempt: PutDown, end: tuple[str, str | None], connection: Connection, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    remove_client(connection)

    end_attempt(queue, connection, delivery)

    assert end_of(connection) == end


def test_a_message_that_was_in_doubt_before_ends_as_unknown(connection: Connection, queue: Queue) -> None:
    queue.record([answer(claim(connection, queue), "ambiguous")])
    make_due(connection)
    again = queue.claim(1)
    remove_client(connection)

    queue.release(again)

    assert end_of(connection) == ("unknown", REMOVED)


@pytest.mark.parametrize("end_attempt", [record("refused"), release])
def test_a_removal_under_way_is_waited_for(
    end_attempt: PutDown, connection: Connection, connect: Connect, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    remover = connect()
    remover.autocommit = False
    remove_client(remover)
    putting_down = in_background(lambda: end_attempt(queue, connection, delivery))
    wait_for_lock_waiter(connection)

    remover.commit()

    putting_down.result(PATIENCE)
    assert end_of(connection) == ("cancelled", REMOVED)


def test_a_removal_that_comes_second_waits_and_finds_the_message(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    holder, remover = connect(), connect()
    holder.autocommit = remover.autocommit = False
    # The record gets as far as the message, with the client locked, and waits there for the holder.
    execute(holder, "SELECT FROM message FOR UPDATE")
    recording = in_background(lambda: queue.record([answer(delivery, "refused")]))
    wait_for_lock_waiter(connection)
    removal = in_background(lambda: remove_client(remover))
    holder.rollback()

    recording.result(PATIENCE)
    removal.result(PATIENCE)
    remover.commit()
    assert end_of(connection) == ("cancelled", REMOVED)


def test_a_new_phone_number_reaches_a_message_that_is_released_before_its_first_attempt(
    connection: Connection, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    change_phone(connection)

    queue.release([delivery])

    assert message(connection, 1)["phone_number"] == NEW_PHONE


def test_a_change_of_phone_number_under_way_is_waited_for(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    changer = connect()
    changer.autocommit = False
    change_phone(changer)
    releasing = in_background(lambda: queue.release([delivery]))
    wait_for_lock_waiter(connection)

    changer.commit()

    releasing.result(PATIENCE)
    assert message(connection, 1)["phone_number"] == NEW_PHONE


@pytest.mark.parametrize("end_attempt", [record("refused"), record("ambiguous"), expire_lease])
def test_a_message_that_was_attempted_keeps_its_phone_number(
    end_attempt: PutDown, connection: Connection, queue: Queue
) -> None:
    delivery = claim(connection, queue)
    change_phone(connection)

    end_attempt(queue, connection, delivery)
    make_due(connection)
    queue.release(queue.claim(1))

    assert message(connection, 1)["phone_number"] == FIRST_PHONE + 1


def test_an_end_that_somebody_gave_it_meanwhile_stays(connection: Connection, queue: Queue) -> None:
    delivery = claim(connection, queue)
    change_message(connection, 1, "status = 'unknown', ended_at = now(), reason_code = 'by hand'")
    remove_client(connection)

    queue.record([answer(delivery, "refused")])

    assert end_of(connection) == ("unknown", "by hand")
