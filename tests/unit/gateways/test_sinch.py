"""Sinch: its request, and what its codes mean."""

from __future__ import annotations

import json

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
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
from tests.unit.gateways.samples_sinch import BATCH, created, failed

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
