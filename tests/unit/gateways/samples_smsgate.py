"""What the server of SMS Gateway for Android answers."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, account_with, answer
from tests.unit.gateways.callback_cases import (
    INBOUND_URL,
    RECEIPT_URL,
    RECEIVED_AT,
    CallbackSamples,
    post_json,
)
from tests.unit.gateways.conformance import Samples


def state(phone_number: str = "{phone}", name: str = "Pending", message_id: str = "{id}") -> str:
    """The state of a message."""
    recipients = f'[{{"phoneNumber": "+{phone_number}", "state": "{name}"}}]'
    return f'{{"id": "{message_id}", "state": "{name}", "isHashed": false, "recipients": {recipients}}}'


SAMPLES: Samples = {
    "accepted": [answer(202, state())],
    "refused": [answer(400, '{"message": "invalid phone number"}')],
    "retriable": [answer(408)],
    "throttled": [
        answer(503, '{"message": "queue limits exceeded"}'),
        answer(429, Retry_After="30", body='{"message": "Too Many Requests"}'),
    ],
    "misconfigured": [
        answer(401, '{"message": "Unauthorized"}'),
        answer(403, '{"message": "Forbidden"}'),
        answer(400, '{"message": "failed to select device: record not found"}'),
    ],
    "duplicate": [answer(409, '{"message": "duplicate id"}')],
    "ambiguous": [
        answer(202),
        answer(202, "{}"),
        answer(200, state()),
        answer(500, '{"message": "failed to enqueue"}'),
        answer(503),
    ],
    "other_id": [answer(202, state("79990001133")), answer(202, state(message_id="7"))],
}


# What it reports and forwards


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as the phone signs it."""
    timestamp = str(int(RECEIVED_AT.timestamp()))
    content = callback.body + timestamp.encode()
    digest = hmac.digest(account.credentials["signing_key"].encode(), content, "sha256").hex()
    return replace(callback, headers={**callback.headers, "x-signature": digest, "x-timestamp": timestamp})


def event(name: str, payload: dict[str, Any], url: str = RECEIPT_URL) -> Callback:
    """An event of the phone."""
    envelope = {"deviceId": "ffffffffceb0b1db", "event": name, "id": "Ey6ECgOkVVFjz3CL48B8C", "webhookId": "LreFUt"}
    return post_json({**envelope, "payload": payload}, url)


def about(**fields: Any) -> dict[str, Any]:
    """The payload about the message."""
    known = {"messageId": str(MESSAGE_ID), "sender": "+79990000001", "recipient": f"+{PHONE_NUMBER}", "simNumber": 1}
    return {**known, **fields}


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": str(MESSAGE_ID),
        "recipient": f"+{PHONE_NUMBER}",
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


NOON = "2026-03-01T19:00:00.000+07:00"
RECEIVED = {"messageId": "abc123", "message": "Да & +1 🎉", "sender": "6505551212", "simNumber": 1, "receivedAt": NOON}

CALLBACKS = CallbackSamples(
    receipts=[
        (event("sms:sent", about(partsCount=2, sentAt=NOON)), [reported(ReceiptState.ACCEPTED, "sms:sent", parts=2)]),
        (
            event("sms:delivered", about(deliveredAt=NOON)),
            [reported(ReceiptState.DELIVERED, "sms:delivered", part="Ey6ECgOkVVFjz3CL48B8C")],
        ),
        (
            event("sms:failed", about(failedAt=NOON, reason="Network error")),
            [reported(ReceiptState.UNDELIVERED, "sms:failed", UndeliveredReason.OTHER, words="Network error")],
        ),
        (
            event("sms:cancelled", about(cancelledAt=NOON)),
            [reported(ReceiptState.UNDELIVERED, "sms:cancelled", UndeliveredReason.OTHER)],
        ),
        (event("system:ping", {"health": {}}), []),
        (event("sms:received", RECEIVED), []),
    ],
    new_status=event("sms:teleported", about()),
    inbound=[
        (
            event("sms:received", {**RECEIVED, "recipient": None}, INBOUND_URL),
            [
                InboundPart(
                    sender="6505551212",
                    recipient="",
                    text="Да & +1 🎉",
                    provider_message_id="Ey6ECgOkVVFjz3CL48B8C",
                    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
                )
            ],
        ),
        (event("sms:sent", about(sentAt=NOON), INBOUND_URL), []),
    ],
    sign=signed,
    signature_in=["x-signature", "x-timestamp"],
    signs_time=True,
    polls=[
        (
            answer(200, state(str(PHONE_NUMBER), "Delivered", str(MESSAGE_ID))),
            [reported(ReceiptState.DELIVERED, "Delivered", at=None)],
        ),
        (answer(404, {"message": "record not found"}), []),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, None),
    account=account_with("smsgate", username="gonets", password="s3cret-password", signing_key="s3cret-key"),
)
