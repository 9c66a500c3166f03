"""Twilio: its request, and what its codes mean."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways import twilio_callbacks
from shared.gateways.base import Account, CallbackRejectedError
from shared.gateways.twilio import CODES, TwilioAdapter
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    Expected,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.callback_cases import INBOUND_URL, MESSAGE_URL, callback_account, post_form, reading, said_by
from tests.unit.gateways.samples_twilio import INBOUND, SID, created, failed, signed, status_fields

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
TOKEN = "c0ffee"
SENDER = "+15005550006"
SERVICE = "MG" + "0123456789abcdef" * 2
PROVIDER_SAID = ReasonCode.PROVIDER_SAID
LONG = "Здравствуйте! This text is longer than one segment, and came as base64. 🎉"


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


# Receipts and inbound messages

STATES = {
    "accepted": ReceiptState.ACCEPTED,
    "scheduled": ReceiptState.ACCEPTED,
    "queued": ReceiptState.ACCEPTED,
    "sending": ReceiptState.ACCEPTED,
    "sent": ReceiptState.ACCEPTED,
    "partially_delivered": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.DELIVERED,
    "canceled": ReceiptState.UNDELIVERED,
}

REASONS = {
    "21211": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "21214": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "21610": UndeliveredReason.OPTED_OUT,
    "21614": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "21635": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "30001": UndeliveredReason.REJECTED,
    "30002": UndeliveredReason.REJECTED,
    "30003": UndeliveredReason.EXPIRED,
    "30004": UndeliveredReason.BLOCKED,
    "30005": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "30006": UndeliveredReason.UNKNOWN_SUBSCRIBER,
    "30007": UndeliveredReason.BLOCKED,
    "30008": UndeliveredReason.OTHER,
    "30009": UndeliveredReason.OTHER,
    "30010": UndeliveredReason.REJECTED,
    "30012": UndeliveredReason.REJECTED,
    "30013": UndeliveredReason.REJECTED,
    "30017": UndeliveredReason.OTHER,
    "30018": UndeliveredReason.REJECTED,
    "30019": UndeliveredReason.REJECTED,
    "30020": UndeliveredReason.OTHER,
    "30021": UndeliveredReason.OTHER,
    "30022": UndeliveredReason.REJECTED,
    "30023": UndeliveredReason.REJECTED,
    "30024": UndeliveredReason.REJECTED,
    "30027": UndeliveredReason.REJECTED,
    "30032": UndeliveredReason.REJECTED,
    "30034": UndeliveredReason.REJECTED,
    "30036": UndeliveredReason.EXPIRED,
    "30410": UndeliveredReason.OTHER,
    "63018": UndeliveredReason.REJECTED,
    "99999": UndeliveredReason.OTHER,
}


def test_each_documented_status_of_a_delivery_has_a_state() -> None:
    assert STATES.keys() == twilio_callbacks.STATUSES.keys()
    for status, state in STATES.items():
        reason = UndeliveredReason.REJECTED if state is ReceiptState.UNDELIVERED else None
        assert said_by("twilio", post_form(status_fields(status), MESSAGE_URL)) == (state, reason, status)


def test_each_documented_code_of_a_failure_has_a_reason() -> None:
    assert REASONS.keys() == {*twilio_callbacks.CODES, "99999"}
    for code, reason in REASONS.items():
        for status in ("failed", "undelivered"):
            callback = post_form(status_fields(status, ErrorCode=code), MESSAGE_URL)
            assert said_by("twilio", callback) == (ReceiptState.UNDELIVERED, reason, code)
        # An earlier status may have a code as well; it is no failure.
        sent = post_form(status_fields("sent", ErrorCode=code), MESSAGE_URL)
        assert said_by("twilio", sent) == (ReceiptState.ACCEPTED, None, "sent")


def test_a_failure_without_a_code_is_of_another_kind() -> None:
    said = said_by("twilio", post_form(status_fields("failed"), MESSAGE_URL))

    assert said == (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER, "failed")


def test_our_id_goes_into_the_address_for_receipts() -> None:
    sent = submission_of(reading("twilio"))

    assert parse_qs(sent.body.decode())["StatusCallback"] == [MESSAGE_URL]


@pytest.mark.parametrize("host", ["gonets.example", "s", "[2001:db8::1]"])
def test_the_usual_port_may_be_signed_or_not(host: str) -> None:
    account, adapter = callback_account("twilio"), reading("twilio")
    plain, usual, other = (INBOUND_URL.replace("gonets.example", f"{host}{port}") for port in ("", ":443", ":8443"))
    for url, called in ((plain, usual), (usual, plain)):
        headers = signed(post_form(INBOUND, url), account).headers
        assert adapter.read_inbound(replace(post_form(INBOUND, called), headers=headers))
        with pytest.raises(CallbackRejectedError):
            adapter.read_inbound(replace(post_form(INBOUND, other), headers=headers))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PACKED := b64encode(LONG.encode()).decode(), LONG),
        (PACKED[:76] + "\r\n" + PACKED[76:] + "\r\n", LONG),
        # Cut within a character, as parts of a long message are.
        (b64encode(LONG.encode()[:-1]).decode(), LONG[:-1]),
        ("a" * 64, "a" * 64),
        ("0123456789abcdef" * 4, "0123456789abcdef" * 4),
        (PACKED[:40], PACKED[:40]),
        (PACKED + "=", PACKED + "="),
        (PACKED[:-4] + " " + PACKED[-3:], PACKED[:-4] + " " + PACKED[-3:]),
        (b64encode(b"\x00\x01\x02" * 30).decode(), b64encode(b"\x00\x01\x02" * 30).decode()),
        (LONG, LONG),
        ("", ""),
    ],
    ids=range(11),
)
def test_base64_is_decoded_only_if_it_is_certain(text: str, expected: str) -> None:
    account = callback_account("twilio")
    [part] = reading("twilio").read_inbound(signed(post_form({**INBOUND, "Body": text}, INBOUND_URL), account))

    assert part.text == expected
