"""Sinch: its request, and what its codes mean."""

from __future__ import annotations

import json

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways import sinch_callbacks
from shared.gateways.base import Account
from shared.gateways.sinch import SinchAdapter
from tests.unit.gateways.adapter_cases import (
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Expected,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.callback_cases import RECEIPT_URL, callback_account, post_json, reading, said_by
from tests.unit.gateways.samples_sinch import BATCH, batch_report, created, failed, report, signed, status_of

PLAN, API_TOKEN, SENDER = "plan1", "t0ken", "Shop"
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(sender: str = SENDER, token: str = API_TOKEN, plan: str = PLAN) -> SinchAdapter:
    return SinchAdapter(
        Account(
            address="https://eu.sms.api.sinch.com",
            sender=sender,
            credentials={"api_token": token},
            options={"service_plan_id": plan},
        )
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", f"/xms/v1/{PLAN}/batches")
    assert sent.headers["Authorization"] == f"Bearer {API_TOKEN}"
    assert json.loads(sent.body) == {
        "type": "mt_text",
        "from": SENDER,
        "to": [f"+{PHONE_NUMBER}"],
        "client_reference": str(MESSAGE_ID),
        "body": TEXT,
    }
    assert set(sent.secrets) == {API_TOKEN, TEXT, str(PHONE_NUMBER)}


@pytest.mark.parametrize(
    ("status", "code", "expected", "perhaps_recipient"),
    [
        (400, "syntax_invalid_json", (Result.REFUSED, PROVIDER_SAID), False),
        (400, "syntax_invalid_parameter_format", (Result.REFUSED, PROVIDER_SAID), False),
        (400, "syntax_constraint_violation", (Result.REFUSED, PROVIDER_SAID), False),
        (400, "unheard_of", (Result.REFUSED, PROVIDER_SAID), False),
        (401, "unauthorized", (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        (403, "blocked_account", (Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED), False),
        (403, "illegal_number_type", (Result.REFUSED, ReasonCode.NO_ROUTE), False),
        (403, "missing_callback_url", (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), False),
        (403, "unheard_of", (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (404, "not_found", (Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND), False),
        (429, "too_many", (Result.THROTTLED, PROVIDER_SAID), False),
        (500, "blocked_account", (Result.AMBIGUOUS, PROVIDER_SAID), False),
    ],
)
def test_each_documented_code_has_a_result(status: int, code: str, expected: Expected, perhaps_recipient: bool) -> None:
    result = read(adapter(), failed(status, code))

    assert (meaning(result), result.perhaps_recipient) == (expected, perhaps_recipient)
    assert result.words == f"{code}: What it says"


def test_the_id_of_an_acceptance_and_a_time_to_wait_are_kept() -> None:
    assert read(adapter(), created()).provider_message_id == BATCH
    assert read(adapter(), failed(429, Retry_After="1")).retry_after == 1.0


@pytest.mark.parametrize(
    ("account", "field"),
    [({"sender": ""}, "sender"), ({"token": "a\nb"}, "api_token"), ({"plan": "a/../b"}, "service_plan_id")],
)
def test_a_wrong_field_is_named(account: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter(**account)


# Receipts

STATES = {
    "QUEUED": (ReceiptState.ACCEPTED, None),
    "DISPATCHED": (ReceiptState.ACCEPTED, None),
    "DELIVERED": (ReceiptState.DELIVERED, None),
    "UNKNOWN": (ReceiptState.UNKNOWN, None),
    "EXPIRED": (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED),
    "ABORTED": (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED),
    "REJECTED": (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED),
    "CANCELLED": (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED),
    "FAILED": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
    "DELETED": (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER),
}

REASONS = {
    **dict.fromkeys((402, 405, 407, 408, 410, 411, 412, 413, 64, 310, 321, 332, 334, 349), UndeliveredReason.REJECTED),
    **dict.fromkeys((403, 404, 414, 415, 416, 417, 418, 399), UndeliveredReason.OTHER),
    406: UndeliveredReason.EXPIRED,
    **dict.fromkeys((15, 60, 62), UndeliveredReason.BLOCKED),
    **dict.fromkeys((152, 300), UndeliveredReason.UNKNOWN_SUBSCRIBER),
}


def test_each_documented_status_of_a_delivery_has_a_state() -> None:
    assert STATES.keys() == sinch_callbacks.STATUSES.keys()
    for status, (state, reason) in STATES.items():
        code = "7777" if state is ReceiptState.UNDELIVERED else status
        assert said_by("sinch", report(status, 7777)) == (state, reason, code)
        assert said_by("sinch", report(status.title(), 7777))[:2] == (state, reason)


def test_each_documented_code_of_a_failure_has_a_reason() -> None:
    assert {str(code) for code in REASONS} == sinch_callbacks.CODES.keys()
    for code, reason in REASONS.items():
        for status in ("ABORTED", "Failed"):
            assert said_by("sinch", report(status, code)) == (ReceiptState.UNDELIVERED, reason, str(code))


def test_receipts_are_asked_for_with_each_message() -> None:
    sent = json.loads(submission_of(reading("sinch")).body)

    assert (sent["delivery_report"], sent["callback_url"]) == ("per_recipient", RECEIPT_URL)


def test_a_report_about_several_recipients_is_not_ours() -> None:
    account = callback_account("sinch")
    for wrong in ({"count": 2}, {"recipients": ["79990001122", "79990001123"]}):
        callback = post_json(batch_report({**status_of("Delivered", 0), **wrong}))
        with pytest.raises(ValueError, match="several recipients"):
            reading("sinch").read_receipts(signed(callback, account))
