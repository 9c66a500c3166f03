"""Inbound messages: put together of their parts, and matched to clients and messages."""

from __future__ import annotations

import logging
import subprocess
import sys
from itertools import permutations
from random import Random
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import InboundPart
from shared.gateways.receipt_rows import inbound_rows
from shared.sql.inbound import ADD_INBOUND, LOCK_INBOUND
from tests.conftest import Connect
from tests.factories import add_clients, add_mailing, add_running_mailing, execute, rows, value
from tests.inbound import WRITER, add_inbound_message, forward, let_come_earlier
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase
from tests.waiting import PATIENCE, eventually, in_background, wait_for_lock_waiter
from worker.maintenance.inbound_assembler import InboundAssembler
from worker.maintenance.retention import Retention
from worker.queue import Queue

# Puts inbound messages together until it is killed.
ASSEMBLE_FOREVER = """
import sys, threading
from worker.database import Database
from worker.maintenance.inbound_assembler import InboundAssembler
assembler = InboundAssembler(Database(sys.argv[1], threading.Event(), "gonets test"))
while True:
    assembler.run()
"""


@pytest.fixture
def assembler(open_database: OpenDatabase) -> InboundAssembler:
    return InboundAssembler(open_database())


def part(number: int, text: str, *, parts: int = 2, reference: str | None = "7", **given: Any) -> InboundPart:
    """A part that has an id of its own at the provider, unless one is given."""
    given = {"sender": f"+{WRITER}", "recipient": "1001", "provider_message_id": f"{reference}-{text}", **given}
    return InboundPart(text=text, reference=reference, part=number, parts=parts, **given)


def texts(connection: Connection) -> list[str]:
    return [text for (text,) in rows(connection, "SELECT text FROM inbound_message ORDER BY id")]


