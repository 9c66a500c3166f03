"""Vonage's own client (vonage) sends what our adapter sends, and understands the same answers.

Nothing differs, but that its `status-report-req` is the word true. Its validator and ours agree about signatures of
callbacks; it has no method without HMAC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from shared.gateways.base import Account, Callback
from tests.integration.gateways.sdk_callbacks import is_accepted, unsigned
from tests.integration.gateways.sdk_requests import ToServer, VendorModule, sent_by_adapter, sent_by_vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, Message, answer_to, submission_of
from tests.unit.gateways.callback_cases import RECEIPT_URL, RECEIVED_AT, callback_account, callbacks_of, reading
from tests.unit.gateways.samples_vonage import SAMPLES
from tests.unit.gateways.test_vonage import API_KEY, API_SECRET, SENDER, adapter

http_client = VendorModule("vonage_http_client")
sms = VendorModule("vonage_sms")


@pytest.mark.parametrize(("text", "kind"), [(TEXT, "unicode"), ("Hello, 5 €!", "text")])
@pytest.mark.parametrize("segments", [0, 1], ids=["one segment", "three segments"])
def test_a_message_is_sent_alike(text: str, kind: str, segments: int) -> None:
    def send(url: str) -> None:
        client = http_client.HttpClient(http_client.Auth(api_key=API_KEY, api_secret=API_SECRET))
        client._session.mount("https://", ToServer(url))
        message = sms.SmsMessage(to=str(PHONE_NUMBER), from_=SENDER, text=text, client_ref=str(MESSAGE_ID), type=kind)
        sms.Sms(client).send(message)

    theirs = sent_by_vendor(send, "200 OK", json.loads(answer_to(MESSAGE, SAMPLES["accepted"][segments]).body))
    assert theirs == sent_by_adapter(submission_of(adapter(), Message(text=text)))


def test_a_message_with_an_address_for_receipts_is_sent_alike() -> None:
    account = callback_account("vonage")

    def send(url: str) -> None:
        auth = http_client.Auth(api_key=account.options["api_key"], api_secret=account.credentials["api_secret"])
        client = http_client.HttpClient(auth)
        client._session.mount("https://", ToServer(url))
        message = sms.SmsMessage(
            to=str(PHONE_NUMBER),
            from_=account.sender,
            text=TEXT,
            client_ref=str(MESSAGE_ID),
            type="unicode",
            status_report_req=True,
            callback=RECEIPT_URL,
        )
        sms.Sms(client).send(message)

    theirs = sent_by_vendor(send, "200 OK", json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body))
    ours = sent_by_adapter(submission_of(reading("vonage")))
    assert theirs.fields["status-report-req"].lower() == "true"
    assert replace(theirs, fields={**theirs.fields, "status-report-req": "1"}) == ours


METHODS = ["md5", "sha1", "sha256", "sha512"]


def account_with(method: str) -> Account:
    account = callback_account("vonage")
    return replace(account, options={**account.options, "signature_method": method})


def auth_of(account: Account) -> Any:
    return http_client.Auth(
        api_key="abcd1234",
        signature_secret=account.credentials["signature_secret"],
        signature_method=account.options["signature_method"],
    )


def fields_of(callback: Callback) -> dict[str, Any]:
    if callback.body[:1] == b"{":
        fields: dict[str, Any] = json.loads(callback.body)
        return fields
    encoded = callback.body.decode() if callback.body else callback.url.partition("?")[2]
    return dict(parse_qsl(encoded, keep_blank_values=True))


@pytest.mark.parametrize("method", METHODS)
def test_its_validator_accepts_what_our_signer_signs(method: str) -> None:
    samples, account = callbacks_of("vonage"), account_with(method)
    assert samples
    for callback in unsigned("vonage"):
        fields = fields_of(samples.sign(callback, account))
        assert auth_of(account).check_signature(dict(fields))
        for name, value in fields.items():
            assert not auth_of(account).check_signature({**fields, name: f"{value}x"})


@pytest.mark.parametrize("method", METHODS)
def test_our_checker_accepts_what_its_signer_signs_and_no_change_of_it(method: str) -> None:
    account = account_with(method)
    adapter = reading("vonage", account)
    for callback in unsigned("vonage"):
        fields = {**fields_of(callback), "timestamp": str(int(RECEIVED_AT.timestamp())), "nonce": "0f1dc1a1"}
        signed = {**fields, "sig": auth_of(account).sign_params(dict(fields))}
        assert is_accepted("vonage", by_get(callback, signed), adapter)
        for name, value in signed.items():
            for other in ({**signed, name: f"{value}x"}, {key: one for key, one in signed.items() if key != name}):
                assert not is_accepted("vonage", by_get(callback, other), adapter)
        assert not is_accepted("vonage", by_get(callback, {**signed, "more": ""}), adapter)


def by_get(callback: Callback, fields: Mapping[str, str]) -> Callback:
    return replace(callback, method="GET", url=f"{callback.url.partition('?')[0]}?{urlencode(fields)}", body=b"")
