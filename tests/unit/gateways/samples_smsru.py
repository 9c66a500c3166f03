"""What SMS.ru answers with `json=1`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, Receipt, SentMessage
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import (
    CallbackSamples,
    post_form,
)
from tests.unit.gateways.conformance import Samples


def inner(code: int, phone_number: str = "{phone}") -> str:
    """A request that succeeded, with a code for its recipient."""
    entry = f'{{"status": "ERROR", "status_code": {code}, "status_text": "text"}}'
    return f'{{"status": "OK", "status_code": 100, "sms": {{"{phone_number}": {entry}}}, "balance": 4122.56}}'


def outer(code: int) -> str:
    """A request that failed."""
    return f'{{"status": "ERROR", "status_code": {code}, "status_text": "text"}}'


def accepted(phone_number: str = "{phone}") -> str:
    """A message that was accepted."""
    entry = '{"status": "OK", "status_code": 100, "sms_id": "000000-10000000"}'
    return f'{{"status": "OK", "status_code": 100, "sms": {{"{phone_number}": {entry}}}, "balance": 4122.56}}'


SAMPLES: Samples = {
    "accepted": [answer(200, accepted())],
    "refused": [answer(200, inner(code)) for code in (202, 203, 205, 207, 208, 212, 214)],
    "retriable": [answer(200, outer(220)), answer(200, inner(500)), answer(200, inner(999))],
    "throttled": [
        *(answer(200, inner(code)) for code in (206, 230, 231, 232, 233)),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [*(answer(200, outer(code)) for code in (200, 300, 301, 302)), answer(200, inner(204))],
    "no_credit": [answer(200, outer(201)), answer(200, inner(201))],
    "opted_out": [answer(200, inner(209)), answer(200, inner(215))],
    "ambiguous": [
        answer(200),
        answer(200, "100\n000000-10000000"),
        answer(200, '{"status": "OK", "status_code": 100}'),
        answer(200, '{"status": "OK", "status_code": 100, "sms": {"{phone}": {"status": "OK", "status_code": 100}}}'),
        answer(200, '{"status": "OK", "status_code": 100, "sms": {"{phone}": {"sms_id": "000000-1"}}}'),
        answer(502),
    ],
    "other_id": [answer(200, accepted("79990001133")), answer(200, inner(202, "79990001133"))],
}


# What it reports and forwards

SMS_ID = "202603-1000001"


def signed(callback: Callback, account: Account) -> Callback:
    """The form with the hash of its entries."""
    try:
        pairs = parse_qsl(callback.body.decode("utf-8"), keep_blank_values=True, max_num_fields=200, errors="strict")
    except ValueError:
        pairs = []
    entries = "".join(value for name, value in pairs if name.startswith("data"))
    digest = hashlib.sha256(f"{account.credentials['api_id']}{entries}".encode("utf-8", "replace")).hexdigest()
    if callback.body:
        return replace(callback, body=callback.body + b"&hash=" + digest.encode())
    return replace(callback, url=f"{callback.url}{'&' if '?' in callback.url else '?'}hash={digest}")


def entries(*found: tuple[object, ...]) -> Callback:
    """A callback with these entries."""
    return post_form({f"data[{at}]": "\n".join(str(one) for one in entry) for at, entry in enumerate(found)})


def status(code: int, sms_id: str = SMS_ID) -> tuple[object, ...]:
    """The entry of a status."""
    return "sms_status", sms_id, code, 1772366400


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {"provider_message_id": SMS_ID, "at": datetime(2026, 3, 1, 12, tzinfo=UTC)}
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


CALLBACKS = CallbackSamples(
    receipts=[
        (entries(status(102)), [reported(ReceiptState.ACCEPTED, "102")]),
        (
            entries(("test", 1772366400), status(103), ("callcheck_status", "7", 401, 1), status(104, "202603-2")),
            [
                reported(ReceiptState.DELIVERED, "103"),
                reported(ReceiptState.UNDELIVERED, "104", UndeliveredReason.EXPIRED, provider_message_id="202603-2"),
            ],
        ),
        (entries(("test", 1772366400)), []),
        (entries(("sms_status", SMS_ID, "103")), [reported(ReceiptState.DELIVERED, "103", at=None)]),
    ],
    new_status=entries(status(177)),
    sign=signed,
    signature_in=["hash"],
    signs_only=["data[0]"],
    polls=[
        (
            answer(
                200,
                {
                    "status": "OK",
                    "status_code": 100,
                    "sms": {
                        SMS_ID: {"status": "OK", "status_code": 103, "cost": "0.50", "status_text": "x"},
                        "202603-2": {"status": "ERROR", "status_code": -1, "status_text": "x"},
                        "202603-3": {"status": "ERROR"},
                    },
                    "balance": 4122.56,
                },
            ),
            [
                reported(ReceiptState.DELIVERED, "103", at=None),
                reported(ReceiptState.UNKNOWN, "-1", at=None, provider_message_id="202603-2"),
            ],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, SMS_ID),
)
