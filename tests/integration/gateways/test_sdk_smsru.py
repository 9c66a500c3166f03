"""The independent client smsru-api makes nearly the same request as our adapter, and understands the same answer.

SMS.ru has no client of its own on PyPI.
"""

from __future__ import annotations

from tests.integration.gateways.sdk_requests import request_of_client
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, TEXT, adapter_with, answer_to, form, submission_of
from tests.unit.gateways.samples_smsru import SAMPLES

PROGRAM = f"""
from smsru_api import Client
client = Client("k3y")
client._base_url = url
assert client.send("{PHONE_NUMBER}", message={TEXT!r}, from_name="Shop")["sms"]["{PHONE_NUMBER}"]["status_code"] == 100
"""


def test_the_request_is_that_of_the_client() -> None:
    theirs = request_of_client(PROGRAM, answer_to(MESSAGE, SAMPLES["accepted"][0]))

    ours = submission_of(adapter_with("smsru", api_id="k3y"))
    assert theirs.line == f"{ours.method} {ours.path} HTTP/1.1"
    assert theirs.headers["content-type"] == ours.headers["Content-Type"]
    sent, expected = form(theirs.body), form(ours.body)
    # It names its author as a partner, takes the number without its country code, and calls the text by an older name:
    # the vendor's page has `msg`, and numbers with the country code.
    assert sent.pop("partner_id")
    assert sent.pop("to") == expected.pop("to").removeprefix("7")
    assert sent.pop("text") == expected.pop("msg")
    assert sent == expected
