"""Keywords of inbound messages: who is suppressed, whose refusal is lifted, and who gets a reply."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import InboundPart
from tests.conftest import Connect
from tests.factories import add_clients, add_gateway, add_running_mailing, execute, message_counts, rows, value
from tests.inbound import WRITER, forward, let_come_earlier
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase
from tests.integration.worker.test_inbound_assembler import part
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter, wait_for_new_day
from worker.maintenance.duties import Maintenance
from worker.maintenance.inbound_assembler import InboundAssembler
from worker.queue import Queue

STOPPED = "You will not receive any more messages from us. To receive them again, reply START."


@pytest.fixture(autouse=True)
def _one_day(connection: Connection) -> None:
    wait_for_new_day(connection)


@pytest.fixture
def assembler(open_database: OpenDatabase) -> InboundAssembler:
    return InboundAssembler(open_database())


def write(
    connection: Connection, assembler: InboundAssembler, *texts: str, sender: str = str(WRITER), **given: Any
) -> None:
    """Forwards messages of one sender, one after the other, and puts them together at once."""
    for text in texts:
        forward(connection, InboundPart(sender=sender, recipient="1001", text=text, **given))
    assembler.run()


def in_force(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT phone_number, scope, source FROM suppression WHERE lifted_at IS NULL ORDER BY id")


def keywords(connection: Connection) -> list[tuple[Any, ...]]:
    """Of each message: the keyword, what it does, whether it is exact, and what was done."""
    found = "SELECT keyword, keyword_action, keyword_is_exact, decision FROM inbound_message ORDER BY id"
    assert rows(connection, "SELECT decided_by FROM inbound_message WHERE decided_by IS NOT NULL") == []
    return rows(connection, found)


def replies(connection: Connection) -> list[tuple[Any, ...]]:
    """The marks and the texts of the mailings of replies, with the numbers that they go to."""
    found = """
        SELECT mark, text,
            (SELECT array_agg(phone_number ORDER BY phone_number) FROM message WHERE mailing_id = mailing.id)
        FROM mailing JOIN mailing_text ON mailing_id = mailing.id AND revision = text_revision
        WHERE kind = 'reply'
        ORDER BY mailing.id
    """
    return rows(connection, found)


def test_a_stop_suppresses_its_sender_and_ends_what_waits(
    assembler: InboundAssembler, connection: Connection, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 2)

    with caplog.at_level(logging.INFO):
        write(connection, assembler, " «Стоп» ")

    assert keywords(connection) == [("стоп", "stop", True, "stop")]
    evidence = value(connection, "SELECT evidence FROM suppression")
    assert evidence.pop("received_at")
    assert evidence == {
        "inbound_message_id": 1,
        "decision": "stop",
        "text": " «Стоп» ",
        "gateway": "default",
        "recipient": "1001",
        "sent_at": None,
    }
    found = "SELECT phone_number, scope, gateway_id, reason, source, recorded_by FROM suppression"
    assert rows(connection, found) == [(WRITER, "everything", None, "opted_out", "keyword", None)]
    assert rows(connection, "SELECT status, reason_code FROM message WHERE mailing_id = 1 ORDER BY id") == [
        ("cancelled", "suppressed"),
        ("pending", None),
    ]
    assert sorted(claimed.phone_number for claimed in queue.claim(10)) == [WRITER, WRITER + 1], "the first is the reply"
    [event] = [record for record in caplog.records if record.message == "keywords.applied"]
    counts = ("stop", "start", "help", "near_misses", "suppressed", "lifted", "replies")
    assert [getattr(event, count) for count in counts] == [1, 0, 0, 0, 1, 0, 1]


def test_the_confirmation_of_a_stop_is_sent_to_the_number_that_is_suppressed_by_then(
    assembler: InboundAssembler, maintenance: Maintenance, connection: Connection, queue: Queue
) -> None:
    add_clients(connection, 1)
    write(connection, assembler, "STOP")
    assert in_force(connection) == [(WRITER, "everything", "keyword")]

    [claimed] = queue.claim(10)
    queue.record([answer(claimed, "accepted")])
    maintenance.run()

    assert claimed.phone_number == WRITER
    assert claimed.text == STOPPED
    assert message_counts(connection, 1) == {"sent": 1}
    found = "SELECT status, kind, mark, audience, on_unknown, gateway_id FROM mailing"
    assert rows(connection, found) == [("finished", "reply", "replies to STOP", 1, "hold", 1)]
    ends = "end_datetime AT TIME ZONE 'UTC' = (start_datetime AT TIME ZONE 'UTC')::date + interval '25 h'"
    assert value(connection, f"SELECT {ends} FROM mailing")  # noqa: S608


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Stop. Thank you", ("stop", "stop", False, None)),
        ("When does it start?", ("start", "start", False, None)),
        ("Yes, please", (None, None, None, None)),
    ],
)
def test_what_is_no_keyword_alone_does_nothing(
    assembler: InboundAssembler, connection: Connection, text: str, found: tuple[Any, ...]
) -> None:
    add_clients(connection, 1)

    write(connection, assembler, text)

    assert keywords(connection) == [found]
    assert in_force(connection) == replies(connection) == []


def test_a_sender_without_a_phone_number_is_neither_suppressed_nor_answered(
    assembler: InboundAssembler, connection: Connection
) -> None:
    write(connection, assembler, "STOP", sender="InfoSMS")

    assert keywords(connection) == [(None, None, None, None)]
    assert in_force(connection) == []


def test_a_sender_who_is_no_client_is_suppressed_and_gets_no_reply(
    assembler: InboundAssembler, connection: Connection
) -> None:
    write(connection, assembler, "STOP", "HELP")

    assert in_force(connection) == [(WRITER, "everything", "keyword")]
    assert replies(connection) == []


@pytest.mark.parametrize(
    ("texts", "is_suppressed", "recorded", "answered"),
    [
        (("STOP", "START", "STOP"), True, 2, ["replies to STOP"]),
        (("STOP", "START"), False, 1, ["replies to START"]),
        (("STOP", "STOP", "HELP"), True, 1, ["replies to HELP", "replies to STOP"]),
    ],
)
def test_keywords_of_one_batch_act_in_the_order_in_which_they_came(
    assembler: InboundAssembler,
    connection: Connection,
    texts: Sequence[str],
    is_suppressed: bool,
    recorded: int,
    answered: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    add_clients(connection, 1)

    write(connection, assembler, *texts)

    assert bool(in_force(connection)) is is_suppressed
    assert value(connection, "SELECT count(*) FROM suppression") == recorded
    [event] = [vars(record) for record in caplog.records if record.message == "keywords.applied"]
    assert (event["suppressed"], event["lifted"]) == (recorded, recorded - len(in_force(connection)))
    assert sorted(mark for mark, _, _ in replies(connection)) == answered


def test_all_keywords_of_each_number_act_however_many_the_others_have(
    assembler: InboundAssembler, connection: Connection
) -> None:
    forward(connection, InboundPart(sender=str(WRITER + 1), recipient="1001", text="STOP"))

    write(connection, assembler, "STOP", "START")

    assert [number for number, *_ in in_force(connection)] == [WRITER + 1]


def test_the_providers_clock_orders_what_came_in_another_order(
    assembler: InboundAssembler, connection: Connection
) -> None:
    sent = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    for text, seconds in (("START", 5), ("STOP", 9), ("STOP", 1)):
        at = sent + timedelta(seconds=seconds)
        forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text=text, at=at))
    assembler.run()
    assert len(in_force(connection)) == 1

    # One that was sent before the refusal, and comes after it.
    write(connection, assembler, "START", at=sent + timedelta(seconds=7))
    assert len(in_force(connection)) == 1
    write(connection, assembler, "START", at=sent + timedelta(seconds=11))
    assert in_force(connection) == []


def test_a_stop_that_comes_after_a_start_but_was_sent_before_it_is_lifted_by_it(
    assembler: InboundAssembler, connection: Connection
) -> None:
    add_clients(connection, 1)
    sent = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    for text, seconds in (("START", 5), ("STOP", 1)):
        at = sent + timedelta(seconds=seconds)
        forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text=text, at=at))

    assembler.run()

    assert in_force(connection) == []
    assert [mark for mark, _, _ in replies(connection)] == ["replies to START"]


def test_the_clocks_of_two_providers_are_not_compared(assembler: InboundAssembler, connection: Connection) -> None:
    add_clients(connection, 1)
    sent = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    for text, gateway_id, seconds in (("START", 1, 5), ("STOP", add_gateway(connection, "other"), 1)):
        at = sent + timedelta(seconds=seconds)
        part_of_one = InboundPart(sender=str(WRITER), recipient="1001", text=text, at=at)
        forward(connection, part_of_one, gateway_id=gateway_id)

    assembler.run()

    assert len(in_force(connection)) == 1
    assert [mark for mark, _, _ in replies(connection)] == ["replies to STOP"]


def test_a_providers_clock_is_not_compared_with_ours(assembler: InboundAssembler, connection: Connection) -> None:
    add_clients(connection, 1)
    for text, at in (("STOP", datetime.now(UTC) + timedelta(hours=1)), ("START", None)):
        forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text=text, at=at))

    assembler.run()

    assert in_force(connection) == []
    assert [mark for mark, _, _ in replies(connection)] == ["replies to START"]


def test_a_start_that_changes_nothing_leaves_no_other_keyword_without_a_reply(
    assembler: InboundAssembler, connection: Connection
) -> None:
    add_clients(connection, 1)
    add = "INSERT INTO suppression (phone_number, scope, reason, source) VALUES (%s, 'everything', 'complaint', 'api')"
    execute(connection, add, WRITER)

    write(connection, assembler, "START", "HELP")

    assert [mark for mark, _, _ in replies(connection)] == ["replies to HELP"]


def test_a_start_lifts_what_the_sender_has_said_and_nothing_else(
    assembler: InboundAssembler, connection: Connection
) -> None:
    add_clients(connection, 1)
    kept = [
        ("everything", None, "complaint", "api"),
        ("marketing", None, "opted_out", "api"),
        ("gateway", 1, "other", "provider"),
    ]
    add = "INSERT INTO suppression (phone_number, scope, gateway_id, reason, source) VALUES (%s, %s, %s, %s, %s)"
    lifted = [("everything", None, "keyword"), ("marketing", None, "link")]
    for scope, gateway_id, source in (*lifted, ("gateway", 1, "provider"), ("gateway", 1, "receipt")):
        execute(connection, add, WRITER, scope, gateway_id, "opted_out", source)
        write(connection, assembler, "Старт!")
        assert in_force(connection) == [], source
        evidence = value(connection, "SELECT lift_evidence FROM suppression ORDER BY id DESC LIMIT 1")
        assert (evidence["text"], evidence["decision"]) == ("Старт!", "start")
    assert [(mark, numbers) for mark, _, numbers in replies(connection)] == [("replies to START", [WRITER])]

    execute(connection, "DELETE FROM message; DELETE FROM mailing")
    for scope, gateway_id, reason, source in kept:
        execute(connection, "DELETE FROM suppression")
        execute(connection, add, WRITER, scope, gateway_id, reason, source)
        write(connection, assembler, "START")
        assert len(in_force(connection)) == 1
    assert replies(connection) == [], "messages do not come again"


def test_a_refusal_by_a_link_after_a_start_stays(assembler: InboundAssembler, connection: Connection) -> None:
    forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text="START"))
    add = "INSERT INTO suppression (phone_number, scope, reason, source) VALUES (%s, 'everything', 'opted_out', 'link')"
    execute(connection, add, WRITER)

    assembler.run()

    assert len(in_force(connection)) == 1


def test_a_keyword_in_parts_acts_once_all_of_them_have_come(
    assembler: InboundAssembler, connection: Connection
) -> None:
    forward(connection, part(2, "OUT"))
    let_come_earlier(connection, "11 minutes")
    assembler.run()
    assert keywords(connection) == [(None, None, None, None)]
    forward(connection, part(1, "OPT "))
    assembler.run()
    assert keywords(connection) == [("opt out", "stop", True, "stop")]
    assert len(in_force(connection)) == 1

    execute(connection, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")
    forward(connection, part(1, "OPT ", provider_message_id="again"))
    assembler.run()
    assert in_force(connection) == [], "a repeated part is no other message"


def test_a_part_that_is_a_keyword_is_a_near_miss_until_the_others_come(
    assembler: InboundAssembler, connection: Connection
) -> None:
    forward(connection, part(2, " STOP "))
    let_come_earlier(connection, "11 minutes")
    assembler.run()
    assert keywords(connection) == [("stop", "stop", False, None)]
    forward(connection, part(1, "Where is the bus"))
    assembler.run()

    assert keywords(connection) == [("stop", "stop", False, None)]
    assert in_force(connection) == []


def test_a_client_gets_each_reply_once_a_day(
    assembler: InboundAssembler, maintenance: Maintenance, connection: Connection, queue: Queue
) -> None:
    add_clients(connection, 3)
    for text in ("HELP", "info", "HELP"):
        write(connection, assembler, text)
    write(connection, assembler, "HELP", sender=str(WRITER + 1))
    assert [(mark, numbers) for mark, _, numbers in replies(connection)] == [("replies to HELP", [WRITER, WRITER + 1])]

    queue.record([answer(claimed, "accepted") for claimed in queue.claim(10)])
    maintenance.run()
    assert rows(connection, "SELECT status, audience FROM mailing") == [("finished", 2)]
    write(connection, assembler, "HELP", sender=str(WRITER + 2))
    assert rows(connection, "SELECT status, audience, settled_at, ended_at FROM mailing") == [
        ("running", 3, None, None)
    ]
    assert [claimed.phone_number for claimed in queue.claim(10)] == [WRITER + 2]

    execute(connection, "UPDATE keyword_reply SET day = day - 1")
    write(connection, assembler, "HELP")
    assert [numbers for _, _, numbers in replies(connection)][1:] == [[WRITER]]


@pytest.mark.parametrize(
    "stopped", ["UPDATE mailing SET status = 'cancelled', ended_at = now()", "UPDATE mailing SET deleted_at = now()"]
)
def test_nobody_gets_a_reply_any_more_once_its_mailing_was_cancelled_or_removed(
    assembler: InboundAssembler, connection: Connection, stopped: str
) -> None:
    add_clients(connection, 2)
    write(connection, assembler, "STOP")
    execute(connection, stopped)

    write(connection, assembler, "STOP", sender=str(WRITER + 1))

    assert [numbers for _, _, numbers in replies(connection)] == [[WRITER]]
    assert len(in_force(connection)) == 2


@pytest.mark.parametrize("column", ["paused_at", "removed_at"])
def test_a_gateway_that_is_paused_or_removed_sends_no_reply(
    assembler: InboundAssembler, connection: Connection, column: str
) -> None:
    add_clients(connection, 1)
    execute(connection, f"UPDATE gateway SET {column} = now(), revision = revision + 1")  # noqa: S608

    write(connection, assembler, "STOP")

    assert replies(connection) == []
    assert len(in_force(connection)) == 1


def test_a_reply_is_in_the_language_of_the_client_or_the_keyword(
    assembler: InboundAssembler, connection: Connection
) -> None:
    add_clients(connection, 4)
    execute(connection, "INSERT INTO client_field (name, type) VALUES ('language', 'text')")
    execute(connection, """UPDATE client SET attributes = '{"language": "fr-CA"}' WHERE phone_number = %s""", WRITER)
    rules = '{"stop": {"ru": "Больше не пишем", "de": null}}'
    execute(connection, "UPDATE sending_rules SET reply_language = 'ru', replies = %s", rules)

    write(connection, assembler, "STOP")  # French has it too
    write(connection, assembler, "STOP", sender=str(WRITER + 1))
    write(connection, assembler, "BAJA", sender=str(WRITER + 2))
    write(connection, assembler, "ABMELDEN", sender=str(WRITER + 3))

    assert [(text, numbers) for _, text, numbers in replies(connection)] == [
        ("Vous ne recevrez plus nos messages. Pour les recevoir de nouveau, répondez START.", [WRITER]),
        ("Больше не пишем", [WRITER + 1]),
        ("Ya no le enviaremos mensajes. Para volver a recibirlos, responda ALTA.", [WRITER + 2]),
    ]
    assert len(in_force(connection)) == 4


def test_a_reply_whose_text_was_changed_today_has_the_new_one(
    assembler: InboundAssembler, connection: Connection, queue: Queue
) -> None:
    add_clients(connection, 2)
    write(connection, assembler, "HELP")
    [first] = queue.claim(10)
    execute(connection, 'UPDATE sending_rules SET replies = \'{"help": {"en": "Call 1001"}}\'')

    write(connection, assembler, "HELP", sender=str(WRITER + 1))

    [second] = queue.claim(10)
    assert (first.mailing_id, second.text) == (second.mailing_id, "Call 1001")
    assert first.text != second.text


def test_keywords_wait_for_a_client_who_is_being_removed(
    open_database: OpenDatabase, connect: Connect, connection: Connection
) -> None:
    """Neither waits for what the other one has locked: the removal locks the client, then the messages."""
    add_running_mailing(connection, 1)
    forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text="STOP"))
    other = connect()
    execute(other, "BEGIN")
    execute(other, "SELECT FROM client FOR UPDATE")

    assembling = in_background(InboundAssembler(open_database()).run)
    wait_for_lock_waiter(connection)
    execute(other, "UPDATE message SET status = 'cancelled', ended_at = now()")
    execute(other, "DELETE FROM client")
    execute(other, "COMMIT")

    assert assembling.result(PATIENCE) is False
    assert len(in_force(connection)) == 1
    assert replies(connection) == [("replies to STOP", STOPPED, None)], "it has no messages"


def test_an_idle_worker_stores_a_refusal_without_waiting_for_its_next_round(
    maintenance: Maintenance, connection: Connection
) -> None:
    forward(connection, part(1, "one of two"))
    maintenance.run_due()
    assert value(connection, "SELECT count(*) FROM inbound_message") == 0

    forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text="STOP"))
    maintenance.run_due()

    assert in_force(connection) == [(WRITER, "everything", "keyword")]
