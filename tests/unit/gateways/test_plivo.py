"""Plivo: its request, and what its statuses mean."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways import plivo_callbacks
from shared.gateways.base import Account, Callback, CallbackRejectedError
from shared.gateways.plivo import PlivoAdapter
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    Expected,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.callback_cases import (
    MESSAGE_URL,
    RECEIPT_URL,
    callback_account,
    called,
    post_form,
    reading,
    said_by,
)
from tests.unit.gateways.samples_plivo import NONCE, UUID, failed, queued, signed, status_fields

AUTH_ID, AUTH_TOKEN, SENDER = "MAXXXXXXXXXXXXXXXXXX", "t0ken", "15005550006"
POWERPACK = "5ec4c8c9-cd74-42b5-9e41-0d7670d6bb46"
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(sender: str = SENDER, token: str = AUTH_TOKEN, auth_id: str = AUTH_ID) -> PlivoAdapter:
    return PlivoAdapter(
        Account(
            address="https://api.plivo.com",
            sender=sender,
            credentials={"auth_token": token},
            options={"auth_id": auth_id},
        )
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", f"/v1/Account/{AUTH_ID}/Message/")
    assert b64decode(sent.headers["Authorization"].removeprefix("Basic ")).decode() == f"{AUTH_ID}:{AUTH_TOKEN}"
    assert json.loads(sent.body) == {"src": SENDER, "dst": str(PHONE_NUMBER), "text": TEXT}
    assert {AUTH_TOKEN, sent.headers["Authorization"].removeprefix("Basic "), TEXT} < set(sent.secrets)


def test_a_powerpack_is_a_sender_too() -> None:
    assert json.loads(submission_of(adapter(POWERPACK)).body).keys() == {"powerpack_uuid", "dst", "text"}


@pytest.mark.parametrize(
    ("status", "expected", "perhaps_recipient"),
    [
        (400, (Result.REFUSED, PROVIDER_SAID), False),
        (401, (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        (402, (Result.NO_CREDIT, ReasonCode.NO_CREDIT), True),
        (403, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (404, (Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND), False),
        (405, (Result.MISCONFIGURED, ReasonCode.METHOD_NOT_ALLOWED), False),
        (409, (Result.REFUSED, PROVIDER_SAID), False),
        (422, (Result.REFUSED, PROVIDER_SAID), False),
        (429, (Result.THROTTLED, PROVIDER_SAID), False),
        (500, (Result.AMBIGUOUS, PROVIDER_SAID), False),
    ],
)
def test_each_documented_status_has_a_result(status: int, expected: Expected, perhaps_recipient: bool) -> None:
    result = read(adapter(), failed(status))

    assert (meaning(result), result.perhaps_recipient) == (expected, perhaps_recipient)
    assert (result.code, result.words, result.perhaps_duplicate) == (str(status), "What it says", False)


def test_the_id_of_an_acceptance_and_a_time_to_wait_are_kept() -> None:
    assert read(adapter(), queued(UUID)).provider_message_id == UUID
    assert read(adapter(), failed(429, Retry_After="1")).retry_after == 1.0


@pytest.mark.parametrize(
    ("account", "field"),
    [({"sender": ""}, "sender"), ({"token": ""}, "auth_token"), ({"auth_id": "a/b"}, "auth_id")],
)
def test_a_wrong_field_is_named(account: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter(**account)


# Receipts

STATES = {
    "queued": (ReceiptState.ACCEPTED, None),
    "sent": (ReceiptState.ACCEPTED, None),
    "delivered": (ReceiptState.DELIVERED, None),
    "read": (ReceiptState.DELIVERED, None),
    "undelivered": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
    "failed": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
    "rejected": (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED),
}

REASONS = {
    "10": UndeliveredReason.REJECTED,
    "20": UndeliveredReason.OTHER,
    "30": UndeliveredReason.BLOCKED,
    "40": UndeliveredReason.REJECTED,
    "50": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "60": UndeliveredReason.REJECTED,
    "70": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "80": UndeliveredReason.EXPIRED,
    "90": UndeliveredReason.REJECTED,
    "100": UndeliveredReason.BLOCKED,
    "110": UndeliveredReason.REJECTED,
    "200": UndeliveredReason.OPTED_OUT,
    "201": UndeliveredReason.REJECTED,
    "300": UndeliveredReason.OTHER,
    "420": UndeliveredReason.EXPIRED,
    "900": UndeliveredReason.REJECTED,
    "910": UndeliveredReason.REJECTED,
    "1000": UndeliveredReason.OTHER,
}


def test_each_documented_status_of_a_delivery_has_a_state() -> None:
    assert STATES.keys() == plivo_callbacks.STATUSES.keys()
    for status, (state, reason) in STATES.items():
        assert said_by("plivo", post_form(status_fields(status), MESSAGE_URL)) == (state, reason, status)


def test_each_documented_code_of_a_failure_has_a_reason() -> None:
    assert REASONS.keys() == plivo_callbacks.CODES.keys()
    for code, reason in REASONS.items():
        for status in ("failed", "undelivered", "rejected"):
            callback = post_form(status_fields(status, ErrorCode=code), MESSAGE_URL)
            assert said_by("plivo", callback) == (ReceiptState.UNDELIVERED, reason, code)


def test_our_id_goes_into_the_address_for_receipts() -> None:
    sent = json.loads(submission_of(reading("plivo")).body)

    assert (sent["url"], sent["method"]) == (MESSAGE_URL, "POST")


def old_signature(url: str, token: str) -> str:
    return b64encode(hmac.digest(token.encode(), f"{url}{NONCE}".encode(), "sha256")).decode()


def with_headers(**headers: str) -> Callback:
    callback = post_form(status_fields("delivered"), MESSAGE_URL)
    return called("POST", callback.url, callback.body, **headers)


def test_the_older_signature_counts_if_there_is_no_newer_one() -> None:
    token = "s3cret-auth-token"  # of the account of these tests
    right, wrong = old_signature(RECEIPT_URL, token), old_signature(RECEIPT_URL, "another")
    for name in ("X_Plivo_Signature_V2", "X_Plivo_Signature_Ma_V2"):
        old = {name: right, "X_Plivo_Signature_V2_Nonce": NONCE}
        assert reading("plivo").read_receipts(with_headers(**old))
        newer = {"X_Plivo_Signature_V3": right, "X_Plivo_Signature_V3_Nonce": NONCE}
        for forged in ({**old, name: wrong}, {name: right}, {**old, **newer}, {**old, name: ""}):
            with pytest.raises(CallbackRejectedError):
                reading("plivo").read_receipts(with_headers(**forged))


def test_a_part_without_a_number_is_known_by_its_own_id() -> None:
    fields = status_fields("delivered", 2, 3) | {"PartInfo": ""}
    callback = signed(post_form(fields, MESSAGE_URL), callback_account("plivo"))
    [receipt] = reading("plivo").read_receipts(callback)

    assert (receipt.part, receipt.parts) == (fields["MessageUUID"], None)
