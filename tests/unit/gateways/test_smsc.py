"""The adapter of SMSC.ru."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import LookUp, Submission
from shared.gateways.smsc import SmscAdapter
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import (
    MESSAGE,
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Message,
    account_with,
    adapter_with,
    answer,
    form,
    read,
    refusal_of,
    submission_of,
)

FIELDS = {"login": "gonets", "password": "s3 cret"}
LARGEST = 2147483647


def smsc() -> SmscAdapter:
    return SmscAdapter(account_with("smsc", **FIELDS))


def test_a_message_is_sent_as_a_form_with_our_id() -> None:
    sent = submission_of(smsc())

    assert (sent.method, sent.path) == ("POST", "/sys/send.php")
    assert form(sent.body) == {
        "login": "gonets",
        "psw": "s3 cret",
        "fmt": "3",
        "charset": "utf-8",
        "cost": "2",
        "sender": "Shop",
        "phones": f"+{PHONE_NUMBER}",
        "mes": TEXT,
        "id": str(MESSAGE_ID),
    }


def test_an_api_key_takes_the_place_of_login_and_password() -> None:
    fields = form(submission_of(adapter_with("smsc", sender="", apikey="k3y", **FIELDS)).body)

    assert fields["apikey"] == "k3y"
    assert not fields.keys() & {"login", "psw", "sender"}


@pytest.mark.parametrize(
    ("message_id", "sent"), [(1, "1"), (LARGEST, str(LARGEST)), (LARGEST + 1, None), (2**63 - 1, None)]
)
def test_an_id_is_sent_only_while_it_fits(message_id: int, sent: str | None) -> None:
    message = Message(message_id)

    assert form(submission_of(smsc(), message).body).get("id") == sent
    looked_up = smsc().prepare_look_up(message)
    if sent is None:
        assert looked_up is None
    else:
        assert isinstance(looked_up, Submission)
        assert form(looked_up.body)["id"] == sent


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        (1, Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (2, Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
        (3, Result.NO_CREDIT, ReasonCode.NO_CREDIT),
        (4, Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED),
        (5, Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (6, Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED),
        (7, Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (8, Result.REFUSED, ReasonCode.NO_ROUTE),
        (9, Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_every_code_that_is_documented(code: int, result: Result, reason: ReasonCode, as_text: bool) -> None:
    got = read(smsc(), answer(200, {"error": "words", "error_code": str(code) if as_text else code}))

    assert (got.result, got.code, got.reason and got.reason.code) == (result, str(code), reason)
    assert got.words == f"{code}: words"
    assert got.perhaps_recipient is (code == 6)
    assert not got.perhaps_duplicate


@pytest.mark.parametrize(
    ("words", "wait"), [("duplicate request, wait a minute", 60.0), ("too many concurrent requests", None)]
)
def test_an_equal_request_waits_for_the_minute_that_smsc_names(words: str, wait: float | None) -> None:
    assert read(smsc(), answer(200, {"error": words, "error_code": 9})).retry_after == wait


def test_an_accepted_message_keeps_id_segments_and_price() -> None:
    got = read(smsc(), answer(200, {"id": MESSAGE_ID, "cnt": 2, "cost": "7.00"}))

    assert got.result is Result.ACCEPTED
    assert (got.provider_message_id, got.segments, got.price) == (str(MESSAGE_ID), 2, Decimal("7.00"))


def test_a_text_of_more_than_1000_characters_is_refused() -> None:
    submission_of(smsc(), Message(text="я" * 1000))

    assert refusal_of(smsc(), "я" * 1001) == (Result.REFUSED, ReasonCode.TEXT_TOO_LONG)


def test_a_look_up_names_number_and_id() -> None:
    adapter = smsc()
    asked = adapter.prepare_look_up(MESSAGE)

    assert isinstance(asked, Submission)
    assert (asked.method, asked.path) == ("POST", "/sys/status.php")
    assert asked.headers is submission_of(adapter).headers
    expected = {
        "login": "gonets",
        "psw": "s3 cret",
        "fmt": "3",
        "charset": "utf-8",
        "phone": str(PHONE_NUMBER),
        "id": str(MESSAGE_ID),
    }
    assert form(asked.body) == expected


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        *(({"status": status, "last_date": "x"}, LookUp.FOUND) for status in (-2, -1, 0, 1, 2, 3, 4, 20, "0")),
        *(({"status": status}, LookUp.REFUSED) for status in (22, 23, 24, 25)),
        ({"status": -3}, LookUp.NOT_FOUND),
        ({"error": "message not found", "error_code": 3}, LookUp.NOT_FOUND),
        *(({"error": "x", "error_code": code}, LookUp.UNCLEAR) for code in (1, 2, 4, 5, 9)),
        ({"status": 999}, LookUp.UNCLEAR),
        ({}, LookUp.UNCLEAR),
        ([{"status": 1}], LookUp.UNCLEAR),
    ],
)
def test_what_a_look_up_says(answer: object, outcome: LookUp) -> None:
    assert smsc().read_look_up(Answer(200, {}, json.dumps(answer).encode()), MESSAGE).outcome is outcome


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_look_up_that_fails_says_nothing(status: int) -> None:
    assert smsc().read_look_up(Answer(status, {}, b'{"status": -3}'), MESSAGE).outcome is LookUp.UNCLEAR


@pytest.mark.parametrize(
    ("fields", "named"),
    [({}, "login"), ({"login": "a"}, "password"), ({"password": "b"}, "login"), ({"apikey": "a\r\n"}, "apikey")],
)
def test_a_wrong_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{named}: "):
        adapter_with("smsc", **fields)
