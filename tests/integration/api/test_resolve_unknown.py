"""A person decides what became of a message that is unknown."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    change_message,
    close_window,
    counted,
    execute,
    mailing,
    message,
    message_counts,
    rows,
    value,
)
from tests.integration.api.calls import Answer, Caller, caller, once_blocked
from tests.integration.api.html_forms import fields_of
from tests.integration.worker.attempt_results import answer
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def resolve(api: Caller, outcome: str, message_id: int = 1) -> Answer:
    return api.post(f"/v1/message/{message_id}/resolve/", json={"outcome": outcome})


@pytest.fixture
def held(connection: Connection, queue: Queue, maintenance: Maintenance) -> int:
    """A finished mailing, one of whose two messages is unknown: the first."""
    mailing_id = add_running_mailing(connection, 2, on_unknown="hold")
    execute(connection, "UPDATE mailing SET launched_at = now()")
    for claimed in queue.claim(10):
        queue.record([answer(claimed, "ambiguous" if claimed.message_id == 1 else "accepted")])
    maintenance.run()
    assert mailing(connection, mailing_id)["status"] == "finished"
    return mailing_id


@pytest.mark.parametrize(
    ("outcome", "status", "in_doubt"), [("arrived", "sent", True), ("not_arrived", "failed", False)]
)
def test_what_a_person_knows_of_a_message_is_what_became_of_it(
    api: Caller,
    connection: Connection,
    held: int,
    maintenance: Maintenance,
    outcome: str,
    status: str,
    in_doubt: bool,
) -> None:
    in_doubt_since = message(connection, 1)["ended_at"]
    told = resolve(api, outcome)
    assert (told.status_code, told.json["status"], told.json["in_doubt"]) == (200, status, in_doubt)
    now = message(connection, 1)
    assert now["ended_at"] > in_doubt_since
    assert (now["sent_at"] is not None) == (status == "sent")
    assert [one["number"] for one in attempts_of(connection, 1)] == [1]
    maintenance.run()
    assert counted(connection, held) == message_counts(connection, held)
    assert mailing(connection, held)["status"] == "finished"
    assert rows(connection, "SELECT action, detail FROM mailing_event") == [("resolve", f"message 1: {outcome}")]
    last = rows(connection, "SELECT operation, object, object_id FROM audit_entry ORDER BY id DESC LIMIT 1")
    assert last == [("resolveMessage", "message", 1)]


def test_one_message_is_sent_again(api: Caller, connection: Connection, held: int, queue: Queue) -> None:
    assert resolve(api, "resend").json["status"] == "pending"
    assert mailing(connection, held)["status"] == "running"
    (claimed,) = queue.claim(10)
    assert (claimed.message_id, claimed.number) == (1, 2)
    queue.record([answer(claimed, "accepted")])
    assert counted(connection, held) == message_counts(connection, held) == {"sent": 2}


def test_only_what_is_unknown_can_be_decided(api: Caller, connection: Connection, held: int) -> None:
    for outcome in ("arrived", "not_arrived", "resend"):
        refused = resolve(api, outcome, 2)
        assert refused.status_code == 409
        assert refused.json["message"] == "Message 2 is sent: only what is unknown can be decided."
    assert resolve(api, "arrived", 77).status_code == 404
    assert resolve(api, "maybe").status_code == 422


def test_nothing_is_sent_again_that_may_not_be(api: Caller, connection: Connection, held: int) -> None:
    execute(connection, "DELETE FROM client WHERE id = (SELECT client_id FROM message WHERE id = 1)")
    assert resolve(api, "resend").json["message"] == "The client was removed: nothing is sent to them any more."
    close_window(connection, held)
    assert resolve(api, "resend").json["message"].startswith(f"The window of mailing {held} has closed")
    assert api.delete(f"/v1/mailing/{held}/").status_code == 204
    assert resolve(api, "resend").json["message"] == f"Mailing {held} is removed: nothing of it is sent any more."
    # What became of it can be said all the same.
    assert resolve(api, "not_arrived").status_code == 200


def test_a_message_whose_number_was_erased_is_not_sent_again(api: Caller, connection: Connection, held: int) -> None:
    change_message(connection, 1, "phone_number = 0")  # the client has another number since

    refused = resolve(api, "resend")

    reason = "The number was erased: nothing is sent to it any more."
    assert (refused.status_code, refused.json["message"]) == (409, reason)
    assert reason in api.get("/ledger/1/").text
    assert mailing(connection, held)["status"] == "finished"
    assert value(connection, "SELECT count(*) FROM mailing_event") == 0
    assert resolve(api, "not_arrived").status_code == 200


def test_a_client_who_is_being_removed_is_not_written_to_again(
    app: Flask, connection: Connection, connect: Connect, held: int
) -> None:
    removing = connect()
    removing.autocommit = False
    execute(removing, "DELETE FROM client WHERE id = (SELECT client_id FROM message WHERE id = 1)")

    (told,) = once_blocked(connection, removing.commit, lambda: resolve(caller(app), "resend"))

    assert told.status_code == 409
    assert message(connection, 1)["status"] == "unknown"


@pytest.mark.parametrize("outcome", ["arrived", "not_arrived", "resend"])
def test_an_acceptance_that_is_being_recorded_comes_before_the_decision(
    app: Flask, connection: Connection, connect: Connect, held: int, outcome: str
) -> None:
    accepting = connect()
    accepting.autocommit = False
    execute(accepting, "UPDATE message SET status = 'sent', sent_at = now() WHERE id = 1")

    (told,) = once_blocked(connection, accepting.commit, lambda: resolve(caller(app), outcome))

    assert (told.status_code, message(connection, 1)["status"]) == (409, "sent")
    assert mailing(connection, held)["status"] == "finished"
    assert value(connection, "SELECT count(*) FROM mailing_event") == 0


def test_it_waits_for_the_mailing_s_lock_and_then_sees_what_has_come_meanwhile(
    app: Flask, api: Caller, connection: Connection, connect: Connect, held: int
) -> None:
    other = connect()
    execute(other, "SELECT pg_advisory_lock(%s)", held)

    def accept_late() -> None:
        execute(other, "UPDATE message SET status = 'sent', sent_at = now() WHERE id = 1")
        execute(other, "SELECT pg_advisory_unlock(%s)", held)

    (told,) = once_blocked(connection, accept_late, lambda: resolve(caller(app), "resend"))
    assert told.status_code == 409
    assert value(connection, "SELECT status::text FROM message WHERE id = 1") == "sent"


def test_a_message_that_is_being_removed_from_the_ledger_is_not_found(
    app: Flask, connection: Connection, connect: Connect, held: int
) -> None:
    other = connect()
    execute(other, "SELECT pg_advisory_lock(%s)", held)

    def remove() -> None:
        execute(other, "DELETE FROM message WHERE id = 1")
        execute(other, "SELECT pg_advisory_unlock(%s)", held)

    (told,) = once_blocked(connection, remove, lambda: resolve(caller(app), "arrived"))
    assert told.status_code == 404


def test_the_message_s_page_asks_whoever_may_decide(app: Flask, api: Caller, connection: Connection, held: int) -> None:
    viewer = caller(app, api.post("/v1/key/create/", json={"name": "looks", "role": "viewer"}).json["key"])
    assert "Resolve this message" not in viewer.get("/ledger/1/").text
    assert "Resolve this message" not in api.get("/ledger/2/").text
    page = api.get("/ledger/1/")
    assert api.post("/ledger/1/resolve/", data=fields_of(page)).status_code == 409  # nothing is chosen
    done = api.post("/ledger/1/resolve/", data=fields_of(page) | {"outcome": "not_arrived"})
    assert done.headers["Location"] == "/ledger/1/"
    assert "A person said that it had not arrived" in api.get("/ledger/1/").text
    too_late = api.post("/ledger/1/resolve/", data=fields_of(page) | {"outcome": "arrived", "form_token": ""})
    assert (too_late.status_code, "only what is unknown can be decided" in too_late.text) == (409, True)
