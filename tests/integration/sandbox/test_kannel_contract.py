"""The simulated gateway as Kannel."""

from urllib.parse import quote, urlencode

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import PHONE, TEXT, TOKEN, call, kannel


def test_a_message_is_taken_without_an_id(gateway: SandboxGateway) -> None:
    answer = kannel(gateway)
    assert (answer.status, answer.body) == (202, "0: Accepted for delivery")
    [kept] = gateway.messages("kannel")
    assert (kept.to, kept.sender, kept.text) == (PHONE, "Gonets", TEXT)
    [entry] = gateway.ledger()
    assert (entry.contract, entry.id, entry.phone) == ("kannel", 0, int(PHONE))


def test_a_repeat_is_another_message(gateway: SandboxGateway) -> None:
    assert [kannel(gateway).status, kannel(gateway).status] == [202, 202]
    assert len(gateway.messages("kannel")) == 2


@pytest.mark.parametrize(
    ("encoding", "fields"),
    [
        ("utf-8", {}),
        ("utf-8", {"coding": "2", "charset": "UTF-8"}),
        ("utf-16-be", {"coding": "2"}),
        ("utf-16-be", {"coding": "2", "charset": "UTF-16BE"}),
    ],
)
def test_a_text_is_read_in_its_encoding(gateway: SandboxGateway, encoding: str, fields: dict[str, str]) -> None:
    text = "Код A1: №5"
    query = urlencode({"user": "sandbox", "pass": TOKEN, "to": f"+{PHONE}", "from": "G", **fields}, quote_via=quote)
    answer = call(gateway, "GET", f"/cgi-bin/sendsms?{query}&text={quote(text.encode(encoding))}")
    assert answer.status == 202
    assert [kept.text for kept in gateway.messages("kannel")] == [text]


def test_a_plus_sign_is_a_space_and_separates_recipients(gateway: SandboxGateway) -> None:
    kannel(gateway, to=f"{PHONE} 79007654321")
    assert [kept.to for kept in gateway.messages("kannel")] == [PHONE, "79007654321"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"password": "wrong"}, 403, "Authorization failed for sendsms"),
        ({"username": "other"}, 403, "Authorization failed for sendsms"),
        ({"to": ""}, 400, "Empty receiver number not allowed, rejected"),
        ({"to": "me"}, 400, "Garbage 'to' field, rejected."),
        ({"from": ""}, 400, "Sender missing and no global set, rejected"),
        ({"text": ""}, 400, "Wrong sendsms args, rejected"),
    ],
)
def test_an_error_says_why(gateway: SandboxGateway, fields: dict[str, str], status: int, words: str) -> None:
    answer = kannel(gateway, **fields)
    assert (answer.status, answer.body) == (status, words)
    assert gateway.messages("kannel") == []
