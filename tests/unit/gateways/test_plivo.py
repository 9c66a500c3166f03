"""Plivo: its request, and what its statuses mean."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account
from shared.gateways.plivo import PlivoAdapter
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    Expected,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.samples_plivo import UUID, failed, queued

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
