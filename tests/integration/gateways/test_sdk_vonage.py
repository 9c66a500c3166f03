"""Vonage's own client (vonage) sends what our adapter sends, and understands the same answers. Nothing differs."""

from __future__ import annotations

import json

import pytest

from tests.integration.gateways.sdk_requests import ToServer, sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, Message, answer_to, submission_of
from tests.unit.gateways.samples_vonage import SAMPLES
from tests.unit.gateways.test_vonage import API_KEY, API_SECRET, SENDER, adapter

http_client = vendor("vonage_http_client")
sms = vendor("vonage_sms")


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
