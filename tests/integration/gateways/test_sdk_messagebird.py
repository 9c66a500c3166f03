"""MessageBird's own client (messagebird) sends what our adapter sends, and understands the same answers.

Nothing differs. The client leaves `datacoding` and `reference` to its user, and joins a list of recipients by commas.
"""

from __future__ import annotations

import json

import pytest

from tests.integration.gateways.sdk_requests import sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.samples_messagebird import ID, SAMPLES
from tests.unit.gateways.test_messagebird import ACCESS_KEY, SENDER, adapter

client_module = vendor("messagebird.client")


def test_a_message_is_sent_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(url: str) -> None:
        monkeypatch.setattr(client_module, "ENDPOINT", url)
        more = {"reference": str(MESSAGE_ID), "datacoding": "auto"}
        sent = client_module.Client(ACCESS_KEY).message_create(SENDER, [str(PHONE_NUMBER)], TEXT, more)
        assert sent.id == ID

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(adapter()))
