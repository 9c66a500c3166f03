"""Answers of MessageBird, by the result that they have, and its callbacks. {id} and {phone} of answers are those of the
message."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE, MESSAGE_ID, PHONE_NUMBER, answer, answer_to
from tests.unit.gateways.callback_cases import INBOUND_URL, RECEIVED_AT, CallbackSamples, get, post_form
from tests.unit.gateways.conformance import Samples

ID = "e8077d803532c0b5937c639b60216938"


def created(recipient: Any = "{phone}", status: str = "sent", **fields: Any) -> Answer:
    """An answer with a new message."""
    item = {
        "recipient": recipient,
        "status": status,
        "statusDatetime": "2026-05-03T14:26:57+00:00",
        "messagePartCount": 2,
        **fields,
    }
    message = {
        "id": ID,
        "href": f"https://rest.messagebird.com/messages/{ID}",
        "direction": "mt",
        "type": "sms",
        "originator": "Shop",
        "body": "Hello",
        "reference": "{id}",
        "datacoding": "plain",
        "createdDatetime": "2026-05-03T14:26:57+00:00",
        "recipients": {"totalCount": 1, "totalSentCount": 1, "items": [item]},
    }
    return answer(201, message)


def failed(status: int, code: int, parameter: str | None = None, **headers: str) -> Answer:
    """An answer with an error."""
    error = {"code": code, "description": "What it says", "parameter": parameter}
    return answer(status, {"errors": [error]}, **headers)


SAMPLES: Samples = {
    "accepted": [created(), created(status="buffered")],
    "refused": [
        failed(422, 9, "recipients"),
        failed(422, 10, "body"),
        failed(422, 77),
        created(status="delivery_failed"),
    ],
    "retriable": [failed(422, 98), failed(422, 99)],
    "throttled": [answer(429, Retry_After="1"), answer(429)],
    "misconfigured": [failed(401, 2, "access_key"), answer(401), failed(422, 9, "originator"), failed(404, 20)],
    "no_credit": [failed(422, 25), answer(402)],
    "opted_out": [created(status="delivery_failed", statusErrorCode=103)],
    "ambiguous": [
        failed(500, 99),
        answer(201),
        answer(201, "<html>Welcome</html>"),
        answer(201, {"id": ID}),
        answer(201, {"id": ID, "recipients": {"items": []}}),
        answer(201, {"recipients": {"items": [{"recipient": "{phone}"}]}}),
    ],
    "other_id": [created(447700900000)],
}


# What it reports and forwards

AT = datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)
NOW = int(RECEIVED_AT.timestamp())


def token(claims: Any, key: str, algorithm: str = "HS256") -> str:
    """A signed token."""
    parts = (json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    content = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    hashes = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
    digest = hmac.digest(key.encode(), content, hashes[algorithm])
    return (content + b"." + urlsafe_b64encode(digest).rstrip(b"=")).decode()


def claims_about(callback: Callback, **changes: Any) -> dict[str, Any]:
    """The claims of a token about a callback."""
    claims = {
        "iss": "MessageBird",
        "nbf": NOW - 1,
        "exp": NOW + 60,
        "jti": "0f1dc1a1-6a0b-4a0e-9cf4-8ed7cf4a8a1d",
        "url_hash": hashlib.sha256(callback.url.encode()).hexdigest(),
    }
    if callback.body:
        claims["payload_hash"] = hashlib.sha256(callback.body).hexdigest()
    return {**claims, **changes}


def with_token(callback: Callback, value: str) -> Callback:
    """The callback with a token in its header."""
    return replace(callback, headers={**callback.headers, "messagebird-signature-jwt": value})


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as MessageBird signs it."""
    return with_token(callback, token(claims_about(callback), account.credentials["signing_key"]))


def report(status: str, **fields: str) -> Callback:
    """A status report."""
    known = {
        "id": ID,
        "reference": str(MESSAGE_ID),
        "recipient": str(PHONE_NUMBER),
        "status": status,
        "statusDatetime": "2026-03-01T12:00:03+00:00",
    }
    return get({**known, **fields})


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {"message_id": MESSAGE_ID, "provider_message_id": ID, "recipient": str(PHONE_NUMBER), "at": AT}
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


INBOUND = {
    "id": "5f4d3c2b1a",
    "recipient": "31612345678",
    "originator": str(PHONE_NUMBER),
    "body": "Да & +1 🎉",
    "createdDatetime": "2026-03-01T12:00:03+00:00",
}

TO_SHORT_CODE = {
    "mid": "987654",
    "shortcode": "8008",
    "keyword": "SHOP",
    "originator": str(PHONE_NUMBER),
    "operator": "20408",
    "message": "SHOP stop",
    "receive_datetime": "20260301120003",
}

RECEIVED = InboundPart(
    sender=str(PHONE_NUMBER), recipient="31612345678", text="Да & +1 🎉", provider_message_id="5f4d3c2b1a", at=AT
)

ASKED = "2026-05-03T14:26:57+00:00"


def state_of(status: str, **fields: Any) -> Answer:
    """The answer to the question for a message."""
    return answer_to(MESSAGE, created(PHONE_NUMBER, status, **fields))._replace(status=200)


CALLBACKS = CallbackSamples(
    receipts=[
        (report("sent"), [reported(ReceiptState.ACCEPTED, "sent")]),
        (report("delivered", statusReason="successfully delivered"), [reported(ReceiptState.DELIVERED, "delivered")]),
        (
            report("delivery_failed", statusReason="unknown subscriber", statusErrorCode="1"),
            [
                reported(
                    ReceiptState.UNDELIVERED,
                    "1",
                    UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    words="unknown subscriber",
                )
            ],
        ),
        (
            report("delivery_failed", statusErrorCode="103", reference=""),
            [reported(ReceiptState.UNDELIVERED, "103", UndeliveredReason.OPTED_OUT, message_id=None)],
        ),
        (report("expired"), [reported(ReceiptState.UNDELIVERED, "expired", UndeliveredReason.EXPIRED)]),
        (
            report("expired", statusReason="DLR not received"),
            [reported(ReceiptState.UNKNOWN, "expired", words="DLR not received")],
        ),
    ],
    new_status=report("teleported"),
    inbound=[
        (post_form(INBOUND, INBOUND_URL), [RECEIVED]),
        (get(INBOUND, INBOUND_URL), [RECEIVED]),
        (
            get(TO_SHORT_CODE, INBOUND_URL),
            [replace(RECEIVED, recipient="8008", text="SHOP stop", provider_message_id="987654")],
        ),
    ],
    sign=signed,
    signature_in=["messagebird-signature-jwt"],
    signs_url=True,
    signs_time=True,
    polls=[
        (
            state_of("delivered"),
            [reported(ReceiptState.DELIVERED, "delivered", at=datetime.fromisoformat(ASKED))],
        ),
        (
            state_of("delivery_failed", statusErrorCode=1, statusReason="unknown subscriber"),
            [
                reported(
                    ReceiptState.UNDELIVERED,
                    "1",
                    UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    words="unknown subscriber",
                    at=datetime.fromisoformat(ASKED),
                )
            ],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, ID),
)
