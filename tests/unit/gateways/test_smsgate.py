"""The adapter of SMS Gateway for Android."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import LookUp
from shared.gateways.smsgate import SmsgateAdapter
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import (
    MESSAGE,
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Message,
    account_with,
    adapter_with,
    answer,
    read,
    submission_of,
)
from tests.unit.gateways.samples_smsgate import state

FIELDS = {"username": "gonets", "password": "s3cret"}
BASIC = b64encode(b"gonets:s3cret").decode()


def smsgate(**fields: str) -> SmsgateAdapter:
    return SmsgateAdapter(account_with("smsgate", **{**FIELDS, **fields}))


def test_a_message_is_sent_as_json_with_our_id() -> None:
    sent = submission_of(smsgate(), Message(2**63 - 1))

    assert (sent.method, sent.path, sent.headers["Authorization"]) == (
        "POST",
        "/3rdparty/v1/messages",
        f"Basic {BASIC}",
    )
    assert json.loads(sent.body) == {
        "id": "9223372036854775807",
        "textMessage": {"text": TEXT},
        "phoneNumbers": [f"+{PHONE_NUMBER}"],
    }


def test_the_app_itself_has_a_path_of_its_own() -> None:
    assert submission_of(smsgate(path="/messages")).path == "/messages"


@pytest.mark.parametrize(
    ("status", "words", "result", "reason"),
    [
        (400, "invalid phone number", Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (400, "failed to select device: record not found", Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED),
        (401, "Unauthorized", Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
        (403, "Forbidden", Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED),
        (409, "duplicate id", Result.REFUSED, ReasonCode.ALREADY_ACCEPTED),
        (503, "Queue limits exceeded; ensure device is online", Result.THROTTLED, ReasonCode.PROVIDER_SAID),
        (503, "queue limits exceeded", Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    ],
)
def test_every_error_that_is_documented(status: int, words: str, result: Result, reason: ReasonCode) -> None:
    got = read(smsgate(), answer(status, {"message": words}))

    assert (got.result, got.code, got.reason and got.reason.code, got.words) == (result, str(status), reason, words)


def test_an_accepted_message_keeps_its_id() -> None:
    got = read(smsgate(), answer(202, state(str(PHONE_NUMBER))))

    assert (got.result, got.provider_message_id) == (Result.ACCEPTED, str(MESSAGE_ID))


def test_a_look_up_asks_for_our_id() -> None:
    adapter = smsgate()
    asked = adapter.prepare_look_up(MESSAGE)

    assert (asked.method, asked.path, asked.body) == ("GET", f"/3rdparty/v1/messages/{MESSAGE_ID}", b"")
    assert asked.headers is submission_of(adapter).headers


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        *(
            (200, {"id": "7", "state": name, "recipients": []}, LookUp.FOUND)
            for name in ("Pending", "Cancelling", "Processed", "Sent", "Delivered")
        ),
        (200, {"id": "7", "state": "Failed", "recipients": [{"error": "no SIM"}]}, LookUp.REFUSED),
        (200, {"id": "7", "state": "Cancelled"}, LookUp.REFUSED),
        (200, {"id": "7", "state": "Later"}, LookUp.UNCLEAR),
        (200, {"id": "8", "state": "Sent"}, LookUp.UNCLEAR),
        (200, {"id": "7", "state": "Sent", "recipients": [{"phoneNumber": "+79990001133"}]}, LookUp.UNCLEAR),
        (
            200,
            {"id": "7", "state": "Sent", "isHashed": True, "recipients": [{"phoneNumber": "9b71d224bd62f378"}]},
            LookUp.FOUND,
        ),
        (200, {"state": "Sent"}, LookUp.UNCLEAR),
        (404, {"message": "message not found"}, LookUp.NOT_FOUND),
        (404, {"message": "Cannot GET /wrong/messages/7"}, LookUp.UNCLEAR),
        (404, "<html>", LookUp.UNCLEAR),
        (400, {"message": "multiple messages found"}, LookUp.UNCLEAR),
        (401, {"message": "Unauthorized"}, LookUp.UNCLEAR),
        (500, {"message": "failed to get message state"}, LookUp.UNCLEAR),
    ],
)
def test_what_a_look_up_says(status: int, body: object, outcome: LookUp) -> None:
    found = smsgate().read_look_up(Answer(status, {}, json.dumps(body).encode()), Message(7))

    assert found.outcome is outcome
    if outcome is LookUp.REFUSED and isinstance(body, dict) and body.get("recipients"):
        assert found.reason is not None
        assert found.reason.parameters == {"words": "no SIM"}


@pytest.mark.parametrize(("field", "value"), [("username", ""), ("password", ""), ("path", "/other")])
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter_with("smsgate", **{**FIELDS, field: value})
