"""Answers of Vonage's SMS API, by the result that they have, and its callbacks. {id} and {phone} of answers are those
of the message."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import (
    INBOUND_URL,
    RECEIPT_URL,
    RECEIVED_AT,
    CallbackSamples,
    called,
    get,
    post_form,
    post_json,
)
from tests.unit.gateways.conformance import Samples


def taken(number: int = 1, to: str = "{phone}") -> dict[str, Any]:
    """The entry of a segment that was accepted."""
    return {
        "to": to,
        "message-id": f"0C000000217B7F0{number}",
        "status": "0",
        "remaining-balance": "15.53590000",
        "message-price": "0.03330000",
        "network": "23410",
        "client-ref": "{id}",
    }


def refused(status: str, words: str = "What it says") -> dict[str, Any]:
    """The entry of a segment that was refused."""
    return {"to": "{phone}", "status": status, "error-text": words}


def entries(*messages: Any) -> Answer:
    """An answer with these entries."""
    return answer(200, {"message-count": str(len(messages)), "messages": list(messages)})


SAMPLES: Samples = {
    "accepted": [entries(taken()), entries(taken(1), taken(2), taken(3))],
    "refused": [entries(refused("6")), entries(refused("3"), refused("3")), answer(400)],
    "retriable": [entries(refused("5")), entries(refused("777"))],
    "throttled": [
        entries(refused("1", "Throughput Rate Exceeded - please wait [ 250 ] and retry")),
        entries(refused("1", "Throttled")),
        answer(429, Retry_After="3"),
    ],
    "misconfigured": [entries(refused("4")), entries(refused("15")), entries(refused("8")), answer(401)],
    "no_credit": [entries(refused("9"))],
    "opted_out": [entries(refused("7"))],
    "ambiguous": [
        answer(500),
        answer(200),
        answer(200, "<html>Welcome</html>"),
        entries(),
        entries("0"),
        entries({"status": "0"}),
        entries({"status": None, "message-id": "1"}),
        # A part of the text was taken.
        entries(taken(1), refused("1")),
        entries(taken(1), refused("9"), taken(3)),
    ],
    "other_id": [entries(taken(to="447700900000")), entries(taken(), taken(2, to="447700900000"))],
}


# What it reports and forwards


def with_signature(fields: Mapping[str, Any], secret: str, method: str) -> dict[str, Any]:
    """The fields as Vonage signs them."""
    signed = {**fields, "timestamp": str(int(RECEIVED_AT.timestamp())), "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}
    content = ""
    for name in sorted(signed):
        content += f"&{name}={str(signed[name]).replace('&', '_').replace('=', '_')}"
    raw = content.encode("utf-8", "surrogatepass")
    if method == "md5hash":
        signature = hashlib.md5(raw + secret.encode(), usedforsecurity=False).hexdigest()
    else:
        signature = hmac.new(secret.encode(), raw, method).hexdigest()
    return {**signed, "sig": signature}


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as Vonage signs it: in its query, its form, or its JSON."""
    secret, method = account.credentials["signature_secret"], account.options["signature_method"]
    if not callback.body:
        start, _, query = callback.url.partition("?")
        fields = with_signature(dict(parse_qsl(query, keep_blank_values=True)), secret, method)
        return replace(callback, url=f"{start}?{urlencode(fields)}")
    try:
        payload = json.loads(callback.body)
    except (ValueError, RecursionError):
        payload = None
    try:
        if isinstance(payload, dict):
            return replace(callback, body=json.dumps(with_signature(payload, secret, method)).encode())
        form = dict(parse_qsl(callback.body.decode(), keep_blank_values=True))
        return replace(callback, body=urlencode(with_signature(form, secret, method)).encode())
    except (ValueError, RecursionError):
        return callback


DLR = {
    "msisdn": str(PHONE_NUMBER),
    "to": "Shop",
    "network-code": "25001",
    "messageId": "0C000000217B7F01",
    "price": "0.03330000",
    "scts": "2603011200",
    "err-code": "0",
    "api-key": "abcd1234",
    "client-ref": str(MESSAGE_ID),
    "message-timestamp": "2026-03-01 12:00:04",
}


def dlr(status: str, code: str = "0", **fields: str) -> dict[str, str]:
    """The fields of a delivery receipt."""
    return {**DLR, "status": status, "err-code": code, **fields}


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about a segment of the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": "0C000000217B7F01",
        "part": "0C000000217B7F01",
        "recipient": str(PHONE_NUMBER),
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


INBOUND = {
    "msisdn": str(PHONE_NUMBER),
    "to": "447700900001",
    "messageId": "0A0000000123ABCD1",
    "text": "Да & +1 = 🎉",
    "type": "unicode",
    "keyword": "ДА",
    "api-key": "abcd1234",
    "message-timestamp": "2026-03-01 12:00:04",
}

PART = {**INBOUND, "concat": "true", "concat-ref": "108", "concat-total": "3", "concat-part": "2"}

RECEIVED = InboundPart(
    sender=str(PHONE_NUMBER),
    recipient="447700900001",
    text="Да & +1 = 🎉",
    provider_message_id="0A0000000123ABCD1",
    at=datetime(2026, 3, 1, 12, 0, 4, tzinfo=UTC),
)

BINARY = {key: value for key, value in INBOUND.items() if key != "text"} | {"type": "binary", "data": "0123ab"}

CALLBACKS = CallbackSamples(
    receipts=[
        (get(dlr("accepted")), [reported(ReceiptState.ACCEPTED, "accepted")]),
        (post_form(dlr("buffered")), [reported(ReceiptState.ACCEPTED, "buffered")]),
        (post_json(dlr("delivered")), [reported(ReceiptState.DELIVERED, "delivered")]),
        (
            get(dlr("delivered", messageId="0C000000217B7F02")),
            [
                reported(
                    ReceiptState.DELIVERED,
                    "delivered",
                    provider_message_id="0C000000217B7F02",
                    part="0C000000217B7F02",
                )
            ],
        ),
        (get(dlr("failed", "3")), [reported(ReceiptState.UNDELIVERED, "3", UndeliveredReason.UNKNOWN_SUBSCRIBER)]),
        (get(dlr("expired")), [reported(ReceiptState.UNDELIVERED, "expired", UndeliveredReason.EXPIRED)]),
        (get(dlr("unknown")), [reported(ReceiptState.UNKNOWN, "unknown")]),
        (get(INBOUND), []),
    ],
    new_status=post_form(dlr("teleported")),
    inbound=[
        (get(INBOUND, INBOUND_URL), [RECEIVED]),
        (post_form(INBOUND, INBOUND_URL), [RECEIVED]),
        (post_json(PART, INBOUND_URL), [replace(RECEIVED, reference="108", part=2, parts=3)]),
        (get(PART, INBOUND_URL), [replace(RECEIVED, reference="108", part=2, parts=3)]),
        (get(BINARY, INBOUND_URL), [replace(RECEIVED, text="0123ab")]),
        (get(dlr("accepted"), INBOUND_URL), []),
    ],
    sign=signed,
    signature_in=["sig", "timestamp", "nonce"],
    signs_time=True,
    is_hexadecimal=True,
)

TEST_OF_ADDRESS = called("GET", RECEIPT_URL)
"""What an address is tested with when it is entered."""
