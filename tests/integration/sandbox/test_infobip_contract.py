"""The simulated gateway as Infobip."""

import json

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import (
    PHONE,
    TEXT,
    TOKEN,
    basic,
    call,
    infobip,
    infobip_get,
    infobip_raw,
)


def test_a_message_is_pending_and_kept_under_our_id(gateway: SandboxGateway) -> None:
    answer = infobip(gateway, "1234")
    [message] = answer.json["messages"]
    assert (answer.status, message["messageId"], message["destination"]) == (200, "1234", PHONE)
    assert (message["status"]["groupId"], message["status"]["groupName"]) == (1, "PENDING")
    assert (message["status"]["id"], message["details"]["messageCount"]) == (26, 1)
    [kept] = gateway.messages("infobip")
    assert (kept.id, kept.to, kept.sender, kept.text) == ("1234", PHONE, "Gonets", TEXT)
    assert kept.batch == answer.json["bulkId"]
    [entry] = gateway.ledger_of(1234)
    assert (entry.contract, entry.phone, entry.status) == ("infobip", int(PHONE), 200)


def test_a_repeated_id_is_rejected_and_not_taken_again(gateway: SandboxGateway) -> None:
    infobip(gateway, "7")
    again = infobip(gateway, "7", to="79007654321")
    [message] = again.json["messages"]
    status = message["status"]
    assert (again.status, status["groupId"], status["id"]) == (200, 5, 23)
    assert status["name"] == "REJECTED_DUPLICATE_MESSAGE_ID"
    assert len(gateway.messages("infobip")) == 1
    assert [entry.outcome for entry in gateway.ledger_of(7, everything=True)] == ["accepted", "duplicate"]


def test_a_message_without_an_id_gets_one(gateway: SandboxGateway) -> None:
    ids = [infobip(gateway, None).json["messages"][0]["messageId"] for _ in range(2)]
    assert len(set(ids)) == 2


def test_a_message_whose_answer_was_lost_is_known_to_be_taken(gateway: SandboxGateway) -> None:
    gateway.faults(reset_after_accept=1, first=1)
    with pytest.raises(ConnectionError):
        infobip(gateway, "9")
    assert infobip(gateway, "9").json["messages"][0]["status"]["id"] == 23
    [log] = infobip_get(gateway, "/sms/3/logs?messageId=9").json["results"]
    assert (log["messageId"], log["destination"], log["status"]["groupId"]) == ("9", PHONE, 1)


def test_a_repeat_with_a_fault_is_not_taken_either(gateway: SandboxGateway) -> None:
    infobip(gateway, "3")
    gateway.faults(reset_after_accept=1)
    with pytest.raises(ConnectionError):
        infobip(gateway, "3")
    assert len(gateway.messages("infobip")) == 1


def test_the_logs_are_asked_by_ids(gateway: SandboxGateway) -> None:
    for message_id in ("1", "2", "3"):
        infobip(gateway, message_id)
    found = infobip_get(gateway, "/sms/3/logs?messageId=1&messageId=3&messageId=4").json["results"]
    assert [(log["messageId"], log["content"]["text"]) for log in found] == [("1", TEXT), ("3", TEXT)]
    assert infobip_get(gateway, "/sms/3/logs?messageId=4").json == {"results": []}
    [old] = infobip_get(gateway, "/sms/1/logs?messageId=2").json["results"]
    assert (old["messageId"], old["to"], old["from"], old["text"], old["smsCount"]) == ("2", PHONE, "Gonets", TEXT, 1)
    assert old["sentAt"].endswith("+0000")
    assert gateway.summary().look_ups == 3


def test_each_destination_is_a_message(gateway: SandboxGateway) -> None:
    destinations = [{"to": PHONE, "messageId": "1"}, {"to": "79007654321", "messageId": "2"}]
    body = {"messages": [{"destinations": destinations, "content": {"text": "a" * 161}}]}
    messages = infobip_raw(gateway, json.dumps(body)).json["messages"]
    assert [(one["messageId"], one["details"]["messageCount"]) for one in messages] == [("1", 2), ("2", 2)]
    assert [kept.id for kept in gateway.messages("infobip")] == ["1", "2"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"messages": []}',
        '{"messages": [{"destinations": [{"to": "79001234567"}]}]}',
        '{"messages": [{"destinations": [], "content": {"text": "a"}}]}',
        '{"messages": [{"destinations": [{"to": 79001234567}], "content": {"text": "a"}}]}',
        '{"messages": [{"destinations": [{"to": "79001234567", "messageId": 1}], "content": {"text": "a"}}]}',
    ],
)
def test_an_invalid_body_is_refused(gateway: SandboxGateway, body: str) -> None:
    answer = infobip_raw(gateway, body)
    assert (answer.status, answer.json["errorCode"]) == (400, "E400")
    assert gateway.messages("infobip") == []


def test_credentials_are_checked(gateway: SandboxGateway) -> None:
    wrong = infobip(gateway, token="wrong")
    assert (wrong.status, wrong.json["errorCode"]) == (401, "E401")
    assert call(gateway, "GET", "/sms/3/logs").status == 401
    assert call(gateway, "GET", "/sms/3/logs", headers=basic("sandbox", TOKEN)).status == 200
