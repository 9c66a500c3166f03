"""Plivo's own client (plivo) sends what our adapter sends, and understands the same answers.

It differs in four fields that it always sends with the values that the API has by default: `type` is sms, `method` (of
callbacks) is POST, `log` is true, `trackable` is false. Ours leaves them out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.gateways.sdk_requests import ToServer, sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import PHONE_NUMBER, TEXT, submission_of
from tests.unit.gateways.samples_plivo import SAMPLES, UUID
from tests.unit.gateways.test_plivo import AUTH_ID, AUTH_TOKEN, POWERPACK, SENDER, adapter

plivo = vendor("plivo")

DEFAULTS = {"type": "sms", "method": "POST", "log": "true", "trackable": False}


@pytest.mark.parametrize(("sender", "field"), [(SENDER, "src"), (POWERPACK, "powerpack_uuid")])
def test_a_message_is_sent_alike(sender: str, field: str) -> None:
    def send(url: str) -> None:
        client = plivo.RestClient(AUTH_ID, AUTH_TOKEN)
        client.session.mount("https://", ToServer(url))
        sent: Any = client.messages.create(dst=str(PHONE_NUMBER), text=TEXT, **{field: sender})
        assert sent.message_uuid == [UUID]

    theirs = sent_by_vendor(send, "202 Accepted", json.loads(SAMPLES["accepted"][0].body))
    assert DEFAULTS.items() <= theirs.fields.items()
    fields = {name: value for name, value in theirs.fields.items() if name not in DEFAULTS}
    assert replace(theirs, fields=fields) == sent_by_adapter(submission_of(adapter(sender)))
