"""Sinch's own client (sinch) sends what our adapter sends, and understands the same answers. Nothing differs."""

from __future__ import annotations

import json

from tests.integration.gateways.sdk_requests import sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.samples_sinch import BATCH, SAMPLES
from tests.unit.gateways.test_sinch import API_TOKEN, PLAN, SENDER, adapter

sinch = vendor("sinch")


def test_a_message_is_sent_alike() -> None:
    def send(url: str) -> None:
        client = sinch.SinchClient(service_plan_id=PLAN, sms_api_token=API_TOKEN, sms_region="eu")
        client.configuration.sms_domain_with_service_plan_id = url
        sent = client.sms.batches.send_sms(
            to=[f"+{PHONE_NUMBER}"], from_=SENDER, body=TEXT, client_reference=str(MESSAGE_ID)
        )
        assert sent.id == BATCH

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(adapter()))
