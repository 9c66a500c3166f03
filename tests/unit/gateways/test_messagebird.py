"""MessageBird: its request, and what its codes mean."""

from __future__ import annotations

import json

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account
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
from tests.unit.gateways.samples_messagebird import ID, created, failed

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
