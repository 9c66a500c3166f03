"""Answers of Plivo, by the result that they have, and its callbacks. Answers name neither our id nor the recipient."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import INBOUND_URL, MESSAGE_URL, CallbackSamples, get, post_form
from tests.unit.gateways.conformance import Samples

UUID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"


def queued(*ids: object) -> Answer:
    """An answer with the ids of messages."""
    api_id = "db342550-7f1d-11e1-8ea7-1231380bc196"
    return answer(202, {"api_id": api_id, "message": "message(s) queued", "message_uuid": list(ids)})


def failed(status: int, words: str = "What it says", **headers: str) -> Answer:
    """An answer with an error."""
    return answer(status, {"api_id": "b8d4ea96-1c1c-11e4-80aa-12313f048015", "error": words}, **headers)


SAMPLES: Samples = {
    "accepted": [queued(UUID)],
    "refused": [failed(400, "dst is not a valid phone number"), failed(422), failed(409)],
    "retriable": [failed(408)],
    "throttled": [failed(429, Retry_After="1"), failed(429)],
    "misconfigured": [failed(401), failed(403), answer(404, "not found")],
    "no_credit": [failed(402)],
    "ambiguous": [
        failed(500),
        failed(503),
        answer(202),
        answer(202, "<html>Welcome</html>"),
        queued(),
        queued(None),
        queued(UUID, UUID),
        answer(202, {"message_uuid": UUID}),
    ],
}


# What it reports and forwards

NONCE = "05429567804466091622"


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as Plivo signs it (V3)."""
    address, _, query = callback.url.partition("?")
    asked = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True)))
    try:
        pairs = sorted(parse_qsl(callback.body.decode(), keep_blank_values=True))
    except ValueError:
        pairs = []
    fields = "".join(name + value for name, value in pairs)
    content = address + ("?" if asked or fields else "") + asked + ("." if asked and fields else "") + fields
    token = account.credentials["auth_token"].encode()
    digest = hmac.digest(token, f"{content}.{NONCE}".encode(), "sha256")
    headers = {"x-plivo-signature-v3": b64encode(digest).decode(), "x-plivo-signature-v3-nonce": NONCE}
    return replace(callback, headers={**callback.headers, **headers})


def status_fields(status: str, part: int = 1, parts: int = 1, **fields: str) -> dict[str, str]:
    """The fields of a status callback about a part."""
    return {
        "Status": status,
        "From": "15005550006",
        "ParentMessageUUID": UUID,
        "TotalRate": "0.0025",
        "MCC": "250",
        "PartInfo": f"{part} of {parts}",
        "ErrorCode": "",
        "To": str(PHONE_NUMBER),
        "Units": "1",
        "TotalAmount": "0.0025",
        "MNC": "01",
        "MessageUUID": UUID if part == 1 else f"{UUID[:-1]}{part}",
        **fields,
    }


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {"message_id": MESSAGE_ID, "provider_message_id": UUID, "recipient": str(PHONE_NUMBER)}
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


def state_of(state: str, **fields: Any) -> Answer:
    """The answer to the question for a message."""
    message = {
        "api_id": "b8d4ea96-1c1c-11e4-80aa-12313f048015",
        "error_code": "000",
        "from_number": "15005550006",
        "message_direction": "outbound",
        "message_state": state,
        "message_time": "2026-05-07 09:28:54+00:00",
        "message_type": "sms",
        "message_uuid": UUID,
        "to_number": str(PHONE_NUMBER),
        "units": 1,
    }
    return answer(200, {**message, **fields})


INBOUND = {
    "From": str(PHONE_NUMBER),
    "To": "15005550006",
    "Type": "sms",
    "Text": "Да & +1 🎉\nSTOP",
    "MessageUUID": UUID,
    "Units": "1",
}

RECEIVED = InboundPart(
    sender=str(PHONE_NUMBER), recipient="15005550006", text=INBOUND["Text"], provider_message_id=UUID
)

CALLBACKS = CallbackSamples(
    receipts=[
        (post_form(status_fields("queued"), MESSAGE_URL), [reported(ReceiptState.ACCEPTED, "queued")]),
        (get(status_fields("delivered"), MESSAGE_URL), [reported(ReceiptState.DELIVERED, "delivered")]),
        (
            post_form(status_fields("delivered"), MESSAGE_URL.partition("?")[0]),
            [reported(ReceiptState.DELIVERED, "delivered", message_id=None)],
        ),
        (
            post_form(status_fields("delivered", 2, 3), MESSAGE_URL),
            [reported(ReceiptState.DELIVERED, "delivered", part="2", parts=3)],
        ),
        (
            post_form(status_fields("undelivered", 1, 3, ErrorCode="70"), MESSAGE_URL),
            [reported(ReceiptState.UNDELIVERED, "70", UndeliveredReason.UNKNOWN_SUBSCRIBER, part="1", parts=3)],
        ),
        (
            post_form(status_fields("failed", ErrorCode="200"), MESSAGE_URL),
            [reported(ReceiptState.UNDELIVERED, "200", UndeliveredReason.OPTED_OUT)],
        ),
    ],
    new_status=post_form(status_fields("teleported"), MESSAGE_URL),
    inbound=[
        (post_form(INBOUND, INBOUND_URL), [RECEIVED]),
        (get(INBOUND, INBOUND_URL), [RECEIVED]),
        (post_form(status_fields("sent"), INBOUND_URL), []),
    ],
    sign=signed,
    signature_in=["x-plivo-signature-v3", "x-plivo-signature-v3-nonce"],
    signs_url=True,
    polls=[
        (state_of("delivered"), [reported(ReceiptState.DELIVERED, "delivered", message_id=None)]),
        (
            state_of("delivered", units=3),
            [reported(ReceiptState.DELIVERED, "delivered", message_id=None, part="1", parts=3)],
        ),
        (state_of("sent"), [reported(ReceiptState.ACCEPTED, "sent", message_id=None)]),
        (
            state_of("undelivered", error_code="30"),
            [reported(ReceiptState.UNDELIVERED, "30", UndeliveredReason.BLOCKED, message_id=None)],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, UUID),
)
