"""Every documented status and code of a delivery of Infobip, SMSC.ru, SMS.ru, SMS Aero and SMS Gateway for Android, and
how their adapters ask for receipts and for deliveries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import CallbackRejectedError, SentMessage, Submission
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, adapter_with, answer, form, submission_of
from tests.unit.gateways.callback_cases import MESSAGE_URL, RECEIPT_URL, callback_account, called, post_form, post_json
from tests.unit.gateways.callback_cases import reading as adapter_of
from tests.unit.gateways.samples_infobip import DELIVERED as INFOBIP_DELIVERED
from tests.unit.gateways.samples_infobip import report
from tests.unit.gateways.samples_smsaero import told
from tests.unit.gateways.samples_smsc import signed as signed_by_smsc
from tests.unit.gateways.samples_smsc import status_fields
from tests.unit.gateways.samples_smsgate import state
from tests.unit.gateways.samples_smsru import SMS_ID, entries, status
from tests.unit.gateways.samples_smsru import signed as signed_by_smsru

Expected = tuple[ReceiptState, UndeliveredReason | None]

ON_ITS_WAY: Expected = (ReceiptState.ACCEPTED, None)
DELIVERED: Expected = (ReceiptState.DELIVERED, None)
NOT_KNOWN: Expected = (ReceiptState.UNKNOWN, None)
EXPIRED, BLOCKED, NOBODY, OPTED_OUT, REJECTED, OTHER = (
    (ReceiptState.UNDELIVERED, reason)
    for reason in (
        UndeliveredReason.EXPIRED,
        UndeliveredReason.BLOCKED,
        UndeliveredReason.UNKNOWN_SUBSCRIBER,
        UndeliveredReason.OPTED_OUT,
        UndeliveredReason.REJECTED,
        UndeliveredReason.OTHER,
    )
)

SENT = [SentMessage(MESSAGE_ID + at, PHONE_NUMBER + at, f"20260{at}-1000") for at in range(3)]


def said(receipts: Any) -> Expected:
    [receipt] = receipts
    return receipt.state, receipt.reason


INFOBIP_STATUSES = {
    **dict.fromkeys(((1, 3), (1, 7), (1, 26), (0, 0), (3, 2), (5, 23)), ON_ITS_WAY),
    (3, 5): DELIVERED,
    (4, 15): EXPIRED,
    (4, 29): NOT_KNOWN,
    **dict.fromkeys(((2, 9), (2, 31)), OTHER),
    **dict.fromkeys(((5, 8), (5, 51), (5, 52)), NOBODY),
    **dict.fromkeys(((5, 10), (5, 14)), OPTED_OUT),
    **dict.fromkeys(((5, 20), (5, 87), (4, 87)), BLOCKED),
    **dict.fromkeys(((5, code) for code in (6, 11, 12, 13, 17, 18, 19, 21, 24, 25, 99, 100)), REJECTED),
    (2, 4): REJECTED,
}

INFOBIP_ERRORS = {
    **dict.fromkeys((0, 32, 34, 255, 256, 500, 4096), OTHER),
    **dict.fromkeys((1, 5, 9, 11, 568, 569, 629, 3041), NOBODY),
    **dict.fromkeys((6, 27, 31, 811, 2048, 4098, 4100, 4101), EXPIRED),
    **dict.fromkeys((13, 560, 561, 564, 566, 607, 608, 2049, 2051, 2053, 4103, 4104), BLOCKED),
    **dict.fromkeys((573, 603, 604, 2050, 2052), OPTED_OUT),
    632: REJECTED,
}


@pytest.mark.parametrize(("group", "code"), INFOBIP_STATUSES)
def test_every_status_of_infobip(group: int, code: int) -> None:
    callback = post_json({"results": [report(group, code, "NAME")]})

    assert said(adapter_of("infobip").read_receipts(callback)) == INFOBIP_STATUSES[group, code]


@pytest.mark.parametrize("error", INFOBIP_ERRORS)
def test_every_error_of_infobip_that_says_more(error: int) -> None:
    adapter = adapter_of("infobip")

    assert said(adapter.read_receipts(post_json({"results": [report(2, 9, "X", error)]}))) == INFOBIP_ERRORS[error]
    # It changes nothing of a message that was delivered or has expired.
    assert said(adapter.read_receipts(post_json({"results": [report(3, 5, "X", error)]}))) == DELIVERED
    assert said(adapter.read_receipts(post_json({"results": [report(4, 15, "X", error)]}))) == EXPIRED


def test_a_callback_of_infobip_has_a_hundred_reports() -> None:
    assert len(adapter_of("infobip").read_receipts(post_json({"results": [INFOBIP_DELIVERED] * 100}))) == 100


def test_a_report_of_infobip_that_cannot_be_read_does_not_keep_the_others_away() -> None:
    results = [INFOBIP_DELIVERED, {"messageId": "1"}, None, INFOBIP_DELIVERED]
    assert len(adapter_of("infobip").read_receipts(post_json({"results": results}))) == 2


def test_infobip_is_told_where_to_report() -> None:
    body = json.loads(submission_of(adapter_of("infobip")).body)

    webhooks = {"delivery": {"url": RECEIPT_URL}, "contentType": "application/json"}
    assert body["messages"][0]["webhooks"] == webhooks


def test_logs_of_infobip_are_asked_for_by_our_ids() -> None:
    asked = adapter_with("infobip", api_key="k", prefix="p-")
    submission: Submission = asked.prepare_poll(SENT)  # type: ignore[attr-defined]

    ids = ",".join(f"p-{MESSAGE_ID + at}" for at in range(3))
    assert (submission.method, submission.path) == ("GET", f"/sms/3/logs?limit=1000&messageId={ids}")


SMSC_STATUSES = {
    **dict.fromkeys((-2, -1, 0), ON_ITS_WAY),
    -3: NOT_KNOWN,
    **dict.fromkeys((1, 2, 4), DELIVERED),
    3: EXPIRED,
    20: OTHER,
    22: NOBODY,
    23: BLOCKED,
    24: REJECTED,
    25: REJECTED,
}

SMSC_ERRORS = {
    **dict.fromkeys((0, 12, 200, 219, 240, 241, 242, 246), OTHER),
    **dict.fromkeys((1, 11, 21, 249), NOBODY),
    **dict.fromkeys((6, 237), EXPIRED),
    **dict.fromkeys((13, 250, 251, 252, 253), BLOCKED),
    **dict.fromkeys((243, 247, 248, 254, 255), REJECTED),
    245: NOT_KNOWN,
}


@pytest.mark.parametrize("code", SMSC_STATUSES)
def test_every_status_of_smsc(code: int) -> None:
    callback = signed_by_smsc(post_form(status_fields(code)), callback_account("smsc"))

    assert said(adapter_of("smsc").read_receipts(callback)) == SMSC_STATUSES[code]


@pytest.mark.parametrize("error", SMSC_ERRORS)
def test_every_error_of_smsc(error: int) -> None:
    account = callback_account("smsc")

    failed, delivered = (signed_by_smsc(post_form(status_fields(code, error)), account) for code in (20, 1))

    assert said(adapter_of("smsc").read_receipts(failed)) == SMSC_ERRORS[error]
    assert said(adapter_of("smsc").read_receipts(delivered)) == DELIVERED


def test_smsc_may_sign_with_sha1_and_both_digests_have_to_hold() -> None:
    fields = status_fields(1)
    secret = callback_account("smsc").credentials["callback_secret"]
    content = f"{MESSAGE_ID}:{PHONE_NUMBER}:1:{secret}".encode()
    md5, sha1 = (hashlib.new(name, content, usedforsecurity=False).hexdigest() for name in ("md5", "sha1"))
    adapter = adapter_of("smsc")

    assert said(adapter.read_receipts(post_form({**fields, "sha1": sha1}))) == DELIVERED
    assert said(adapter.read_receipts(post_form({**fields, "md5": md5, "sha1": sha1}))) == DELIVERED
    for wrong in ({"md5": md5, "sha1": md5}, {"md5": sha1, "sha1": sha1}, {"crc32": "1"}, {"md5": md5.upper()}):
        with pytest.raises(CallbackRejectedError):
            adapter.read_receipts(post_form({**fields, **wrong}))


def test_statuses_of_smsc_are_asked_for_by_the_ids_that_it_knows() -> None:
    large = SentMessage(9147483647, 79990000009, "555")
    unknown = SentMessage(9147483648, 79990000010, None)

    submission = adapter_of("smsc").prepare_poll([SENT[0], large, unknown])

    fields = form(submission.body)
    assert (submission.path, fields["fmt"]) == ("/sys/status.php", "3")
    assert (fields["phone"], fields["id"]) == (f"{PHONE_NUMBER},79990000009,", f"{MESSAGE_ID},555,")
    assert adapter_of("smsc").prepare_poll([unknown]) is None


SMSRU_STATUSES = {
    -1: NOT_KNOWN,
    **dict.fromkeys((100, 101, 102), ON_ITS_WAY),
    **dict.fromkeys((103, 110), DELIVERED),
    104: EXPIRED,
    **dict.fromkeys((105, 108, 150, 207, 214), REJECTED),
    **dict.fromkeys((106, 107), OTHER),
    202: NOBODY,
    **dict.fromkeys((209, 215), OPTED_OUT),
    **dict.fromkeys((230, 231, 232, 233), BLOCKED),
}


@pytest.mark.parametrize("code", SMSRU_STATUSES)
def test_every_status_of_smsru(code: int) -> None:
    callback = signed_by_smsru(entries(status(code)), callback_account("smsru"))

    assert said(adapter_of("smsru").read_receipts(callback)) == SMSRU_STATUSES[code]


def test_a_report_of_smsru_that_cannot_be_read_does_not_keep_the_others_away() -> None:
    callback = signed_by_smsru(entries(("sms_status", SMS_ID, "none", 1), status(103)), callback_account("smsru"))

    assert said(adapter_of("smsru").read_receipts(callback)) == DELIVERED


def test_smsru_may_send_multipart_forms() -> None:
    account = callback_account("smsru")
    entry = f"sms_status\n{SMS_ID}\n103\n1772366400"
    digest = hashlib.sha256(f"{account.credentials['api_id']}{entry}".encode()).hexdigest()
    pairs = {"data[0]": entry, "hash": digest}
    body = "".join(f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{pairs[key]}\r\n' for key in pairs)
    callback = called("POST", RECEIPT_URL, f"{body}--x--\r\n".encode(), content_type="multipart/form-data; boundary=x")
    adapter = adapter_of("smsru")

    assert said(adapter.read_receipts(callback)) == DELIVERED
    for forged in (callback.body.replace(b"103", b"104"), callback.body[:-40], b"--x", b"--x\r\n\r\n\xff", b""):
        with pytest.raises((CallbackRejectedError, ValueError)):
            adapter.read_receipts(replace(callback, body=forged))


def test_smsru_wants_100_for_an_answer() -> None:
    assert adapter_of("smsru").receipt_answer.body == b"100"


def test_statuses_of_smsru_are_asked_for_together() -> None:
    submission = adapter_of("smsru").prepare_poll([*SENT, SENT[0]._replace(provider_message_id=None)])

    assert submission.path == "/sms/status"
    assert form(submission.body)["sms_id"] == "202600-1000,202601-1000,202602-1000"


SMSAERO_STATUSES = {
    **dict.fromkeys((0, 3, 8, "queue", "send", "moderation"), ON_ITS_WAY),
    **dict.fromkeys((1, "delivery"), DELIVERED),
    **dict.fromkeys((2, "undelivered"), OTHER),
    **dict.fromkeys((6, "reject", "rejected"), REJECTED),
}


@pytest.mark.parametrize("code", SMSAERO_STATUSES)
def test_every_status_of_smsaero(code: int | str) -> None:
    fields = told(code) if isinstance(code, int) else told(None, code)

    read = adapter_of("smsaero").read_receipts(post_json(fields, MESSAGE_URL))

    assert said(read) == SMSAERO_STATUSES[code]


def test_smsaero_is_told_where_to_report() -> None:
    body = json.loads(submission_of(adapter_of("smsaero")).body)

    assert (body["callbackUrl"], body["callbackFormat"]) == (MESSAGE_URL, "JSON")


def test_the_status_of_one_message_of_smsaero_is_asked_for() -> None:
    submission = adapter_of("smsaero").prepare_poll([SentMessage(MESSAGE_ID, PHONE_NUMBER, "12345")])

    assert (submission.path, json.loads(submission.body)) == ("/v2/sms/status", {"id": 12345})


SMSGATE_STATES = {
    **dict.fromkeys(("Pending", "Cancelling", "Processed", "Sent"), ON_ITS_WAY),
    "Delivered": DELIVERED,
    **dict.fromkeys(("Failed", "Cancelled"), OTHER),
}


@pytest.mark.parametrize("name", SMSGATE_STATES)
def test_every_state_of_smsgate(name: str) -> None:
    adapter = adapter_of("smsgate")

    assert said(adapter.read_poll(answer(200, state(str(PHONE_NUMBER), name, str(MESSAGE_ID))))) == SMSGATE_STATES[name]


def test_the_state_of_a_message_of_smsgate_is_asked_for_by_our_id() -> None:
    adapter: Any = adapter_with("smsgate", username="u", password="p", path="/messages")

    assert adapter.prepare_poll(SENT[:1]).path == f"/messages/{MESSAGE_ID}"
