"""Twilio's own client (twilio) sends what our adapter sends, and understands the same answers. Nothing differs.

Its validator and ours agree about signatures of callbacks.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.gateways.base import Callback
from tests.integration.gateways.sdk_callbacks import disagreements, is_accepted, signed_by_us, unsigned
from tests.integration.gateways.sdk_requests import ToServer, VendorModule, sent_by_adapter, sent_by_vendor
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.callback_cases import MESSAGE_URL, callback_account, form_fields, reading
from tests.unit.gateways.samples_twilio import CALLBACKS, SAMPLES, SID
from tests.unit.gateways.test_twilio import ACCOUNT_SID, SENDER, SERVICE, TOKEN, adapter

http_client = VendorModule("twilio.http.http_client")
rest = VendorModule("twilio.rest")
request_validator = VendorModule("twilio.request_validator")


@pytest.mark.parametrize(("sender", "field"), [(SENDER, "from_"), (SERVICE, "messaging_service_sid")])
def test_a_message_is_sent_alike(sender: str, field: str) -> None:
    def send(url: str) -> None:
        transport = http_client.TwilioHttpClient()
        transport.session.mount("https://", ToServer(url))
        messages = rest.Client(ACCOUNT_SID, TOKEN, http_client=transport).messages
        sent: Any = messages.create(to=f"+{PHONE_NUMBER}", body=TEXT, **{field: sender})
        assert (sent.sid, sent.to) == (SID, f"+{PHONE_NUMBER}")

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(adapter(sender)))


def test_a_message_with_an_address_for_receipts_is_sent_alike() -> None:
    account = callback_account("twilio")

    def send(url: str) -> None:
        transport = http_client.TwilioHttpClient()
        transport.session.mount("https://", ToServer(url))
        client = rest.Client(account.options["account_sid"], account.credentials["auth_token"], http_client=transport)
        client.messages.create(to=f"+{PHONE_NUMBER}", body=TEXT, from_=account.sender, status_callback=MESSAGE_URL)

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(reading("twilio")))


def test_a_message_is_asked_for_alike() -> None:
    account = callback_account("twilio")

    def ask(url: str) -> None:
        transport = http_client.TwilioHttpClient()
        transport.session.mount("https://", ToServer(url))
        client = rest.Client(account.options["account_sid"], account.credentials["auth_token"], http_client=transport)
        assert client.messages(SID).fetch().status == "delivered"

    submission = reading("twilio").prepare_poll([CALLBACKS.sent])
    theirs = sent_by_vendor(ask, "200 OK", json.loads(CALLBACKS.polls[0][0].body))
    # All our requests have the same headers, also those without a body.
    assert theirs == replace(sent_by_adapter(submission), content_type="")


TWILIO_TOKEN = callback_account("twilio").credentials["auth_token"]


def is_json(callback: Callback) -> bool:
    return "bodySHA256" in callback.url


def parameters_of(callback: Callback) -> Any:
    if is_json(callback):
        return callback.body.decode()
    return form_fields(callback.body) if callback.body else {}


def validates(callback: Callback) -> bool:
    signature = callback.headers.get("x-twilio-signature", "")
    accepted: bool = request_validator.RequestValidator(TWILIO_TOKEN).validate(
        callback.url, parameters_of(callback), signature
    )
    return accepted


def test_its_validator_accepts_what_our_signer_signs() -> None:
    assert all(validates(callback) for callback in signed_by_us("twilio"))


def test_our_checker_accepts_what_its_signer_signs() -> None:
    for callback in unsigned("twilio"):
        parameters = {} if is_json(callback) else parameters_of(callback)
        signature = request_validator.RequestValidator(TWILIO_TOKEN).compute_signature(callback.url, parameters)
        assert is_accepted("twilio", replace(callback, headers={"x-twilio-signature": signature}))


def test_both_refuse_the_same_changes() -> None:
    by_post, _, _, _, by_get, *_ = signed_by_us("twilio")

    assert by_post.body
    assert not by_get.body
    for callback in (by_post, by_get):
        assert disagreements("twilio", validates, callback) == []
