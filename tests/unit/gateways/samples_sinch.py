"""Answers of Sinch, by the result that they have, and its callbacks. {id} and {phone} of answers are those of the
message."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import INBOUND_URL, RECEIVED_AT, CallbackSamples, post_json
from tests.unit.gateways.conformance import Samples

BATCH = "01FC66621VHDBN119Z8PMV1QPQ"


def created(*to: str) -> Answer:
    """An answer with a new batch."""
    batch = {
        "id": BATCH,
        "to": list(to) or ["{phone}"],
        "from": "Shop",
        "canceled": False,
        "body": "Hello",
        "type": "mt_text",
        "client_reference": "{id}",
        "created_at": "2026-02-25T23:01:01Z",
        "modified_at": "2026-02-25T23:01:01Z",
        "delivery_report": "none",
        "flash_message": False,
    }
    return answer(201, batch)


def failed(status: int, code: str = "some_code", **headers: str) -> Answer:
    """An answer with an error."""
    return answer(status, {"code": code, "text": "What it says"}, **headers)


SAMPLES: Samples = {
    "accepted": [created(), created("+{phone}")],
    "refused": [
        failed(400, "syntax_constraint_violation"),
        failed(400, "unheard_of"),
        failed(403, "illegal_number_type"),
        answer(400, {"error": {"code": 400, "message": "parsing field", "status": "INVALID_ARGUMENT"}}),
    ],
    "retriable": [failed(408)],
    "throttled": [failed(429, Retry_After="1"), failed(429)],
    "misconfigured": [answer(401), failed(403, "blocked_account"), failed(403), answer(404)],
    "no_credit": [failed(402)],
    "ambiguous": [
        failed(500),
        failed(503),
        answer(201),
        answer(201, "<html>Welcome</html>"),
        answer(201, {"id": BATCH}),
        answer(201, {"to": ["{phone}"]}),
        created("{phone}", "{phone}"),
    ],
    "other_id": [created("447700900000")],
}


# What it reports and forwards

NONCE = "01FJA8B4A7BM43YGWSG9GBV067"
AT = datetime(2026, 3, 1, 12, 0, 4, 123000, tzinfo=UTC)


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as Sinch signs it with the secret of a service plan."""
    time = str(int(RECEIVED_AT.timestamp()))
    content = callback.body + f".{NONCE}.{time}".encode()
    digest = hmac.digest(account.credentials["callback_secret"].encode(), content, "sha256")
    headers = {
        "x-sinch-webhook-signature": b64encode(digest).decode(),
        "x-sinch-webhook-signature-nonce": NONCE,
        "x-sinch-webhook-signature-timestamp": time,
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
    }
    return replace(callback, headers={**callback.headers, **headers})


def report(status: str, code: int, **fields: Any) -> Callback:
    """A delivery report of a recipient."""
    payload = {
        "type": "recipient_delivery_report_sms",
        "batch_id": BATCH,
        "recipient": str(PHONE_NUMBER),
        "code": code,
        "status": status,
        "at": "2026-03-01T12:00:04.123Z",
        "client_reference": str(MESSAGE_ID),
    }
    return post_json({**payload, **fields})


def batch_report(*statuses: Any, **fields: Any) -> dict[str, Any]:
    """A delivery report of a batch."""
    return {
        "type": "delivery_report_sms",
        "batch_id": BATCH,
        "total_message_count": 1,
        "client_reference": str(MESSAGE_ID),
        "statuses": list(statuses),
        **fields,
    }


def status_of(status: str, code: int) -> dict[str, Any]:
    """A status of such a report."""
    return {"code": code, "status": status, "count": 1, "recipients": [str(PHONE_NUMBER)]}


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": BATCH,
        "recipient": str(PHONE_NUMBER),
        "at": AT,
    }
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


INBOUND = {
    "type": "mo_text",
    "id": "01FC66621XXXXX119Z8PMV1QPA",
    "from": str(PHONE_NUMBER),
    "to": "12025550134",
    "body": "Да 🎉",
    "operator_id": "25001",
    "received_at": "2026-03-01T12:00:04.123Z",
    "sent_at": "2026-03-01T12:00:01Z",
}

RECEIVED = InboundPart(
    sender=str(PHONE_NUMBER),
    recipient="12025550134",
    text="Да 🎉",
    provider_message_id="01FC66621XXXXX119Z8PMV1QPA",
    at=datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC),
)

CALLBACKS = CallbackSamples(
    receipts=[
        (report("QUEUED", 400), [reported(ReceiptState.ACCEPTED, "QUEUED")]),
        (report("Dispatched", 401), [reported(ReceiptState.ACCEPTED, "Dispatched")]),
        (report("DELIVERED", 0), [reported(ReceiptState.DELIVERED, "DELIVERED")]),
        (
            report("DELIVERED", 0, operator_status_at="2026-03-01T12:00:02Z", client_reference=None),
            [
                reported(
                    ReceiptState.DELIVERED, "DELIVERED", message_id=None, at=datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC)
                )
            ],
        ),
        (report("UNKNOWN", 0), [reported(ReceiptState.UNKNOWN, "UNKNOWN")]),
        (report("ABORTED", 406), [reported(ReceiptState.UNDELIVERED, "406", UndeliveredReason.EXPIRED)]),
        (report("Failed", 9999), [reported(ReceiptState.UNDELIVERED, "9999", UndeliveredReason.OTHER)]),
        (
            post_json(batch_report(status_of("Delivered", 0))),
            [reported(ReceiptState.DELIVERED, "Delivered", at=None)],
        ),
        (post_json(INBOUND), []),
    ],
    new_status=report("TELEPORTED", 7),
    inbound=[
        (post_json(INBOUND, INBOUND_URL), [RECEIVED]),
        (post_json(batch_report(status_of("Delivered", 0)), INBOUND_URL), []),
    ],
    sign=signed,
    signature_in=[
        "x-sinch-webhook-signature",
        "x-sinch-webhook-signature-nonce",
        "x-sinch-webhook-signature-timestamp",
    ],
    signs_time=True,
    polls=[
        (
            answer(200, batch_report(status_of("Delivered", 0))),
            [reported(ReceiptState.DELIVERED, "Delivered", at=None)],
        ),
        (
            answer(200, batch_report(status_of("Rejected", 402))),
            [reported(ReceiptState.UNDELIVERED, "402", UndeliveredReason.REJECTED, at=None)],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, BATCH),
)
