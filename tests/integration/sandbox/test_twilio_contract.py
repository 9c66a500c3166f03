"""The simulated gateway as Twilio."""

import re

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import (
    ACCOUNT,
    ACCOUNT_PATH,
    PHONE,
    TEXT,
    TOKEN,
    basic,
    call,
    twilio,
    twilio_get,
)


def test_a_message_is_created_and_kept(gateway: SandboxGateway) -> None:
    answer = twilio(gateway)
    message = answer.json
    assert answer.status == 201
    assert re.fullmatch("SM[0-9a-f]{32}", message["sid"])
    assert (message["status"], message["account_sid"], message["num_segments"]) == ("queued", ACCOUNT, "1")
    assert (message["to"], message["body"], message["error_code"]) == (f"+{PHONE}", TEXT, None)
    [kept] = gateway.messages("twilio")
    assert (kept.id, kept.to, kept.sender, kept.text) == (message["sid"], f"+{PHONE}", "+15005550006", TEXT)
    [entry] = gateway.ledger()
    assert (entry.contract, entry.id, entry.phone, entry.status) == ("twilio", 0, int(PHONE), 201)


def test_a_repeat_is_another_message(gateway: SandboxGateway) -> None:
    assert twilio(gateway).json["sid"] != twilio(gateway).json["sid"]
    assert len(gateway.messages("twilio")) == 2


def test_a_messaging_service_chooses_the_sender_later(gateway: SandboxGateway) -> None:
    message = twilio(gateway, From="", MessagingServiceSid="MG" + "0" * 32).json
    assert (message["status"], message["from"], message["num_segments"]) == ("accepted", None, "0")


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 160, "1"), ("a" * 161, "2"), ("€" * 80, "1"), ("€" * 81, "2"), ("я" * 70, "1"), ("я" * 71, "2")],
)
def test_it_counts_segments(gateway: SandboxGateway, text: str, segments: str) -> None:
    assert twilio(gateway, Body=text).json["num_segments"] == segments


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "900"}, 21211),
        ({"To": PHONE}, 21211),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "a" * 1601}, 21617),
    ],
)
def test_an_invalid_field_is_an_error_with_its_code(gateway: SandboxGateway, fields: dict[str, str], code: int) -> None:
    answer = twilio(gateway, **fields)
    assert (answer.status, answer.json["code"], answer.json["status"]) == (400, code, 400)
    assert answer.json["more_info"].endswith(f"/{code}")
    assert gateway.messages("twilio") == []


def test_credentials_are_those_of_the_account_in_the_path(gateway: SandboxGateway) -> None:
    wrong = twilio(gateway, token="wrong")
    assert (wrong.status, wrong.json["code"]) == (401, 20003)
    other = call(gateway, "POST", f"{ACCOUNT_PATH}/Messages.json", headers=basic("AC" + "f" * 32, TOKEN))
    assert other.status == 401
    [first, _] = gateway.ledger(everything=True)
    assert (first.outcome, first.token_ok) == ("unauthorized", False)


def test_a_message_is_found_by_its_sid_and_by_its_recipient(gateway: SandboxGateway) -> None:
    sid = twilio(gateway).json["sid"]
    twilio(gateway, To="+79007654321")
    assert twilio_get(gateway, f"/Messages/{sid}.json").json["status"] == "sent"
    listed = twilio_get(gateway, f"/Messages.json?To=%2B{PHONE}").json
    assert [message["sid"] for message in listed["messages"]] == [sid]
    assert listed["next_page_uri"] is None
    missing = twilio_get(gateway, f"/Messages/SM{'0' * 32}.json")
    assert (missing.status, missing.json["code"]) == (404, 20404)
    assert gateway.summary().look_ups == 3
