"""MessageBird's own client (messagebird) sends what our adapter sends, and understands the same answers.

Nothing differs. The client leaves `datacoding` and `reference` to its user, and joins a list of recipients by commas.

Its validator and ours agree about signatures of callbacks. The client uses a JWT library, with which we sign too.
"""

from __future__ import annotations

import json
from datetime import datetime, tzinfo

import pytest

from shared.gateways.base import Callback
from tests.integration.gateways.sdk_callbacks import changed, is_accepted, signed_by_us, unsigned
from tests.integration.gateways.sdk_requests import VendorModule, sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.callback_cases import RECEIPT_URL, RECEIVED_AT, callback_account, reading
from tests.unit.gateways.samples_messagebird import CALLBACKS, ID, SAMPLES, claims_about, with_token
from tests.unit.gateways.test_messagebird import ACCESS_KEY, SENDER, adapter

client_module = VendorModule("messagebird.client")
validator = VendorModule("messagebird.request_validator")
jwt = VendorModule("jwt")


def test_a_message_is_sent_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(url: str) -> None:
        monkeypatch.setattr(vendor("messagebird.client"), "ENDPOINT", url)
        more = {"reference": str(MESSAGE_ID), "datacoding": "auto"}
        sent = client_module.Client(ACCESS_KEY).message_create(SENDER, [str(PHONE_NUMBER)], TEXT, more)
        assert sent.id == ID

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(adapter()))


def test_a_message_with_an_address_for_receipts_is_sent_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    account = callback_account("messagebird")

    def send(url: str) -> None:
        monkeypatch.setattr(vendor("messagebird.client"), "ENDPOINT", url)
        more = {"reference": str(MESSAGE_ID), "datacoding": "auto", "reportUrl": RECEIPT_URL}
        client = client_module.Client(account.credentials["access_key"])
        client.message_create(account.sender, [str(PHONE_NUMBER)], TEXT, more)

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(reading("messagebird")))


def test_a_message_is_asked_for_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    account = callback_account("messagebird")

    def ask(url: str) -> None:
        monkeypatch.setattr(vendor("messagebird.client"), "ENDPOINT", url)
        found = client_module.Client(account.credentials["access_key"]).message(ID)
        assert [item.status for item in found.recipients["items"]] == ["delivered"]

    submission = reading("messagebird").prepare_poll([CALLBACKS.sent])
    assert sent_by_vendor(ask, "200 OK", json.loads(CALLBACKS.polls[0][0].body)) == sent_by_adapter(submission)


HEADER = "messagebird-signature-jwt"

SIGNING_KEY = callback_account("messagebird").credentials["signing_key"]


# The library warns that a key is short. Its length is MessageBird's choice.
pytestmark = pytest.mark.filterwarnings("ignore:.*minimum recommended length")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the JWT library believe that it is the time of our callbacks."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(RECEIVED_AT.timestamp(), tz)

    monkeypatch.setattr(vendor("jwt.api_jwt"), "datetime", Clock)


def validates(callback: Callback) -> bool:
    token = callback.headers.get(HEADER, "")
    try:
        validator.RequestValidator(SIGNING_KEY).validate_signature(token, callback.url, callback.body)
    except validator.ValidationError:
        return False
    return True


def test_its_validator_accepts_what_our_signer_signs(now: None) -> None:
    assert all(validates(callback) for callback in signed_by_us("messagebird"))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "none"])
def test_our_checker_accepts_what_a_jwt_library_signs(now: None, algorithm: str) -> None:
    for callback in unsigned("messagebird"):
        key = None if algorithm == "none" else SIGNING_KEY
        token = jwt.encode(claims_about(callback), key, algorithm)
        signed = with_token(callback, token)
        assert is_accepted("messagebird", signed) is validates(signed) is (algorithm != "none")


def test_both_refuse_the_same_changes(now: None) -> None:
    callbacks = [*signed_by_us("messagebird")]
    for callback in (callbacks[0], callbacks[-3]):
        for one in changed(callback):
            assert not is_accepted("messagebird", one)
            # Theirs takes other spellings of the same bytes in base64: of the last character of the signature.
            same_bytes = one.headers.get(HEADER, "")[:-1] == callback.headers[HEADER][:-1]
            assert not validates(one) or same_bytes