def unassembled(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM inbound_part WHERE inbound_message_id IS NULL"))


def test_a_message_is_matched_to_its_client_and_the_last_message_to_them(
    assembler: InboundAssembler, connection: Connection, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 1)
    queue.record([answer(message, "accepted") for message in queue.claim(10)])
    execute(connection, "UPDATE message SET sent_at = now() - interval '1 hour'")
    client_id, message_id = rows(connection, "SELECT client_id, id FROM message")[0]

    with caplog.at_level(logging.INFO):
        forward(connection, InboundPart(sender=f"+{WRITER}", recipient="1001", text="Yes\nplease"))
        assembler.run()

    found = "SELECT phone_number, client_id, message_id, text, parts, parts_received, gateway_id FROM inbound_message"
    assert rows(connection, found) == [(WRITER, client_id, message_id, "Yes\nplease", 1, 1, 1)]
    assert unassembled(connection) == 0
    [event] = [record for record in caplog.records if record.message == "inbound.assembled"]
    assert (event.messages, event.incomplete, event.changed) == (1, 0, 0)  # type: ignore[attr-defined]


def test_the_message_is_one_of_the_same_gateway_and_sent_before(
    assembler: InboundAssembler, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    for _ in range(3):
        other = add_mailing(connection)
        execute(
            connection,
            "INSERT INTO message (mailing_id, client_id, phone_number) SELECT %s, client_id, phone_number FROM message"
            " WHERE mailing_id = %s",
            other,
            mailing_id,
        )
    ids = [message_id for (message_id,) in rows(connection, "SELECT id FROM message ORDER BY id")]
    send = (
        "UPDATE message SET status = 'sent', gateway_id = %s, sent_at = now() + %s::interval, ended_at = now()"
        " WHERE id = %s"
    )
    for message_id, (gateway_id, at) in zip(
        ids, [(1, "-3 hours"), (1, "-2 hours"), (2, "-1 hour"), (1, "1 hour")], strict=True
    ):
        execute(connection, send, gateway_id, at, message_id)

    for gateway_id in (1, 2, 3):
        forward(connection, InboundPart(sender=str(WRITER), recipient="", text="Yes"), gateway_id=gateway_id)
    assembler.run()

    matched = [message_id for (message_id,) in rows(connection, "SELECT message_id FROM inbound_message ORDER BY id")]
    assert matched == [ids[1], ids[2], ids[2]]


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        (f"00{WRITER}", WRITER),
        ("89000000001", 89_000_000_001),
        ("0900000000", None),
        ("InfoSMS", None),
        ("1001", None),
    ],
)
def test_a_sender_is_matched_only_by_exactly_its_digits(
    assembler: InboundAssembler, connection: Connection, sender: str, number: int | None
) -> None:
    add_clients(connection, 1)
    forward(connection, InboundPart(sender=sender, recipient="1001", text="Yes"))

    assembler.run()

    client_id = 1 if number == WRITER else None
    assert rows(connection, "SELECT sender, phone_number, client_id FROM inbound_message") == [
        (sender, number, client_id)
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_parts_are_put_together_in_whatever_order_they_come(
    assembler: InboundAssembler, connection: Connection, order: tuple[int, ...]
) -> None:
    parts = [part(1, "one ", parts=3), part(2, "two ", parts=3), part(3, "three", parts=3)]

    for index in order:
        assert texts(connection) == []
        forward(connection, parts[index], parts[order[0]])  # the first one is repeated
        assembler.run()
    forward(connection, *parts)
    assembler.run()

    assert texts(connection) == ["one two three"]
    assert unassembled(connection) == 0


@pytest.mark.parametrize(
    "changes",
    [{"sender": "+79000000002"}, {"recipient": "1002"}, {"reference": "8"}, {"parts": 3}, {"reference": None}],
)
def test_parts_of_different_messages_are_kept_apart(
    assembler: InboundAssembler, connection: Connection, changes: dict[str, Any]
) -> None:
    forward(connection, part(1, "one "), part(2, "two", **changes))
    forward(connection, part(2, "two", provider_message_id="elsewhere"), gateway_id=2)

    assembler.run()

    assert texts(connection) == []
    assert unassembled(connection) == 3


def test_after_ten_minutes_a_message_is_shown_without_what_is_missing_and_completed_later(
    assembler: InboundAssembler, connection: Connection
) -> None:
    forward(connection, part(3, "three", parts=4))
    let_come_earlier(connection, "9 minutes")
    assembler.run()
    assert texts(connection) == []

    let_come_earlier(connection, "2 minutes")
    assembler.run()
    assert texts(connection) == ["[…]three[…]"]
    execute(connection, "UPDATE inbound_message SET read_at = now(), read_by = 'anna'")

    forward(connection, part(1, "one ", parts=4))
    assembler.run()
    assert texts(connection) == ["one […]three[…]"]
    unread = "SELECT parts_received, read_at, read_by FROM inbound_message"
    assert rows(connection, unread) == [(2, None, None)], "it has got more text: it is unread again"

    forward(connection, part(4, ".", parts=4), part(2, "two ", parts=4))
    assembler.run()
    assert texts(connection) == ["one two three."]
    assert unassembled(connection) == 0


def test_a_reference_is_used_again(assembler: InboundAssembler, connection: Connection) -> None:
    forward(connection, part(1, "lost "))
    let_come_earlier(connection, "23 hours")
    assembler.run()
    forward(connection, part(1, "first "), part(2, "message"))
    assembler.run()
    forward(connection, part(1, "second "))
    forward(connection, part(2, "one"))
    assembler.run()

    # Of several messages that lack a part, it belongs to the one whose other parts came last.
    assert texts(connection) == ["lost […]", "first message", "second one"]


def test_parts_that_came_a_day_apart_belong_to_different_messages(
    assembler: InboundAssembler, connection: Connection
) -> None:
    forward(connection, part(1, "one ", parts=3))
    let_come_earlier(connection, "13 hours")
    assembler.run()
    forward(connection, part(2, "two ", parts=3))
    let_come_earlier(connection, "12 hours")
    assembler.run()
    assert texts(connection) == ["one two […]"]

    forward(connection, part(3, "three", parts=3))
    assembler.run()
    let_come_earlier(connection, "11 minutes")
    assembler.run()

    assert texts(connection) == ["one two […]", "[…]three"]


def test_a_part_that_the_network_repeats_adds_nothing(assembler: InboundAssembler, connection: Connection) -> None:
    forward(connection, part(1, "one "), part(1, "one ", provider_message_id="again"))
    forward(connection, part(2, "two"))
    assembler.run()
    forward(connection, part(2, "two", provider_message_id="again too"))
    assembler.run()

    assert texts(connection) == ["one two"]
    assert unassembled(connection) == 0


def test_equal_messages_without_ids_are_different_messages(assembler: InboundAssembler, connection: Connection) -> None:
    for _ in range(2):
        forward(connection, InboundPart(sender=f"+{WRITER}", recipient="1001", text="Yes"))
        assembler.run()

    assert texts(connection) == ["Yes", "Yes"]


def test_waiting_parts_do_not_delay_others(
    assembler: InboundAssembler, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.inbound_assembler.MESSAGE_LIMIT", 2)
    forward(connection, *(part(1, "one ", reference=str(number)) for number in range(10)))
    forward(connection, *(part(1, f"whole {number}", parts=1, sender=f"7900000000{number}") for number in range(3)))

    assert assembler.run() is True
    assert assembler.run() is False
    assert sorted(texts(connection)) == ["whole 0", "whole 1", "whole 2"]


def test_equal_parts_do_not_delay_others(
    assembler: InboundAssembler, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many parts as a message has, which are all the first one, are none."""
    monkeypatch.setattr("worker.maintenance.inbound_assembler.MESSAGE_LIMIT", 2)
    for number in range(3):
        forward(connection, *(part(1, text, reference=str(number)) for text in ("one ", "another ")))
    forward(connection, part(1, "whole", parts=1))

    assembler.run()

    assert texts(connection) == ["whole"]


def test_a_message_that_somebody_changes_waits_for_its_parts(
    assembler: InboundAssembler, connect: Connect, connection: Connection
) -> None:
    forward(connection, part(1, "one "))
    let_come_earlier(connection, "11 minutes")
    assembler.run()
    other = connect()
    execute(other, "BEGIN")
    execute(other, "UPDATE inbound_message SET read_at = now(), read_by = 'anna'")

    forward(connection, part(2, "two"))
    assembler.run()
    assert texts(connection) == ["one […]"]

    execute(other, "COMMIT")
    assembler.run()
    assert texts(connection) == ["one two"]


def test_one_worker_at_a_time_puts_messages_together(
    assembler: InboundAssembler, connect: Connect, connection: Connection
) -> None:
    forward(connection, part(1, "Yes", parts=1))
    other = connect()
    execute(other, "BEGIN")
    assert value(other, LOCK_INBOUND) is True

    assert assembler.run() is False
    assert texts(connection) == []

    execute(other, "ROLLBACK")
    assembler.run()
    assert texts(connection) == ["Yes"]


def test_every_message_is_stored_once_whatever_workers_are_killed(
    clean_database: str, assembler: InboundAssembler, connection: Connection
) -> None:
    random = Random(16)
    messages = {str(number): [f"{number}.{index} " for index in range(1, number % 4 + 2)] for number in range(300)}
    parts = [
        part(index, text, parts=len(texts_of), reference=reference)
        for reference, texts_of in messages.items()
        for index, text in enumerate(texts_of, start=1)
    ]
    random.shuffle(parts)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", ASSEMBLE_FOREVER, clean_database])

    workers = [start(), start()]
    try:
        for begin in range(0, len(parts), 75):
            stored = len(texts(connection))
            forward(connection, *parts[begin : begin + 75])  # whole messages are among them
            eventually(lambda stored=stored: len(texts(connection)) > stored)  # type: ignore[misc]
            killed = random.randrange(2)
            workers[killed].kill()
            workers[killed].wait()
            workers[killed] = start()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    eventually(lambda: assembler.run() or unassembled(connection) == 0)

    assert sorted(texts(connection)) == sorted("".join(texts_of) for texts_of in messages.values())


def test_old_messages_go_after_the_retention_time(
    open_database: OpenDatabase, connection: Connection, assembler: InboundAssembler
) -> None:
    forward(connection, part(1, "old "), part(2, "one"))
    assembler.run()
    let_come_earlier(connection, "31 days")
    kept = add_inbound_message(connection, "new")

    Retention(open_database(), 0).run()
    assert texts(connection) == ["old one", "new"], "without a retention time they are kept"
    Retention(open_database(), 30).run()

    assert rows(connection, "SELECT id FROM inbound_message") == [(kept,)]
    assert rows(connection, "SELECT id FROM inbound_part") == []


def test_the_maintenance_of_a_worker_does_it(maintenance: Any, connection: Connection) -> None:
    forward(connection, part(1, "Yes", parts=1))

    maintenance.run()

    assert texts(connection) == ["Yes"]


def test_adding_a_callback_again_adds_nothing(connection: Connection) -> None:
    """As after a commit that was not acknowledged. The next callback is another message."""
    for added in (1, 2):
        unrecognised = {"parts": inbound_rows(1, [InboundPart(sender=f"+{WRITER}", recipient="1001", text="Yes")])}
        with connection.cursor() as cursor:
            cursor.execute(ADD_INBOUND, unrecognised)
            cursor.execute(ADD_INBOUND, unrecognised)
        assert unassembled(connection) == added


def test_an_id_that_a_provider_gives_again_loses_no_message(
    assembler: InboundAssembler, connection: Connection
) -> None:
    for text in ("Yes", "No", "Yes"):
        forward(connection, part(1, text, parts=1, provider_message_id="7"))
        assembler.run()

    assert texts(connection) == ["Yes", "No"]


def test_a_part_that_is_erased_meanwhile_is_not_stored_and_the_others_are(
    connect: Connect, connection: Connection, open_database: OpenDatabase
) -> None:
    for number in (1, 2):
        forward(connection, InboundPart(sender=f"+7900000000{number}", recipient="1001", text="STOP"))
    erasure = connect()
    erasure.autocommit = False
    execute(erasure, "DELETE FROM inbound_part WHERE id = 1")

    assembling = in_background(InboundAssembler(open_database()).run)
    wait_for_lock_waiter(connection)
    erasure.commit()

    assembling.result(PATIENCE)
    assert rows(connection, "SELECT sender FROM inbound_message") == [("+79000000002",)]
