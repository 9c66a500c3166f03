"""Infobip's own client (infobip-api-python-client) sends what our adapter sends, and understands the same answers.

Nothing differs in a message; a look-up of ours names the type of a body that it does not have.
"""

from __future__ import annotations

import json
from typing import Any

from shared.gateways.infobip import InfobipAdapter
from tests.integration.gateways.sdk_requests import sent_by_adapter, sent_by_vendor, vendor
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, TEXT, answer_to, submission_of
from tests.unit.gateways.samples_infobip import SAMPLES
from tests.unit.gateways.test_infobip import KEY, adapter


def client(url: str) -> Any:
    infobip = vendor("infobip_api_client")
    return vendor("infobip_api_client.api.sms_api").SmsApi(
        infobip.ApiClient(infobip.Configuration(host=url, api_key=KEY))
    )


def ours() -> InfobipAdapter:
    return adapter(sender="Shop")


def test_a_message_is_sent_alike() -> None:
    models = vendor("infobip_api_client.models")

    def send(url: str) -> None:
        destination = models.SmsDestination(to=str(PHONE_NUMBER), message_id=str(MESSAGE_ID))
        content = models.SmsMessageContent(models.SmsTextContent(text=TEXT))
        message = models.SmsMessage(sender="Shop", destinations=[destination], content=content)
        client(url).send_sms_messages(models.SmsRequest(messages=[message]))

    answer = json.loads(answer_to(MESSAGE, SAMPLES["accepted"][0]).body)
    assert sent_by_vendor(send, "200 OK", answer) == sent_by_adapter(submission_of(ours()))


def test_a_message_is_looked_up_alike() -> None:
    def look_up(url: str) -> None:
        client(url).get_outbound_sms_message_logs(message_id=[str(MESSAGE_ID)])

    theirs = sent_by_vendor(look_up, "200 OK", {"results": []})
    asked = sent_by_adapter(ours().prepare_look_up(MESSAGE))
    # Our headers are the same for all requests, so ours names the type of a body.
    assert (theirs.method, theirs.path, theirs.query) == (asked.method, asked.path, asked.query)
    assert theirs.authorization == asked.authorization
