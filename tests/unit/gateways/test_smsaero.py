"""The adapter of SMS Aero."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    Message,
    adapter_with,
    answer,
    read,
    refusal_of,
    submission_of,
)

FIELDS = {"email": "shop@example.com", "api_key": "k3y"}
BASIC = b64encode(b"shop@example.com:k3y").decode()


def test_a_message_is_sent_as_json_with_basic_authentication() -> None:
    sent = submission_of(adapter_with("smsaero", **FIELDS))

    assert (sent.method, sent.path) == ("POST", "/v2/sms/send")
    assert sent.headers["Authorization"] == f"Basic {BASIC}"
    assert json.loads(sent.body) == {"number": PHONE_NUMBER, "text": TEXT, "sign": "Shop"}


@pytest.mark.parametrize(
    ("body", "result", "reason"),
    [
        ({"success": False, "message": "Something"}, Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
        ({"result": "no credits"}, Result.NO_CREDIT, ReasonCode.NO_CREDIT),
        ({"result": "reject", "reason": "why"}, Result.REFUSED, ReasonCode.PROVIDER_SAID),
        *(
            ({"success": True, "data": {"id": 1, "status": status}}, Result.ACCEPTED, None)
            for status in (0, 1, 2, 3, 6, 8)
        ),
    ],
)
def test_every_answer_that_is_documented(body: object, result: Result, reason: ReasonCode | None) -> None:
    got = read(adapter_with("smsaero", **FIELDS), answer(200, body))

    assert (got.result, got.reason and got.reason.code) == (result, reason)


def test_a_refusal_names_the_fields_that_are_wrong() -> None:
    body = {"success": False, "data": {"sign": ["x"], "text": []}, "message": "Validation error."}

    assert read(adapter_with("smsaero", **FIELDS), answer(400, body)).words == "Validation error. (sign, text)"


def test_an_accepted_message_keeps_id_and_price() -> None:
    body = {"success": True, "data": {"id": 12345, "number": str(PHONE_NUMBER), "cost": 5.49}}

    got = read(adapter_with("smsaero", **FIELDS), answer(200, body))
    assert (got.provider_message_id, got.price) == ("12345", Decimal("5.49"))


def test_a_text_of_more_than_800_characters_is_refused() -> None:
    submission_of(adapter_with("smsaero", **FIELDS), Message(text="я" * 800))

    assert refusal_of(adapter_with("smsaero", **FIELDS), "я" * 801) == (Result.REFUSED, ReasonCode.TEXT_TOO_LONG)


@pytest.mark.parametrize(("field", "value"), [("email", ""), ("api_key", ""), ("api_key", "a\nb")])
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter_with("smsaero", **{**FIELDS, field: value})
