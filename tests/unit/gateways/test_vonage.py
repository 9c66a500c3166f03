"""Vonage's SMS API: its request, what its statuses mean, and answers with an entry for each segment."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways import vonage_callbacks
from shared.gateways.base import Account, CallbackRejectedError
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
from tests.unit.gateways.callback_cases import RECEIPT_URL, callback_account, get, reading, said_by
from tests.unit.gateways.samples_vonage import SAMPLES, TEST_OF_ADDRESS, dlr, entries, refused, signed, taken

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


# Receipts

STATES = {
    "accepted": (ReceiptState.ACCEPTED, None),
    "buffered": (ReceiptState.ACCEPTED, None),
    "delivered": (ReceiptState.DELIVERED, None),
    "unknown": (ReceiptState.UNKNOWN, None),
    "expired": (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED),
    "failed": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
    "rejected": (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED),
    "deleted": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
}

REASONS = {
    "1": UndeliveredReason.OTHER,
    "2": UndeliveredReason.EXPIRED,
    "3": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "4": UndeliveredReason.BLOCKED,
    "5": UndeliveredReason.OTHER,
    "6": UndeliveredReason.BLOCKED,
    "7": UndeliveredReason.EXPIRED,
    "8": UndeliveredReason.OTHER,
    "9": UndeliveredReason.OPTED_OUT,
    "10": UndeliveredReason.REJECTED,
    "11": UndeliveredReason.REJECTED,
    "12": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "13": UndeliveredReason.BLOCKED,
    "14": UndeliveredReason.BLOCKED,
    "15": UndeliveredReason.REJECTED,
    "16": UndeliveredReason.REJECTED,
    "50": UndeliveredReason.BLOCKED,
    "51": UndeliveredReason.BLOCKED,
    "52": UndeliveredReason.BLOCKED,
    "53": UndeliveredReason.BLOCKED,
    "54": UndeliveredReason.BLOCKED,
    "99": UndeliveredReason.OTHER,
}


def test_each_documented_status_of_a_delivery_has_a_state() -> None:
    assert STATES.keys() == vonage_callbacks.STATUSES.keys()
    for status, (state, reason) in STATES.items():
        assert said_by("vonage", get(dlr(status))) == (state, reason, status)


def test_each_documented_code_of_a_failure_has_a_reason() -> None:
    assert REASONS.keys() == vonage_callbacks.CODES.keys()
    for code, reason in REASONS.items():
        for status in ("failed", "rejected"):
            assert said_by("vonage", get(dlr(status, code))) == (ReceiptState.UNDELIVERED, reason, code)
        assert said_by("vonage", get(dlr("expired", code)))[:2] == STATES["expired"]
        assert said_by("vonage", get(dlr("buffered", code)))[:2] == STATES["buffered"]


def test_receipts_are_asked_for_with_each_message() -> None:
    fields = parse_qs(submission_of(reading("vonage")).body.decode())

    assert (fields["status-report-req"], fields["callback"]) == (["1"], [RECEIPT_URL])


def test_an_address_that_is_longer_than_the_contract_allows_is_left_to_the_dashboard() -> None:
    longest = "https://gonets.example/v1/receipt/".ljust(100, "x")
    for url, sent in ((longest, [longest]), (f"{longest}x", None)):
        account = replace(callback_account("vonage"), receipt_url=url)
        fields = parse_qs(submission_of(reading("vonage", account)).body.decode())
        assert fields.get("callback") == sent
        assert fields["status-report-req"] == ["1"]


@pytest.mark.parametrize("method", vonage_callbacks.METHODS)
def test_each_method_of_signatures_is_checked_in_either_case(method: str) -> None:
    account = callback_account("vonage")
    account = replace(account, options={**account.options, "signature_method": method})
    callback = signed(get(dlr("delivered")), account)
    start, _, signature = callback.url.rpartition("=")

    for url in (callback.url, f"{start}={signature.upper()}"):
        assert reading("vonage", account).read_receipts(replace(callback, url=url))
    for other in {*vonage_callbacks.METHODS} - {method}:
        another = replace(account, options={**account.options, "signature_method": other})
        with pytest.raises(CallbackRejectedError):
            reading("vonage", another).read_receipts(callback)


def test_two_fields_cannot_be_taken_for_one() -> None:
    callback = signed(get(dlr("failed", "3")), callback_account("vonage"))
    # The signed text is the same, but there is no code any more.
    folded = callback.url.replace("client-ref=481516234&", "").replace(
        "api-key=abcd1234&", "api-key%3Dabcd1234%26client-ref=481516234&"
    )

    with pytest.raises(CallbackRejectedError):
        reading("vonage").read_receipts(replace(callback, url=folded))


def test_the_test_of_an_address_says_nothing() -> None:
    assert reading("vonage").read_receipts(TEST_OF_ADDRESS) == []
    assert reading("vonage").read_inbound(TEST_OF_ADDRESS) == []


def test_a_method_that_is_none_is_named() -> None:
    account = callback_account("vonage")
    with pytest.raises(ConfigurationError, match=r"^signature_method: "):
        reading("vonage", replace(account, options={**account.options, "signature_method": "rot13"}))
