"""Inbound messages by the API: the list, marking them as read, and answers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, execute, rows, value
from tests.inbound import WRITER, add_inbound_message, forward
from tests.integration.api.calls import Caller, at_once, caller, wrong_fields
from tests.integration.api.test_paging import pages
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.test_inbound_assembler import part
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

INBOUND = "/v1/inbound-message/"


def test_a_message_is_shown_with_what_it_belongs_to(
    api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 1)
    forward(connection, part(1, "one "), part(2, "two"))
    maintenance.run()

    found = api.get(f"{INBOUND}1/").json

    received_at = found.pop("received_at")
    assert received_at
    assert found == {
        "id": 1,
        "gateway": "default",
        "sender": f"+{WRITER}",
        "phone_number": WRITER,
        "recipient": "1001",
        "text": "one two",
        "parts": 2,
        "parts_received": 2,
        "sent_at": None,
        "client_id": 1,
        "message_id": None,
        "read_at": None,
        "read_by": None,
        "answered_at": None,
        "answer_message_id": None,
        "keyword": None,
        "keyword_action": None,
        "keyword_is_exact": None,
        "decision": None,
        "decided_at": None,
        "decided_by": None,
    }
    assert api.get(INBOUND).json == [found | {"received_at": received_at}]
    assert api.get(f"{INBOUND}7/").status_code == 404


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [[9, 8, 7, 6], [5, 4, 3, 2], [1]]),
        ("before=4", [[3, 2, 1]]),
        ("unread=true", [[9, 8, 7, 6], [5, 4, 3]]),
        ("unread=false", [[2, 1]]),
        ("client_id=2", [[8, 5, 2]]),
        (f"phone_number={WRITER + 1}&unread=true", [[8, 5]]),
        ("gateway=default", [[9, 8, 7, 6], [5, 4, 3, 2], [1]]),
        ("gateway=other", [[]]),
    ],
)
def test_the_list_is_read_page_by_page_from_the_newest_on(
    api: Caller, connection: Connection, query: str, ids: list[list[int]]
) -> None:
    add_clients(connection, 3)
    for number in range(9):
        add_inbound_message(connection, phone_number=WRITER + number % 3)
    execute(connection, "UPDATE inbound_message SET read_at = now(), read_by = 'anna' WHERE id < 3")

    assert list(pages(api, f"{INBOUND}?limit=4&{query}")) == ids


@pytest.mark.parametrize("query", ["unread=yes", "before=0", "after=1", "client_id=x", "phone_number=x"])
def test_wrong_filters_are_refused(api: Caller, query: str) -> None:
    response = api.get(f"{INBOUND}?{query}")

    assert response.status_code == 422
    assert wrong_fields(response, "query") == {query.partition("=")[0]}


def test_a_message_is_marked_as_read_by_somebody_and_as_unread(api: Caller, connection: Connection) -> None:
    add_inbound_message(connection)

    read = api.post(f"{INBOUND}1/read/").json
    assert read["read_by"] == "API_KEY"
    assert read["read_at"]
    assert api.post(f"{INBOUND}1/read/").json == read, "the first one who read it stays"

    unread = api.post(f"{INBOUND}1/unread/").json
    assert (unread["read_at"], unread["read_by"]) == (None, None)


def test_an_answer_is_sent_to_the_client_by_the_same_gateway(api: Caller, connection: Connection, queue: Queue) -> None:
    add_clients(connection, 2)
    add_inbound_message(connection, phone_number=WRITER + 1)

    response = api.post(f"{INBOUND}1/answer/", json={"text": "At 18:00."})

    assert response.status_code == 201
    message_id = response.json["message_id"]
    assert response.headers["Location"] == f"/v1/message/{message_id}/"
    message = api.get(response.headers["Location"]).json
    assert (message["phone_number"], message["mailing_id"]) == (WRITER + 1, response.json["mailing_id"])
    path = "SELECT gateway_ids FROM path JOIN message ON path_id = path.id WHERE message.id = %s AND route_id IS NULL"
    assert value(connection, path, message_id) == [1]
    mailing = api.get(f"/v1/mailing/{message['mailing_id']}/").json
    assert (mailing["text"], mailing["mark"], mailing["audience"]) == (
        "At 18:00.",
        "answer to inbound message 1",
        1,
    )
    [claimed] = queue.claim(10)
    queue.record([answer(claimed, "accepted")])
    assert api.get(response.headers["Location"]).json["status"] == "sent"

    answered = api.get(f"{INBOUND}1/").json
    assert answered["answer_message_id"] == message_id
    assert answered["answered_at"]
    assert answered["read_by"] == "API_KEY"
    entry = rows(connection, "SELECT operation, object, object_id, detail FROM audit_entry ORDER BY id DESC LIMIT 1")
    detail = {"mailing": message["mailing_id"], "message": message_id}
    assert entry == [("answerInboundMessage", "inbound_message", 1, detail)]


def test_an_answer_goes_by_the_gateway_of_its_message(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    gateway = {"name": "second", "provider": "kannel", "address": "http://127.0.0.1:9"}
    execute(connection, "INSERT INTO gateway (name, provider) VALUES (%s, %s)", gateway["name"], gateway["provider"])
    execute(connection, "INSERT INTO gateway_availability (gateway_id) VALUES (2)")
    execute(connection, "INSERT INTO path (route_id, gateway_ids, gateway_id) VALUES (NULL, '{2}', 2)")
    add_inbound_message(connection, gateway_id=2)

    message_id = api.post(f"{INBOUND}1/answer/", json={"text": "Yes"}).json["message_id"]

    path = "SELECT gateway_ids FROM path JOIN message ON path_id = path.id WHERE message.id = %s"
    assert value(connection, path, message_id) == [2]

    execute(connection, "UPDATE gateway SET removed_at = now() WHERE id = 2")
    refused = api.post(f"{INBOUND}1/answer/", json={"text": "Yes"})
    assert refused.status_code == 409
    assert refused.json["reason_code"] == "gateway_is_removed"


@pytest.mark.parametrize(
    ("before", "field", "code"),
    [
        ("UPDATE gateway SET paused_at = now()", "gateway", "gateway_is_paused"),
        ("DELETE FROM client", "phone_number", "phone_number_of_no_client"),
        ("UPDATE inbound_message SET phone_number = NULL", "phone_number", "phone_number_of_no_client"),
    ],
)
def test_an_answer_that_cannot_be_sent_is_refused(
    api: Caller, connection: Connection, before: str, field: str, code: str
) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    execute(connection, before)

    refused = api.post(f"{INBOUND}1/answer/", json={"text": "Yes"})

    assert refused.status_code == 409
    assert (wrong_fields(refused), refused.json["reason_code"]) == ({field}, code)
    assert rows(connection, "SELECT answered_at, read_at FROM inbound_message") == [(None, None)]
    assert value(connection, "SELECT count(*) FROM mailing") == 0


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "a\0b"}, {"text": "a" * 10_001}, {"text": "a", "to": 1}])
def test_an_invalid_answer_is_refused(api: Caller, connection: Connection, body: dict[str, Any]) -> None:
    add_inbound_message(connection)

    assert api.post(f"{INBOUND}1/answer/", json=body).status_code == 422


def test_an_answer_is_sent_once_although_it_is_repeated(api: Caller, app: Flask, connection: Connection) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    key = {"Idempotency-Key": "an-answer"}

    def send() -> Any:
        return caller(app).post(f"{INBOUND}1/answer/", json={"text": "Yes"}, headers=key)

    statuses = sorted(response.status_code for response in at_once(send, send, send))
    again = api.post(f"{INBOUND}1/answer/", json={"text": "Yes"}, headers=key)

    assert statuses[0] == 201
    assert set(statuses) <= {201, 409}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert value(connection, "SELECT count(*) FROM message") == 1


def test_viewers_read_and_operators_write(api: Caller, app: Flask, connection: Connection) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    keys = {
        role: api.post("/v1/key/create/", json={"name": role, "role": role}).json["key"]
        for role in ("viewer", "operator")
    }
    viewer, operator = (caller(app, key) for key in keys.values())

    assert viewer.get(INBOUND).status_code == viewer.get(f"{INBOUND}1/").status_code == 200
    for action in ("read", "unread", "answer"):
        assert viewer.post(f"{INBOUND}1/{action}/", json={"text": "Yes"}).status_code == 403
    assert operator.post(f"{INBOUND}1/read/").json["read_by"] == "operator"
    assert operator.post(f"{INBOUND}1/answer/", json={"text": "Yes"}).status_code == 201
