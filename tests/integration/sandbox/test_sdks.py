"""The SDKs of Twilio and Infobip talk to the simulated gateway, and understand its answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import ACCOUNT, PHONE, TEXT, TOKEN


@pytest.fixture
def twilio(gateway: SandboxGateway) -> Any:
    """Twilio's client, whose requests go to the simulated gateway."""
    sdk = pytest.importorskip("twilio.rest", reason="the SDK of Twilio is not installed")
    http = pytest.importorskip("twilio.http.http_client")

    class ToSimulation(http.TwilioHttpClient):  # type: ignore[name-defined, misc]
        def request(self, method: str, url: str, *arguments: Any, **fields: Any) -> Any:
            return super().request(method, url.replace("https://api.twilio.com", gateway.url), *arguments, **fields)

    return sdk.Client(ACCOUNT, TOKEN, http_client=ToSimulation())


def test_twilio_creates_fetches_and_lists_messages(gateway: SandboxGateway, twilio: Any) -> None:
    message = twilio.messages.create(to=f"+{PHONE}", from_="+15005550006", body=TEXT)
    assert (message.status, message.body, message.num_segments, message.error_code) == ("queued", TEXT, "1", None)
    assert message.date_created is not None
    assert [kept.id for kept in gateway.messages("twilio")] == [message.sid]
    assert twilio.messages(message.sid).fetch().status == "sent"
    assert [one.sid for one in twilio.messages.list(to=f"+{PHONE}", limit=5)] == [message.sid]


def test_twilio_raises_the_code_of_an_error(gateway: SandboxGateway, twilio: Any) -> None:
    error = pytest.importorskip("twilio.base.exceptions").TwilioRestException
    gateway.faults(answers={"opted_out": 1})
    with pytest.raises(error) as refused:
        twilio.messages.create(to=f"+{PHONE}", from_="+15005550006", body=TEXT)
    assert (refused.value.status, refused.value.code) == (400, 21610)


@pytest.fixture
def infobip(gateway: SandboxGateway) -> Iterator[Any]:
    """Infobip's client for the simulated gateway."""
    sdk = pytest.importorskip("infobip_api_client", reason="the SDK of Infobip is not installed")
    with sdk.ApiClient(sdk.Configuration(host=gateway.url, api_key=TOKEN)) as client:
        yield sdk.SmsApi(client)


def infobip_request(message_id: str) -> Any:
    sdk = pytest.importorskip("infobip_api_client")
    destination = sdk.SmsDestination(to=PHONE, message_id=message_id)
    content = sdk.SmsMessageContent(sdk.SmsTextContent(text=TEXT))
    return sdk.SmsRequest(messages=[sdk.SmsMessage(sender="Gonets", destinations=[destination], content=content)])


def test_infobip_sends_repeats_and_asks(gateway: SandboxGateway, infobip: Any) -> None:
    [taken] = infobip.send_sms_messages(infobip_request("42")).messages
    assert (taken.message_id, taken.status.group_name, taken.details.message_count) == ("42", "PENDING", 1)
    [again] = infobip.send_sms_messages(infobip_request("42")).messages
    assert (again.status.group_name, again.status.id) == ("REJECTED", 23)
    assert [kept.text for kept in gateway.messages("infobip")] == [TEXT]
    [log] = infobip.get_outbound_sms_message_logs(message_id=["42"]).results
    assert (log.message_id, log.destination, log.status.name) == ("42", PHONE, "PENDING_ENROUTE")
    assert infobip.get_outbound_sms_message_logs(message_id=["43"]).results == []


def test_infobip_raises_an_error(gateway: SandboxGateway, infobip: Any) -> None:
    gateway.faults(answers={"wrong_credentials": 1})
    errors = pytest.importorskip("infobip_api_client.exceptions")
    with pytest.raises(errors.UnauthorizedException) as refused:
        infobip.send_sms_messages(infobip_request("1"))
    assert refused.value.data.error_code == "E401"
