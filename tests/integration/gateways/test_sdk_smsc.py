"""The independent client smsc makes nearly the same requests as our adapter, and understands the same answers.

SMSC.ru has no client of its own on PyPI.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from shared.gateways.base import Submission
from shared.gateways.smsc import SmscAdapter
from tests.integration.gateways.sdk_requests import request_of_client
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, TEXT, account_with, answer_to, form, submission_of
from tests.unit.gateways.samples_smsc import SAMPLES

CLIENT = """
from smsc import SMSC, SMSMessage
SMSC._url = url + "/sys/"
client = SMSC("gonets", "s3cret", "Shop")
"""
SEND = f"""
sent = client.send("{PHONE_NUMBER}", SMSMessage({TEXT!r}))
assert (sent.message_id, sent.count, sent.cost, sent.error) == ({MESSAGE.message_id}, 1, 3.5, None)
"""
LOOK_UP = f"""
assert client.get_status("{PHONE_NUMBER}", "{MESSAGE.message_id}")[0].status.status_id == 1
"""


def smsc() -> SmscAdapter:
    return SmscAdapter(account_with("smsc", login="gonets", password="s3cret"))


def test_the_request_is_that_of_the_client() -> None:
    theirs = request_of_client(CLIENT + SEND, answer_to(MESSAGE, SAMPLES["accepted"][0]))

    # It sends by GET, lets SMSC.ru correct the number, and gives no id.
    method, address, _ = theirs.line.split()
    ours = submission_of(smsc())
    assert (method, urlsplit(address).path) == ("GET", ours.path)
    assert form(urlsplit(address).query) | {"phones": f"+{PHONE_NUMBER}", "id": str(MESSAGE.message_id)} == form(
        ours.body
    )


def test_the_look_up_is_that_of_the_client() -> None:
    date = "28.11.2026 12:00:00"
    status = {"status": 1, "status_name": "x", "last_date": date, "last_timestamp": 1}
    answer = Answer(200, {}, json.dumps([status | {"send_date": date, "send_timestamp": 1}]).encode())
    theirs = request_of_client(CLIENT + LOOK_UP, answer)

    # It asks for a list, by commas at the ends, and for more about each message.
    _, address, _ = theirs.line.split()
    ours = smsc().prepare_look_up(MESSAGE)
    assert isinstance(ours, Submission)
    assert urlsplit(address).path == ours.path
    fields = {name: value.rstrip(",") for name, value in form(urlsplit(address).query).items() if name != "all"}
    assert fields == form(ours.body)
