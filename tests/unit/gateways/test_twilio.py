"""Twilio: its request, and what its codes mean."""

from __future__ import annotations

from base64 import b64decode
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account
from shared.gateways.twilio import CODES, TwilioAdapter
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    Expected,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.samples_twilio import SID, created, failed

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
TOKEN = "c0ffee"
SENDER = "+15005550006"
SERVICE = "MG" + "0123456789abcdef" * 2
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(sender: str = SENDER, token: str = TOKEN, account_sid: str = ACCOUNT_SID) -> TwilioAdapter:
    return TwilioAdapter(
        Account(
            address="https://api.twilio.com",
            sender=sender,
            credentials={"auth_token": token},
            options={"account_sid": account_sid},
        )
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json")
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    user, _, password = b64decode(sent.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (user, password) == (ACCOUNT_SID, TOKEN)
    assert parse_qs(sent.body.decode()) == {"To": [f"+{PHONE_NUMBER}"], "From": [SENDER], "Body": [TEXT]}
    assert {TOKEN, sent.headers["Authorization"].removeprefix("Basic "), TEXT} < set(sent.secrets)


def test_a_messaging_service_is_a_sender_too() -> None:
    assert parse_qs(submission_of(adapter(SERVICE)).body.decode()).keys() == {"To", "MessagingServiceSid", "Body"}


@pytest.mark.parametrize(
    ("status", "code", "expected", "perhaps_recipient"),
    [
        (429, 20429, (Result.THROTTLED, PROVIDER_SAID), False),
        (401, 20003, (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED), False),
        (403, 20005, (Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED), False),
        (404, 20404, (Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND), False),
        (400, 21211, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 21214, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 21614, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 21612, (Result.REFUSED, ReasonCode.NO_ROUTE), False),
        (400, 21601, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 21408, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (400, 21608, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (400, 21606, (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), True),
        (400, 21703, (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), False),
        (400, 21610, (Result.OPTED_OUT, ReasonCode.OPTED_OUT), False),
        (400, 21611, (Result.THROTTLED, PROVIDER_SAID), False),
        (400, 21617, (Result.REFUSED, ReasonCode.TEXT_TOO_LONG), False),
        (400, 14107, (Result.THROTTLED, PROVIDER_SAID), False),
        (400, 30001, (Result.RETRIABLE, PROVIDER_SAID), False),
        (400, 30002, (Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED), False),
        (400, 30003, (Result.RETRIABLE, PROVIDER_SAID), False),
        (400, 30004, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 30005, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 30006, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 30007, (Result.REFUSED, PROVIDER_SAID), False),
        (400, 30008, (Result.RETRIABLE, PROVIDER_SAID), False),
        (400, 30022, (Result.THROTTLED, PROVIDER_SAID), False),
        (400, 30023, (Result.THROTTLED, PROVIDER_SAID), False),
        (400, 30034, (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), False),
        (400, 63018, (Result.THROTTLED, PROVIDER_SAID), False),
        (400, 99999, (Result.REFUSED, PROVIDER_SAID), False),
        (500, 20500, (Result.AMBIGUOUS, PROVIDER_SAID), False),
        (503, 20429, (Result.AMBIGUOUS, PROVIDER_SAID), False),
    ],
)
def test_each_documented_code_has_a_result(status: int, code: int, expected: Expected, perhaps_recipient: bool) -> None:
    result = read(adapter(), failed(status, code))

    assert (meaning(result), result.perhaps_recipient) == (expected, perhaps_recipient)
    assert (result.code, result.words) == (str(code if code in CODES and status < 500 else status), "What it says")
    assert code in CODES or code in (99999, 20500)


def test_a_code_of_a_refusal_is_kept_and_a_code_that_is_none_is_not() -> None:
    codes = [read(adapter(), each).code for each in (failed(400, 21211), failed(400, 99999), created("failed"))]

    assert codes == ["21211", "400", "failed"]


def test_a_conflict_is_no_duplicate_since_our_ids_are_not_known_there() -> None:
    assert not read(adapter(), failed(409, 20409)).perhaps_duplicate


def test_a_time_to_wait_is_kept() -> None:
    times = [read(adapter(), each).retry_after for each in (failed(429, 20429, Retry_After="2"), failed(429, 20429))]

    assert times == [2.0, None]


def test_what_the_provider_says_of_an_acceptance_is_kept() -> None:
    result = read(adapter(), created(num_segments="3", price="-0.0225"))

    assert (result.provider_message_id, result.segments, result.price) == (SID, 3, Decimal("0.0225"))
    assert read(adapter(), created(num_segments="0")).segments is None


def test_secrets_are_masked() -> None:
    words = f"{TEXT} to {PHONE_NUMBER} by {TOKEN}"

    assert read(adapter(), failed(400, 21211, words)).words == "*** to *** by ***"


@pytest.mark.parametrize(
    ("account", "field"),
    [
        ({"sender": ""}, "sender"),
        ({"sender": "a\nb"}, "sender"),
        ({"token": ""}, "auth_token"),
        ({"token": "a b"}, "auth_token"),
        ({"account_sid": ""}, "account_sid"),
        ({"account_sid": "../Calls"}, "account_sid"),
    ],
)
def test_a_wrong_field_is_named(account: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter(**account)
