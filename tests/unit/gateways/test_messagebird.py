"""MessageBird: its request, and what its codes mean."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways import messagebird_callbacks
from shared.gateways.base import Account, CallbackRejectedError
from shared.gateways.messagebird import MessagebirdAdapter
from tests.unit.gateways.adapter_cases import (
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Expected,
    answer,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.callback_cases import INBOUND_URL, RECEIPT_URL, callback_account, post_form, reading, said_by
from tests.unit.gateways.samples_messagebird import (
    ID,
    INBOUND,
    NOW,
    claims_about,
    created,
    failed,
    report,
    token,
    with_token,
)

ACCESS_KEY, SENDER = "live_k3y", "Shop"
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(sender: str = SENDER, key: str = ACCESS_KEY) -> MessagebirdAdapter:
    return MessagebirdAdapter(
        Account(address="https://rest.messagebird.com", sender=sender, credentials={"access_key": key})
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", "/messages")
    assert sent.headers["Authorization"] == f"AccessKey {ACCESS_KEY}"
    assert json.loads(sent.body) == {
        "datacoding": "auto",
        "originator": SENDER,
        "recipients": str(PHONE_NUMBER),
        "reference": str(MESSAGE_ID),
        "body": TEXT,
    }
    assert set(sent.secrets) == {ACCESS_KEY, TEXT, str(PHONE_NUMBER)}


@pytest.mark.parametrize(
    ("status", "code", "parameter", "expected"),
    [
        (401, 2, "access_key", (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED)),
        (422, 2, None, (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED)),
        (422, 9, "recipients", (Result.REFUSED, PROVIDER_SAID)),
        (422, 10, "recipients", (Result.REFUSED, PROVIDER_SAID)),
        (422, 9, "originator", (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED)),
        (422, 10, "originator", (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED)),
        (422, 25, None, (Result.NO_CREDIT, ReasonCode.NO_CREDIT)),
        (422, 98, None, (Result.RETRIABLE, PROVIDER_SAID)),
        (422, 99, None, (Result.RETRIABLE, PROVIDER_SAID)),
        (422, 777, None, (Result.REFUSED, PROVIDER_SAID)),
        (429, 777, None, (Result.THROTTLED, PROVIDER_SAID)),
        (500, 99, None, (Result.AMBIGUOUS, PROVIDER_SAID)),
    ],
)
def test_each_known_code_has_a_result(status: int, code: int, parameter: str | None, expected: Expected) -> None:
    result = read(adapter(), failed(status, code, parameter))

    assert meaning(result) == expected
    assert result.words is not None
    assert result.words.startswith(f"{code}: What it says")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(103, (Result.OPTED_OUT, ReasonCode.OPTED_OUT)), (104, (Result.REFUSED, None)), (None, (Result.REFUSED, None))],
)
def test_a_delivery_that_fails_at_once_has_a_result(code: int | None, expected: Expected) -> None:
    result = read(adapter(), created(status="delivery_failed", statusErrorCode=code))

    assert meaning(result) == expected
    assert (result.code, result.provider_message_id) == (str(code or "delivery_failed"), ID)


@pytest.mark.parametrize("errors", [None, [], ["wrong"], [{}], [{"code": "9"}]])
def test_an_error_without_a_code_is_read_by_its_status(errors: object) -> None:
    assert read(adapter(), answer(401, {"errors": errors})).result is Result.MISCONFIGURED


def test_what_the_provider_says_of_an_acceptance_is_kept() -> None:
    result = read(adapter(), created())

    assert (result.provider_message_id, result.segments) == (ID, 2)


@pytest.mark.parametrize(("account", "field"), [({"sender": ""}, "sender"), ({"key": "a b"}, "access_key")])
def test_a_wrong_field_is_named(account: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter(**account)


# Receipts, and signed tokens

STATES = {
    "scheduled": (ReceiptState.ACCEPTED, None),
    "sent": (ReceiptState.ACCEPTED, None),
    "buffered": (ReceiptState.ACCEPTED, None),
    "delivered": (ReceiptState.DELIVERED, None),
    "expired": (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED),
    "delivery_failed": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
}

REASONS = {
    **dict.fromkeys(("1", "2", "3", "5", "9", "10", "11", "12"), UndeliveredReason.UNKNOWN_SUBSCRIBER),
    **dict.fromkeys(("6", "27", "31"), UndeliveredReason.EXPIRED),
    "13": UndeliveredReason.BLOCKED,
    "103": UndeliveredReason.OPTED_OUT,
    "104": UndeliveredReason.REJECTED,
}

REASONS_WITHOUT_CODE = {
    "DLR not received": (ReceiptState.UNKNOWN, None),
    "unknown subscriber": (ReceiptState.UNDELIVERED, UndeliveredReason.UNKNOWN_SUBSCRIBER),
    "unavailable subscriber": (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED),
    "expired": (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED),
    "opted out": (ReceiptState.UNDELIVERED, UndeliveredReason.OPTED_OUT),
}

KEY = "s3cret-signing-key"
"""Of the account of these tests."""


def test_each_documented_status_of_a_delivery_has_a_state() -> None:
    assert STATES.keys() == messagebird_callbacks.STATUSES.keys()
    for status, (state, reason) in STATES.items():
        assert said_by("messagebird", report(status)) == (state, reason, status)
        assert said_by("messagebird", report(status, statusErrorCode="0")) == (state, reason, status)


def test_each_documented_code_of_a_failure_has_a_reason() -> None:
    assert REASONS.keys() == messagebird_callbacks.CODES.keys()
    for code, reason in REASONS.items():
        callback = report("delivery_failed", statusErrorCode=code, statusReason="expired")
        assert said_by("messagebird", callback) == (ReceiptState.UNDELIVERED, reason, code)


def test_each_documented_reason_counts_if_there_is_no_code() -> None:
    assert {words.lower() for words in REASONS_WITHOUT_CODE} == messagebird_callbacks.REASONS.keys()
    for words, said in REASONS_WITHOUT_CODE.items():
        assert said_by("messagebird", report("delivery_failed", statusReason=words))[:2] == said


def test_the_address_for_receipts_goes_with_each_message() -> None:
    assert json.loads(submission_of(reading("messagebird")).body)["reportUrl"] == RECEIPT_URL


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_algorithms_that_need_the_key_are_accepted(algorithm: str) -> None:
    callback = report("sent")

    assert reading("messagebird").read_receipts(with_token(callback, token(claims_about(callback), KEY, algorithm)))


def test_a_token_about_another_callback_or_of_another_time_is_refused() -> None:
    callback = post_form(INBOUND, INBOUND_URL)
    others = {
        "another address": {"url_hash": claims_about(report("sent"))["url_hash"]},
        "another body": {"payload_hash": "0" * 64},
        "no body": {"payload_hash": None},
        "no address": {"url_hash": None},
        "another issuer": {"iss": "Somebody"},
        "no issuer": {"iss": None},
        "expired": {"nbf": NOW - 100, "exp": NOW - 10},
        "not yet valid": {"nbf": NOW + 10},
        "no start": {"nbf": None},
        "no end": {"exp": None},
        "times as text of another kind": {"nbf": "now", "exp": "later"},
        "started long ago": {"nbf": NOW - 10_000},
    }
    assert reading("messagebird").read_inbound(with_token(callback, token(claims_about(callback), KEY)))
    for name, changes in others.items():
        forged = with_token(callback, token(claims_about(callback, **changes), KEY))
        with pytest.raises(CallbackRejectedError):
            pytest.fail(f"{name}: {reading('messagebird').read_inbound(forged)}")


def test_a_token_without_a_signature_that_needs_the_key_is_refused() -> None:
    callback = report("sent")
    head, payload, signature = token(claims_about(callback), KEY).split(".")
    unsigned = [b64url(json.dumps({"alg": name, "typ": "JWT"})) for name in ("none", "None", "RS256", "", "hs256")]
    no_names: list[Any] = [{}, [], {"alg": None}, {"alg": ["HS256"]}, {"alg": {}}]
    others = [b64url(json.dumps(header)) for header in no_names]
    critical = b64url(json.dumps({"alg": "HS256", "crit": ["b64"], "b64": False}))
    forged = [
        *(f"{header}.{payload}." for header in (*unsigned, *others)),
        *(f"{header}.{payload}.{signature}" for header in (*unsigned, *others, critical)),
        f"{critical}.{payload}.{signature_of(f'{critical}.{payload}')}",
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}..{signature}",
        f".{payload}.{signature}",
        f"{head}.{payload}.{signature}=",
        f"{head}.{payload}.{signature}.x",
        f"{head}.{payload}.{signature}\n",
        f"{signature}.{payload}.{head}",
        "..",
        "....",
        "ё.ё.ё",
        "\ud800.\ud800.\ud800",
    ]
    for one in forged:
        with pytest.raises(CallbackRejectedError):
            pytest.fail(f"{one}: {reading('messagebird').read_receipts(with_token(callback, one))}")


def b64url(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def signature_of(content: str) -> str:
    return urlsafe_b64encode(hmac.digest(KEY.encode(), content.encode(), "sha256")).rstrip(b"=").decode()


def test_the_account_of_these_tests_has_the_key() -> None:
    assert callback_account("messagebird").credentials["signing_key"] == KEY
