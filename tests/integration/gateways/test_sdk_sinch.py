"""Sinch's own client (sinch) sends what our adapter sends, and understands the same answers. Nothing differs.

Its validator and ours agree about signatures of callbacks, and its models read the callbacks of our tests.
"""

from __future__ import annotations

import json
from dataclasses import replace

from shared.gateways.base import Callback
from tests.integration.gateways.sdk_callbacks import disagreements, is_accepted, signed_by_us, unsigned
from tests.integration.gateways.sdk_requests import VendorModule, sent_by_adapter, sent_by_vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.callback_cases import RECEIPT_URL, RECEIVED_AT, callback_account, reading
from tests.unit.gateways.samples_sinch import BATCH, CALLBACKS, NONCE, SAMPLES
from tests.unit.gateways.test_sinch import API_TOKEN, PLAN, SENDER, adapter

sinch = VendorModule("sinch")
events = VendorModule("sinch.domains.sms.sinch_events.v1.sms_sinch_event")
validation = VendorModule("sinch.domains.authentication.sinch_events.v1.authentication_validation")


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


def test_a_message_with_an_address_for_receipts_is_sent_alike() -> None:
    account = callback_account("sinch")

    def send(url: str) -> None:
        client = sinch.SinchClient(
            service_plan_id=account.options["service_plan_id"],
            sms_api_token=account.credentials["api_token"],
            sms_region="eu",
        )
        client.configuration.sms_domain_with_service_plan_id = url
        client.sms.batches.send_sms(
            to=[f"+{PHONE_NUMBER}"],
            from_=account.sender,
            body=TEXT,
            client_reference=str(MESSAGE_ID),
            delivery_report="per_recipient",
            event_destination_target=RECEIPT_URL,
        )

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "201 Created", answer) == sent_by_adapter(submission_of(reading("sinch")))


def test_a_batch_is_asked_for_alike() -> None:
    account = callback_account("sinch")

    def ask(url: str) -> None:
        client = sinch.SinchClient(
            service_plan_id=account.options["service_plan_id"],
            sms_api_token=account.credentials["api_token"],
            sms_region="eu",
        )
        client.configuration.sms_domain_with_service_plan_id = url
        report = client.sms.delivery_reports.get(batch_id=BATCH, report_type="full")
        assert report.batch_id == BATCH

    submission = reading("sinch").prepare_poll([CALLBACKS.sent])
    theirs = sent_by_vendor(ask, "200 OK", json.loads(CALLBACKS.polls[0][0].body))
    # The client repeats the id in the query.
    assert replace(theirs, query={"type": theirs.query["type"]}) == sent_by_adapter(submission)


SINCH_SECRET = callback_account("sinch").credentials["callback_secret"]


def validates(callback: Callback) -> bool:
    accepted: bool = events.SmsSinchEvent(SINCH_SECRET).validate_authentication_header(
        dict(callback.headers), callback.body.decode()
    )
    return accepted


def test_its_validator_and_its_models_accept_our_callbacks() -> None:
    for callback in signed_by_us("sinch"):
        assert validates(callback)
        assert events.SmsSinchEvent(SINCH_SECRET).parse_event(callback.body)


def test_our_checker_accepts_what_its_signer_signs() -> None:
    time = str(int(RECEIVED_AT.timestamp()))
    for callback in unsigned("sinch"):
        content = validation.compute_signed_data(callback.body.decode(), NONCE, time)
        headers = {
            "x-sinch-webhook-signature": validation.calculate_sinch_event_signature(content, SINCH_SECRET),
            "x-sinch-webhook-signature-nonce": NONCE,
            "x-sinch-webhook-signature-timestamp": time,
        }
        assert is_accepted("sinch", replace(callback, headers=headers))


def test_both_refuse_the_same_changes() -> None:
    for callback in [*signed_by_us("sinch")][:1]:
        assert disagreements("sinch", validates, callback) == []
