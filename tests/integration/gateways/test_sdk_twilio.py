"""Twilio's own client (twilio) sends what our adapter sends, and understands the same answers. Nothing differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.gateways.sdk_requests import ToServer, sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.samples_twilio import SAMPLES, SID
from tests.unit.gateways.test_twilio import ACCOUNT_SID, SENDER, SERVICE, TOKEN, adapter

TwilioHttpClient = vendor("twilio.http.http_client").TwilioHttpClient
Client = vendor("twilio.rest").Client


@pytest.mark.parametrize(("sender", "field"), [(SENDER, "from_"), (SERVICE, "messaging_service_sid")])
def test_a_message_is_sent_alike(sender: str, field: str) -> None:
    def send(url: str) -> None:
        transport = TwilioHttpClient()
        transport.session.mount("https://", ToServer(url))
        messages = Client(ACCOUNT_SID, TOKEN, http_client=transport).messages
        sent: Any = messages.create(to=f"+{PHONE_NUMBER}", body=TEXT, **{field: sender})
        assert (sent.sid, sent.to) == (SID, f"+{PHONE_NUMBER}")

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(adapter(sender)))
