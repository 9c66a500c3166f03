"""What a smsbox of Kannel 1.4.5 answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Callback, InboundPart, Receipt
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, account_with, answer
from tests.unit.gateways.callback_cases import INBOUND_URL, MESSAGE_URL, CallbackSamples, called, get
from tests.unit.gateways.conformance import Samples

ACCOUNT = account_with("kannel", username="gonets", password="s3cret", max_messages="10")
"""By default, Kannel cuts a text to one segment."""

SAMPLES: Samples = {
    "accepted": [answer(202, "0: Accepted for delivery"), answer(202, "3: Queued for later delivery")],
    "refused": [
        answer(403, "Not routable. Do not try again."),
        answer(400, "Number(s) has/have been denied by white- and/or black-lists."),
        answer(400, "Empty receiver number not allowed, rejected"),
        answer(400, "Coding field misformed, rejected"),
    ],
    "retriable": [answer(503, "Temporal failure, try again later.")],
    "throttled": [
        answer(429),
        answer(429, Retry_After="30"),
        answer(503, Retry_After="30", body="Busy"),
    ],
    "misconfigured": [
        answer(403, "Authorization failed for sendsms"),
        answer(400, "Sender missing and no global set, rejected"),
        answer(404, "Unknown request."),
    ],
    "ambiguous": [
        answer(202),
        answer(202, "<html>"),
        answer(200, "0: Accepted for delivery"),
        answer(500),
        answer(503),
    ],
}


# What it reports and forwards

RECEIPT = "id:7 sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:{} err:{} text:"


def called_back(kind: str, text: str = "ACK/", smsc_id: str = "7", url: str = MESSAGE_URL) -> Callback:
    """A request to the `dlr-url`, as Kannel fills it in."""
    fields = {"type": kind, "smsc-id": smsc_id, "text": text, "time": "1772366400", "to": str(PHONE_NUMBER)}
    return get(fields, url)


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {"message_id": MESSAGE_ID, "recipient": str(PHONE_NUMBER), "at": datetime(2026, 3, 1, 12, tzinfo=UTC)}
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


def forwarded(text: bytes, charset: str = "UTF-8", coding: str = "0", udh: bytes = b"") -> Callback:
    """A request to the `get-url` that docs/gateways/kannel.md names."""
    fields = {"from": "+79990000009", "to": "+12345", "time": "1772366400", "id": "ceecd6ce-ebc7-495f-b885"}
    query = urlencode({**fields, "charset": charset, "coding": coding, "udh": udh, "text": text})
    return called("GET", f"{INBOUND_URL}?{query}")


def received(text: str, **fields: Any) -> InboundPart:
    """What that says."""
    known = {
        "sender": "+79990000009",
        "recipient": "+12345",
        "provider_message_id": "ceecd6ce-ebc7-495f-b885",
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    return InboundPart(text=text, **{**known, **fields})


UNDELIVERED = ReceiptState.UNDELIVERED

CALLBACKS = CallbackSamples(
    receipts=[
        (called_back("8"), [reported(ReceiptState.ACCEPTED, "8")]),
        (called_back("4", RECEIPT.format("ENROUTE", "000")), [reported(ReceiptState.ACCEPTED, "ENROUTE")]),
        (called_back("1", RECEIPT.format("DELIVRD", "000")), [reported(ReceiptState.DELIVERED, "DELIVRD")]),
        (called_back("1", ""), [reported(ReceiptState.DELIVERED, "1")]),
        (called_back("2", ""), [reported(UNDELIVERED, "2", UndeliveredReason.OTHER)]),
        (
            called_back("2", RECEIPT.format("UNDELIV", "011")),
            [reported(UNDELIVERED, "UNDELIV 011", UndeliveredReason.OTHER)],
        ),
        (
            called_back("2", RECEIPT.format("EXPIRED", "000") + "stat:DELIVRD"),
            [reported(UNDELIVERED, "EXPIRED", UndeliveredReason.EXPIRED)],
        ),
        (
            called_back("2", RECEIPT.format("REJECTD", "0A1")),
            [reported(UNDELIVERED, "REJECTD 0A1", UndeliveredReason.REJECTED)],
        ),
        # Kannel calls each state a failure that it does not know.
        (called_back("2", RECEIPT.format("UNKNOWN", "000")), [reported(ReceiptState.UNKNOWN, "UNKNOWN")]),
        (called_back("2", RECEIPT.format("MADEUP", "1")), [reported(UNDELIVERED, "MADEUP 1", UndeliveredReason.OTHER)]),
        (
            called_back("16", "NACK/0x0000000b/Invalid Destination Address", ""),
            [
                reported(
                    UNDELIVERED,
                    "0x0000000b",
                    UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    words="Invalid Destination Address",
                )
            ],
        ),
        (
            called_back("16", "NACK/0x00000045/Submit failed", ""),
            [reported(UNDELIVERED, "0x00000045", UndeliveredReason.REJECTED, words="Submit failed")],
        ),
        (called_back("16", ""), [reported(UNDELIVERED, "16", UndeliveredReason.REJECTED)]),
        # The beginning of a Russian text, in UCS-2, at the end of the receipt.
        (
            called(
                "GET", called_back("1", RECEIPT.format("DELIVRD", "000")).url.replace("text%3A", "text%3A%04%D8%00")
            ),
            [reported(ReceiptState.DELIVERED, "DELIVRD")],
        ),
    ],
    new_status=called_back("64"),
    inbound=[
        (forwarded("Да & +1 €\nSTOP".encode()), [received("Да & +1 €\nSTOP")]),
        (forwarded("Привет 🎉".encode("utf-16-be"), "UTF-16BE", "2"), [received("Привет 🎉")]),
        (forwarded("Привет".encode("cp1251"), "WINDOWS-1251"), [received("Привет")]),
        (forwarded(b"\x01\xff", "8-BIT", "1"), [received("01ff")]),
        (forwarded(b""), [received("")]),
        (forwarded(b"Hi \xff"), [received("Hi \ufffd")]),
        # Parts that Kannel has not joined.
        (forwarded(b"world", udh=b"\5\0\3\7\2\2"), [received("world", reference="7", part=2, parts=2)]),
        (forwarded(b"one", udh=b"\x06\x08\x04\1\7\3\1"), [received("one", reference="263", part=1, parts=3)]),
        (forwarded(b"port", udh=b"\x06\x05\x04\0\1\0\2"), [received("port")]),
    ],
)
