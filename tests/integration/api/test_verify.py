"""`flask verify`: a ledger that workers and people have worked on obeys every rule, and what does not is found."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.recovery.verify import CHECKS, IDS_SHOWN
from shared.domain.statuses import MessageStatus
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    cancel,
    close_window,
    execute,
    expire_leases,
    rows,
    value,
)
from tests.integration.api.calls import Caller
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer


@pytest.fixture
def worked(api: Caller, connection: Connection, open_queue: OpenQueue, maintenance: Maintenance) -> Connection:
    """A connection to a ledger with messages of every kind, as workers and people have left them."""
    first, second = open_queue("first", retry_seconds=60.0), open_queue("second")
    in_doubt = add_running_mailing(connection, 8, on_unknown="hold")
    sent, failed, retried, _lost, late, *unclear = first.claim(8)
    first.record([answer(sent, "accepted"), answer(failed, "refused for good"), answer(retried, "refused")])
    first.record([answer(message, "lost") for message in unclear])
    expire_leases(connection)
    assert LeaseReclaimer(second._database, second.recorder, lease_seconds=30.0).run() == 2
    first.record([answer(late, "accepted")])
    for message, outcome in zip(unclear, ("arrived", "not_arrived", "resend"), strict=True):
        assert api.post(f"/v1/message/{message.message_id}/resolve/", json={"outcome": outcome}).status_code == 200
    assert api.post(f"/v1/mailing/{in_doubt}/retry/", json={"status": "failed"}).json["retried"] == 2
    first.release(first.claim(1))

    add_running_mailing(connection, 1)
    first.record([answer(message, "accepted") for message in first.claim(10)])
    cancel(connection, add_running_mailing(connection, 3))
    close_window(connection, add_running_mailing(connection, 3))
    removed = value(connection, "SELECT max(client_id) FROM message")
    assert api.delete(f"/v1/client/{removed}/").status_code == 204
    for _ in range(3):
        maintenance.run()  # the first mailing settles

    # Of a number that is suppressed, of one whose suppression was lifted, and service messages.
    body = {"scope": "marketing", "reason": "opted_out"}
    for kind in ("marketing", "service"):
        add_running_mailing(connection, 1, kind=kind)
        phone_number = value(connection, "SELECT phone_number FROM message ORDER BY id DESC LIMIT 1")
        assert api.post("/v1/suppression/create/", json=body | {"phone_number": phone_number}).status_code == 201
    first.record([answer(message, "accepted") for message in first.claim(10)])
    add_running_mailing(connection, 2)
    second.claim(2)
    add_running_mailing(connection, 1)
    first.record([answer(message, "refused for good") for message in first.claim(1)])
    add_clients(connection, 450, tag="launched")
    add_mailing(connection, mark="launched")
    maintenance.run()
    return connection


def verify(app: Flask) -> tuple[int, str]:
    """The exit status of the command, and what it printed."""
    done = app.test_cli_runner().invoke(args=["verify"], catch_exceptions=False)
    return done.exit_code, done.output


def test_a_ledger_that_was_worked_on_obeys_every_rule(app: Flask, worked: Connection) -> None:
    statuses = {status for (status,) in rows(worked, "SELECT DISTINCT status::text FROM message")}
    assert statuses == set(MessageStatus)
    counts = "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM attempt), (SELECT count(*) FROM mailing)"
    [(messages, attempts, mailings)] = rows(worked, counts)

    status, said = verify(app)

    assert said.splitlines() == [
        f"Checked: {messages} messages with {attempts} attempts, of {mailings} mailings.",
        "All rules hold:",
        *(f"- {check.rule}" for check in CHECKS),
    ]
    assert status == 0


QUEUED = "(SELECT id FROM message WHERE status = 'pending' AND due_at > now() LIMIT 1)"
LATER = "(SELECT id FROM queue_batch WHERE due_at > now() LIMIT 1)"

BROKEN = {
    "a message was sent long after its number was suppressed": (
        "Messages that were attempted over two hours after their number was suppressed",
        "(SELECT min(message_id) FROM attempt WHERE result = 'accepted')",
        """
        INSERT INTO suppression (phone_number, scope, reason, source, recorded_at)
        SELECT phone_number, 'marketing', 'opted_out', 'api', started_at - interval '3 hours'
        FROM attempt JOIN message ON message.id = message_id WHERE result = 'accepted' ORDER BY message_id LIMIT 1
        """,
    ),
    "a message ended as suppressed without a suppression": (
        "Messages that ended as suppressed whose number never was",
        "(SELECT min(id) FROM message WHERE status = 'cancelled')",
        """
        UPDATE message SET reason_code = 'suppressed'
        WHERE id = (SELECT min(id) FROM message WHERE status = 'cancelled')
        """,
    ),
    "a message has values that its text does not need": (
        "Messages whose fixed values are not those of their text",
        "1",
        "UPDATE message SET text_values = '{Anna}' WHERE id = 1",
    ),
    "a mailing is gone": ("Messages without a mailing", "1", "UPDATE message SET mailing_id = 99 WHERE id = 1"),
    "a client has two messages": (
        "Messages to a client who has an earlier one of the same mailing",
        "10000001",
        """
        INSERT INTO message (id, mailing_id, client_id, phone_number) OVERRIDING SYSTEM VALUE
        SELECT 10000001, mailing_id, client_id, phone_number FROM message WHERE id = 1
        """,
    ),
    "a count is wrong": (
        "Mailings whose counts are not those of their messages",
        "1",
        "INSERT INTO message_count_delta (mailing_id, status, delta) VALUES (1, 'sent', 1), (1, 'failed', -1)",
    ),
    "an audience is wrong": (
        "Mailings whose audience is not the number of their messages",
        "1",
        "UPDATE mailing SET audience = audience + 1 WHERE id = 1",
    ),
    "a list of an audience is left": (
        "Settled or missing mailings whose audience is still listed",
        "(SELECT id FROM mailing WHERE settled_at IS NOT NULL LIMIT 1)",
        """
        INSERT INTO mailing_audience
        SELECT id, 1, '{1}' FROM (SELECT id FROM mailing WHERE settled_at IS NOT NULL LIMIT 1) AS settled
        """,
    ),
    "a batch is gone": (
        "Pending messages that are not queued for when they are due",
        QUEUED,
        f"DELETE FROM queue_batch WHERE id = {LATER}",  # noqa: S608
    ),
    "a batch is due before its message": (
        "Pending messages that are not queued for when they are due",
        QUEUED,
        f"UPDATE queue_batch SET due_at = now() WHERE id = {LATER}",  # noqa: S608
    ),
    "a batch is due long after its message": (
        "Pending messages that are not queued for when they are due",
        QUEUED,
        f"UPDATE queue_batch SET due_at = due_at + interval '1 second' WHERE id = {LATER}",  # noqa: S608
    ),
    "a batch is of another mailing": (
        "Pending messages that are not queued for when they are due",
        QUEUED,
        f"UPDATE queue_batch SET mailing_id = 2 WHERE id = {LATER}",  # noqa: S608
    ),
    "a claim is gone": (
        "Messages that are being sent without a claim",
        "(SELECT min(id) FROM message WHERE status = 'sending')",
        "DELETE FROM claim",
    ),
    "a claim lacks a message": (
        "Messages that are being sent without a claim",
        "(SELECT min(id) FROM message WHERE status = 'sending')",
        "UPDATE claim SET message_ids = message_ids[2:]",
    ),
    "an unsent message is not listed": (
        "Messages that are missing in the list of unsent messages, or wrongly in it",
        "(SELECT min(id) FROM message WHERE status = 'expired')",
        "DELETE FROM message_unsent WHERE status = 'expired'",
    ),
    "a sent message is listed": (
        "Messages that are missing in the list of unsent messages, or wrongly in it",
        "1",
        "INSERT INTO message_unsent VALUES (1, 'failed', 1)",
    ),
    "an attempt has no message": (
        "Messages that have attempts and are missing",
        "1",
        "DELETE FROM message WHERE id = 1",
    ),
    "an attempt is missing": (
        "Messages whose attempts are not numbered from 1 to the number of attempts",
        "2",
        "DELETE FROM attempt WHERE message_id = 2",
    ),
    "an attempt was left out": (
        "Messages whose attempts are not numbered from 1 to the number of attempts",
        "2",
        "DELETE FROM attempt WHERE message_id = 2 AND number = 1; UPDATE message SET attempts = 1 WHERE id = 2",
    ),
    "an acceptance is missing": (
        "Messages that are sent without having been accepted",
        "1",
        "UPDATE attempt SET result = 'refused' WHERE message_id = 1",
    ),
    "a settled mailing has messages to send": (
        "Messages that have not ended, of settled mailings",
        "(SELECT min(id) FROM message WHERE mailing_id = 1 AND status = 'pending')",
        "UPDATE mailing SET status = 'finished', ended_at = now(), settled_at = now() WHERE id = 1",
    ),
    "a receipt has no message": (
        "Messages that have receipts and are missing",
        "9999",
        """
        INSERT INTO receipt (message_id, fingerprint, gateway_id, state)
        VALUES (9999, gen_random_uuid(), 1, 'delivered')
        """,
    ),
    "a delivery has no receipt": (
        "Messages that are delivered or undelivered without a receipt that says so",
        "1",
        """
        INSERT INTO receipt (message_id, fingerprint, gateway_id, state) VALUES (1, gen_random_uuid(), 1, 'accepted');
        UPDATE message SET delivery = 'delivered' WHERE id = 1
        """,
    ),
    "a message awaits its receipt without end": (
        "Messages that await a receipt without a deadline",
        "1",
        "UPDATE message SET delivery = 'awaiting' WHERE id = 1",
    ),
    "a sent message is listed as undelivered": (
        "Messages that are missing in the list of undelivered messages, or wrongly in it",
        "1",
        "INSERT INTO message_undelivered (mailing_id, message_id) VALUES (1, 1)",
    ),
    "an undelivered message is not listed": (
        "Messages that are missing in the list of undelivered messages, or wrongly in it",
        "1",
        "UPDATE message SET delivery = 'undelivered', delivery_reason = 'expired' WHERE id = 1",
    ),
}
"""By what is broken: what is found, its first id as SQL, and what breaks it."""


@pytest.mark.parametrize("broken", BROKEN)
def test_what_contradicts_a_rule_is_found(broken: str, app: Flask, worked: Connection) -> None:
    finding, first_id, change = BROKEN[broken]
    found = value(worked, f"SELECT {first_id}")
    execute(worked, f"ALTER TABLE message DISABLE TRIGGER USER; {change}; ALTER TABLE message ENABLE TRIGGER USER")

    status, said = verify(app)

    assert f"\n{finding}: {found}" in f"\n{said}"
    assert status == 1


def test_every_rule_is_broken_above() -> None:
    assert {finding for finding, _, _ in BROKEN.values()} == {check.finding for check in CHECKS}


def test_a_finding_names_the_first_ids_and_says_whether_there_are_more(app: Flask, worked: Connection) -> None:
    waiting = [id_ for (id_,) in rows(worked, "SELECT id FROM message WHERE status = 'pending' ORDER BY id")]
    execute(worked, "DELETE FROM queue_batch")

    status, said = verify(app)

    ids = ", ".join(map(str, waiting[:IDS_SHOWN]))
    assert f"Pending messages that are not queued for when they are due: {ids}, and more.\n" in said
    assert f"Rules that do not hold: 1 of {len(CHECKS)}.\n" in said
    assert status == 1
