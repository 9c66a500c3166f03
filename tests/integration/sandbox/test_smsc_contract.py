"""The simulated gateway as SMSC.ru."""

from urllib.parse import urlencode

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from sandbox.simulated_gateway.contracts.smsc import EQUAL_SECONDS
from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.http_messages import Request
from tests.integration.sandbox.requests_by_hand import PHONE, TEXT, TOKEN, call, smsc, smsc_status


def test_a_message_is_taken_under_our_id(gateway: SandboxGateway) -> None:
    answer = smsc(gateway, id="1234", sender="Gonets")
    assert (answer.status, answer.json) == (200, {"id": 1234, "cnt": 1})
    [kept] = gateway.messages("smsc")
    assert (kept.id, kept.to, kept.sender, kept.text) == ("1234", PHONE, "Gonets", TEXT)
    [entry] = gateway.ledger_of(1234)
    assert (entry.contract, entry.phone) == ("smsc", int(PHONE))


def test_a_message_without_an_id_gets_one(gateway: SandboxGateway) -> None:
    assert smsc(gateway).json["id"] > 0


def test_an_equal_request_within_a_minute_is_refused(gateway: SandboxGateway) -> None:
    smsc(gateway, id="5")
    assert smsc(gateway, id="5").json == {"error": "duplicate request, wait a minute", "error_code": 9}
    assert smsc(gateway, id="6").json["id"] == 6
    assert [entry.outcome for entry in gateway.ledger_of(5, everything=True)] == ["accepted", "duplicate"]


def test_after_a_minute_the_same_id_is_taken_again() -> None:
    gateway = Gateway(TOKEN)
    form = urlencode({"login": "sandbox", "psw": TOKEN, "phones": PHONE, "mes": "a", "id": "5", "fmt": "3"})
    request = Request(b"POST", b"/sys/send.php", b"", b"", form.encode(), True)
    taken = [gateway.receive(request, 1000 + after)[0].accepts for after in (0, EQUAL_SECONDS - 1, EQUAL_SECONDS)]
    assert taken == [True, False, True]
    assert len(gateway.kept.of("smsc", "5")) == 2


def test_the_status_is_asked_by_phone_and_id(gateway: SandboxGateway) -> None:
    gateway.faults(reset_after_accept=1)
    with pytest.raises(ConnectionError):
        smsc(gateway, id="1")
    status = smsc_status(gateway, "1").json
    assert (status["status"], status["err"]) == (0, 0)
    assert status["last_timestamp"] > 0
    assert smsc_status(gateway, "2").json["status"] == -3
    assert smsc_status(gateway, "1", phone="79007654321").json["status"] == -3
    assert smsc_status(gateway, "x").json["error_code"] == 1
    assert smsc_status(gateway, "1", token="wrong").json["error_code"] == 2
    assert gateway.summary().look_ups == 4


def test_texts_are_windows_1251_unless_the_charset_says_otherwise(gateway: SandboxGateway) -> None:
    own = {"login": "sandbox", "psw": TOKEN, "phones": PHONE, "mes": TEXT}
    call(gateway, "POST", "/sys/send.php", urlencode(own, encoding="windows-1251"))
    smsc(gateway, id="1")
    smsc(gateway, id="2", charset="")
    texts = [kept.text for kept in gateway.messages("smsc")]
    assert texts[:2] == [TEXT, TEXT]
    assert texts[2] == TEXT.encode().decode("windows-1251", "replace")


def test_several_recipients_and_the_price(gateway: SandboxGateway) -> None:
    answer = smsc(gateway, phones=f"{PHONE},79007654321", mes="я" * 71, cost="3").json
    assert (answer["cnt"], answer["cost"], answer["balance"]) == (4, "18", "1000")
    assert smsc(gateway, cost="1").json == {"cost": "4.5", "cnt": 1}
    assert [kept.to for kept in gateway.messages("smsc")] == [PHONE, "79007654321"]


def test_an_api_key_and_an_answer_as_text(gateway: SandboxGateway) -> None:
    query = urlencode({"apikey": TOKEN, "phones": PHONE, "mes": "a", "id": "8"})
    assert call(gateway, "GET", f"/sys/send.php?{query}").body == "OK - 1 SMS, ID - 8"
    assert call(gateway, "GET", f"/sys/send.php?{query}").body == "ERROR = 9 (duplicate request, wait a minute)"


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"psw": "wrong"}, {"error": "authorise error", "error_code": 2}),
        ({"login": "other"}, {"error": "authorise error", "error_code": 2}),
        ({"mes": ""}, {"error": "parameters error", "error_code": 1}),
        ({"mes": "a" * 1001}, {"error": "parameters error", "error_code": 1}),
        ({"id": "2147483648"}, {"error": "parameters error", "error_code": 1}),
        ({"phones": "12"}, {"error": "invalid number", "error_code": 7, "id": 0}),
    ],
)
def test_an_error_has_its_code_and_status_200(
    gateway: SandboxGateway, fields: dict[str, str], answer: dict[str, object]
) -> None:
    got = smsc(gateway, **fields)
    assert (got.status, got.json) == (200, answer)
    assert gateway.messages("smsc") == []
