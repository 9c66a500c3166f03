"""Vonage's SMS API: its request, what its statuses mean, and answers with an entry for each segment."""

from __future__ import annotations

from base64 import b64decode
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account
from shared.gateways.vonage import VonageAdapter
from tests.unit.gateways.adapter_cases import (
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Expected,
    Message,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.samples_vonage import SAMPLES, entries, refused, taken

API_KEY, API_SECRET, SENDER = "abcd1234", "s3cret:0", "Shop & Co"
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(sender: str = SENDER, secret: str = API_SECRET, api_key: str = API_KEY) -> VonageAdapter:
    return VonageAdapter(
        Account(
            address="https://rest.nexmo.com",
            sender=sender,
            credentials={"api_secret": secret},
            options={"api_key": api_key},
        )
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", "/sms/json")
    assert b64decode(sent.headers["Authorization"].removeprefix("Basic ")).decode() == f"{API_KEY}:{API_SECRET}"
    assert parse_qs(sent.body.decode()) == {
        "from": [SENDER],
        "to": [str(PHONE_NUMBER)],
        "client-ref": [str(MESSAGE_ID)],
        "type": ["unicode"],
        "text": [TEXT],
    }
    assert {API_SECRET, sent.headers["Authorization"].removeprefix("Basic "), TEXT} < set(sent.secrets)


@pytest.mark.parametrize(("text", "kind"), [("Hello, 5 €!", "text"), ("Привет", "unicode"), ("Hello 🙂", "unicode")])
def test_a_text_outside_the_gsm_alphabet_is_of_another_type(text: str, kind: str) -> None:
    assert parse_qs(submission_of(adapter(), Message(text=text)).body.decode())["type"] == [kind]


@pytest.mark.parametrize(
    ("status", "expected", "perhaps_recipient"),
    [
        ("1", (Result.THROTTLED, PROVIDER_SAID), False),
        ("2", (Result.REFUSED, PROVIDER_SAID), False),
        ("3", (Result.REFUSED, PROVIDER_SAID), False),
        ("4", (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        ("5", (Result.RETRIABLE, PROVIDER_SAID), False),
        ("6", (Result.REFUSED, PROVIDER_SAID), False),
        ("7", (Result.OPTED_OUT, ReasonCode.OPTED_OUT), False),
        ("8", (Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED), False),
        ("9", (Result.NO_CREDIT, ReasonCode.NO_CREDIT), False),
        ("10", (Result.THROTTLED, PROVIDER_SAID), False),
        ("11", (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), False),
        ("12", (Result.REFUSED, ReasonCode.TEXT_TOO_LONG), False),
        ("14", (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        ("15", (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), True),
        ("22", (Result.REFUSED, PROVIDER_SAID), False),
        ("23", (Result.REFUSED, PROVIDER_SAID), False),
        ("29", (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        ("32", (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        ("33", (Result.REFUSED, PROVIDER_SAID), False),
        ("777", (Result.RETRIABLE, PROVIDER_SAID), False),
    ],
)
def test_each_documented_status_has_a_result(status: str, expected: Expected, perhaps_recipient: bool) -> None:
    result = read(adapter(), entries(refused(status)))

    assert (meaning(result), result.perhaps_recipient) == (expected, perhaps_recipient)
    assert (result.code, result.words) == (status, "What it says")


def test_all_segments_make_an_acceptance() -> None:
    result = read(adapter(), entries(taken(1), taken(2)))

    assert (result.provider_message_id, result.segments) == ("0C000000217B7F01", 2)
    assert result.price == Decimal("0.0666")


def test_a_price_that_one_segment_lacks_is_unknown() -> None:
    assert read(adapter(), entries(taken(1), {**taken(2), "message-price": None})).price is None


def test_a_text_of_which_a_part_was_taken_is_in_doubt_and_keeps_the_reason() -> None:
    result = read(adapter(), entries(taken(1), refused("9", "No money")))

    assert (meaning(result), result.code) == ((Result.AMBIGUOUS, ReasonCode.NO_CREDIT), "9")
    assert not result.not_understood
    assert result.provider_message_id == "0C000000217B7F01"


def test_a_refusal_that_is_final_decides() -> None:
    assert read(adapter(), entries(refused("1"), refused("12"), refused("9"))).result is Result.REFUSED
    assert read(adapter(), entries(refused("9"), refused("1"))).result is Result.NO_CREDIT


def test_a_time_to_wait_is_read_from_the_words() -> None:
    answers = SAMPLES["throttled"]

    assert [read(adapter(), each).retry_after for each in answers] == [0.25, None, 3.0]


@pytest.mark.parametrize(
    ("account", "field"),
    [({"sender": " "}, "sender"), ({"secret": ""}, "api_secret"), ({"api_key": "a:b"}, "api_key")],
)
def test_a_wrong_field_is_named(account: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter(**account)
