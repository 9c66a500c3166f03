"""The adapter of MTS Exolve."""

from __future__ import annotations

import json

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    adapter_with,
    answer,
    read,
    submission_of,
)


def test_the_number_is_the_sender_and_the_destination_the_recipient() -> None:
    sent = submission_of(adapter_with("exolve", api_key="k3y"))

    assert (sent.method, sent.path, sent.headers["Authorization"]) == ("POST", "/messaging/v1/SendSMS", "Bearer k3y")
    assert json.loads(sent.body) == {"number": "Shop", "destination": str(PHONE_NUMBER), "text": TEXT}


@pytest.mark.parametrize("body", [{"message": "why"}, {"error": "why"}, {"error": {"message": "why"}}])
def test_a_failure_is_read_by_its_status_and_keeps_its_words(body: object) -> None:
    refused = read(adapter_with("exolve", api_key="k3y"), answer(400, body))
    rejected = read(adapter_with("exolve", api_key="k3y"), answer(401, body))

    assert (refused.result, refused.words) == (Result.REFUSED, "why")
    assert (rejected.result, rejected.reason and rejected.reason.code, rejected.words) == (
        Result.MISCONFIGURED,
        ReasonCode.CREDENTIALS_REJECTED,
        "why",
    )


def test_an_accepted_message_keeps_its_id() -> None:
    got = read(adapter_with("exolve", api_key="k3y"), answer(200, {"message_id": "439166538688270111"}))

    assert (got.result, got.provider_message_id) == (Result.ACCEPTED, "439166538688270111")


@pytest.mark.parametrize("api_key", ["", "k3y\r\nX: y", "ключ", "two words"])
def test_a_wrong_field_is_named(api_key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^api_key: "):
        adapter_with("exolve", api_key=api_key)
