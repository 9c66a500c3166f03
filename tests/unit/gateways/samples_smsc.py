"""What send.php of SMSC.ru answers with `fmt=3`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, Receipt, SentMessage
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, account_with, answer
from tests.unit.gateways.callback_cases import (
    CallbackSamples,
    get,
    post_form,
)
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [answer(200, '{"id": {id}, "cnt": 1, "cost": "3.5"}'), answer(200, '{"id": "{id}", "cnt": 2}')],
    "refused": [
        answer(200, '{"error": "parameters error", "error_code": 1}'),
        answer(200, '{"error": "invalid number", "error_code": 7, "id": {id}}'),
        answer(200, '{"error": "message can\'t be delivered", "error_code": 8, "id": {id}}'),
    ],
    "retriable": [
        answer(200, '{"error": "something new", "error_code": 77}'),
        answer(200, '{"error": "no code"}'),
    ],
    "throttled": [
        answer(200, '{"error": "duplicate request, wait a minute", "error_code": 9}'),
        answer(200, '{"error": "too many concurrent requests", "error_code": 9}'),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [
        answer(200, '{"error": "authorise error", "error_code": 2}'),
        answer(200, '{"error": "IP is blocked", "error_code": 4}'),
        answer(200, '{"error": "message is denied", "error_code": 6, "id": {id}}'),
    ],
    "no_credit": [answer(200, '{"error": "no money", "error_code": 3, "id": {id}}')],
    "other_id": [
        answer(200, '{"id": 7, "cnt": 1}'),
        answer(200, '{"error": "invalid number", "error_code": 7, "id": 7}'),
    ],
    "ambiguous": [
        answer(200),
        answer(200, "OK - 1 SMS, ID - 7"),
        answer(200, "{}"),
        answer(200, "[]"),
        answer(500),
    ],
}


# What it reports and forwards


def signed(callback: Callback, account: Account) -> Callback:
    """The callback with the digest of its fields."""
    encoded = callback.body.decode("latin-1") if callback.body else callback.url.partition("?")[2]
    try:
        fields = dict(parse_qsl(encoded, keep_blank_values=True, max_num_fields=200))
    except ValueError:
        fields = {}
    content = ":".join(
        [*(fields.get(one, "") for one in ("id", "phone", "status")), account.credentials["callback_secret"]]
    )
    digest = hashlib.md5(content.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    if callback.body:
        return replace(callback, body=callback.body + b"&md5=" + digest.encode())
    return replace(callback, url=f"{callback.url}{'&' if '?' in callback.url else '?'}md5={digest}")


def status_fields(status: int, error: int = 0, **fields: str) -> dict[str, str]:
    """The fields of a callback about a status."""
    known = {"id": str(MESSAGE_ID), "phone": str(PHONE_NUMBER), "status": str(status), "err": str(error)}
    return {**known, "time": "01.03.2026 15:00:00", "ts": "1772366400", "cnt": "1", "type": "0", **fields}


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": str(MESSAGE_ID),
        "recipient": str(PHONE_NUMBER),
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


def polled(status: int, error: int = 0, **fields: Any) -> dict[str, Any]:
    """An entry of the list that status.php answers with."""
    known = {"id": MESSAGE_ID, "phone": str(PHONE_NUMBER), "status": status, "err": error}
    return {**known, "last_date": "01.03.2026 15:00:00", "last_timestamp": 1772366400, **fields}


CALLBACKS = CallbackSamples(
    receipts=[
        (post_form({"id": "7", "phone": str(PHONE_NUMBER), "mes": "Да", "to": "12345"}), []),
        (post_form(status_fields(0)), [reported(ReceiptState.ACCEPTED, "0")]),
        (post_form(status_fields(1)), [reported(ReceiptState.DELIVERED, "1")]),
        (get(status_fields(2)), [reported(ReceiptState.DELIVERED, "2")]),
        (
            post_form(status_fields(20, 1)),
            [reported(ReceiptState.UNDELIVERED, "20 1", UndeliveredReason.UNKNOWN_SUBSCRIBER)],
        ),
        (post_form(status_fields(3, 6)), [reported(ReceiptState.UNDELIVERED, "3 6", UndeliveredReason.EXPIRED)]),
        (post_form(status_fields(20, 245)), [reported(ReceiptState.UNKNOWN, "20 245")]),
        # SMSC.ru's own id, of a message whose id was too large to be sent.
        (
            post_form(status_fields(1, id="9147483647")),
            [reported(ReceiptState.DELIVERED, "1", message_id=None, provider_message_id="9147483647")],
        ),
    ],
    new_status=post_form(status_fields(77)),
    sign=signed,
    signature_in=["md5"],
    signs_only=["id", "phone", "status"],
    polls=[
        (
            answer(200, [polled(1), polled(20, 13), {"status": 1, "last_timestamp": 1}]),
            [
                reported(ReceiptState.DELIVERED, "1"),
                reported(ReceiptState.UNDELIVERED, "20 13", UndeliveredReason.BLOCKED),
            ],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, None),
    account=account_with(
        "smsc", login="gonets", password="s3cret-password", apikey="s3cret-apikey", callback_secret="s3cret-callback"
    ),
)
