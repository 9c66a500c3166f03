"""The vendor's SDK smsaero-api makes the same request as our adapter, and understands the same answer."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

from tests.integration.gateways.sdk_requests import request_of_client
from tests.integration.test_gateway_client import certificate, tls
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, TEXT, adapter_with, answer_to, submission_of
from tests.unit.gateways.samples_smsaero import SAMPLES

__all__ = ["certificate", "tls"]

EMAIL, API_KEY = "shop@example.com", "0123456789abcdef0123456789abcdef"

# The SDK asks the DNS whether the domain of the e-mail address takes mail, and always connects by TLS.
PROGRAM = f"""
import smsaero
smsaero.validate_email = lambda address: None
client = smsaero.SmsAero({EMAIL!r}, {API_KEY!r}, "Shop", url_gate=url.replace("https://", "@") + "/v2/")
assert client.send_sms({PHONE_NUMBER}, {TEXT!r})["id"] == 12345
"""


def test_the_request_is_that_of_the_sdk(tls: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    theirs = request_of_client(PROGRAM, answer_to(MESSAGE, SAMPLES["accepted"][0]), tls, certificate[0])

    ours = submission_of(adapter_with("smsaero", email=EMAIL, api_key=API_KEY))
    assert theirs.line == f"{ours.method} {ours.path} HTTP/1.1"
    assert theirs.headers["authorization"] == ours.headers["Authorization"]
    assert theirs.headers["content-type"] == ours.headers["Content-Type"]
    # The SDK always has the address for callbacks, which may be none.
    assert json.loads(theirs.body) == json.loads(ours.body) | {"callbackUrl": None}
