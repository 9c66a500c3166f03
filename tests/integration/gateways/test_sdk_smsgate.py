"""The SDK of SMS Gateway for Android makes the same requests as our adapter, and understands the same answers."""

from __future__ import annotations

import json

from shared.gateways.smsgate import SmsgateAdapter
from tests.integration.gateways.sdk_requests import request_of_client
from tests.unit.gateways.adapter_cases import (
    MESSAGE,
    PHONE_NUMBER,
    TEXT,
    account_with,
    answer,
    answer_to,
    submission_of,
)
from tests.unit.gateways.samples_smsgate import SAMPLES, state

CLIENT = """
from android_sms_gateway import client, domain
with client.APIClient("gonets", "s3cret", base_url=url + "/3rdparty/v1") as gateway:
"""
SEND = f"""
    message = domain.Message(
        phone_numbers=["+{PHONE_NUMBER}"], text_message=domain.TextMessage(text={TEXT!r}), id="{MESSAGE.message_id}"
    )
    assert gateway.send(message).id == "{MESSAGE.message_id}"
"""
LOOK_UP = f"""
    assert gateway.get_state("{MESSAGE.message_id}").state.value == "Sent"
"""


def smsgate() -> SmsgateAdapter:
    return SmsgateAdapter(account_with("smsgate", username="gonets", password="s3cret"))


def test_the_request_is_that_of_the_sdk() -> None:
    theirs = request_of_client(CLIENT + SEND, answer_to(MESSAGE, SAMPLES["accepted"][0]))

    ours = submission_of(smsgate())
    assert theirs.line == f"{ours.method} {ours.path} HTTP/1.1"
    assert theirs.headers["authorization"] == ours.headers["Authorization"]
    assert theirs.headers["content-type"] == ours.headers["Content-Type"]
    # What the SDK adds are the server's defaults.
    defaults = {"withDeliveryReport": True, "isEncrypted": False, "priority": 0}
    assert json.loads(theirs.body) == json.loads(ours.body) | defaults


def test_the_look_up_is_that_of_the_sdk() -> None:
    theirs = request_of_client(CLIENT + LOOK_UP, answer_to(MESSAGE, answer(200, state(name="Sent"))))

    ours = smsgate().prepare_look_up(MESSAGE)
    assert theirs.line == f"{ours.method} {ours.path} HTTP/1.1"
    assert theirs.headers["authorization"] == ours.headers["Authorization"]
