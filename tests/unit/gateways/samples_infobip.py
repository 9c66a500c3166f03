"""Answers of Infobip, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import InboundPart, Receipt, SentMessage
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import (
    INBOUND_URL,
    CallbackSamples,
    post_json,
)
from tests.unit.gateways.conformance import Samples

GROUPS = {
    0: "ACCEPTED",
    1: "PENDING",
    2: "UNDELIVERABLE",
    3: "DELIVERED",
    4: "EXPIRED",
    5: "REJECTED",
    9: "UNHEARD_OF",
}


def sent(group: int, code: int, name: str, message_id: str = "{id}", phone: str = "{phone}") -> Answer:
    """An answer about one message with this status."""
    body = (
        f'{{"bulkId": "20340722196", "messages": [{{"messageId": "{message_id}", "destination": "{phone}", "status": '
        f'{{"groupId": {group}, "groupName": "{GROUPS[group]}", "id": {code}, "name": "{name}", "description": "It"}}, '
        f'"details": {{"messageCount": 1}}}}]}}'
    )
    return Answer(200, {"Content-Type": "application/json"}, body.encode())


def failed(status: int, code: str, description: str, **headers: str) -> Answer:
    """An answer with an error of the platform."""
    body = f'{{"errorCode": "{code}", "description": "{description}", "action": "", "violations": [], "resources": []}}'
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


SAMPLES: Samples = {
    "accepted": [sent(1, 26, "PENDING_ACCEPTED"), sent(1, 7, "PENDING_ENROUTE"), sent(3, 2, "DELIVERED_TO_OPERATOR")],
    "refused": [
        sent(5, 8, "REJECTED_PREFIX_MISSING"),
        sent(5, 52, "REJECTED_DESTINATION"),
        sent(2, 9, "UNDELIVERABLE_NOT_DELIVERED"),
        failed(400, "E400", "Request cannot be processed."),
    ],
    "retriable": [sent(5, 21, "REJECTED_SYSTEM_ERROR")],
    "throttled": [
        failed(429, "E429", "Too many requests sent.", Retry_After="7"),
        failed(429, "E429", "Too many requests sent."),
        sent(5, 20, "REJECTED_FLOODING_FILTER"),
    ],
    "misconfigured": [
        failed(401, "E401", "The request lacks valid authentication credentials."),
        failed(403, "E403", "Insufficient permissions."),
        sent(5, 11, "REJECTED_SOURCE"),
        sent(5, 13, "REJECTED_SENDER"),
        sent(5, 19, "REJECTED_ROUTE_NOT_AVAILABLE"),
    ],
    "no_credit": [sent(5, 12, "REJECTED_NOT_ENOUGH_CREDITS"), sent(5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED")],
    "opted_out": [sent(5, 10, "REJECTED_DND"), sent(5, 14, "REJECTED_DESTINATION_BLOCKLISTED")],
    "duplicate": [sent(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID")],
    "ambiguous": [
        failed(500, "E500", "Something went wrong."),
        Answer(200, {}, b""),
        Answer(200, {}, b"<html>Welcome</html>"),
        Answer(200, {}, b'{"messages": []}'),
        Answer(200, {}, b'{"messages": [{"messageId": "{id}", "status": {"id": "26"}}]}'),
        sent(9, 999, "UNHEARD_OF"),
    ],
    "other_id": [sent(1, 26, "PENDING_ACCEPTED", "{id}", "41793026727")],
}


# What it reports and forwards

NOON = datetime(2026, 3, 1, 12, 0, 4, 250000, tzinfo=UTC)


def report(
    group: int, code: int, name: str, error: int = 0, error_name: str = "NO_ERROR", **fields: Any
) -> dict[str, Any]:
    """A report of a message."""
    return {
        "bulkId": "1",
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": {"groupId": group, "groupName": "X", "id": code, "name": name, "description": "It"},
        "error": {"groupId": 0, "groupName": "OK", "id": error, "name": error_name, "permanent": False},
        "messageId": f"s3cret-prefix{MESSAGE_ID}",
        "to": str(PHONE_NUMBER),
        "sender": "Shop",
        "sentAt": "2026-03-01T15:00:00.000+0300",
        "doneAt": "2026-03-01T15:00:04.250+0300",
        "messageCount": 1,
        **fields,
    }


def reported(
    state: ReceiptState, code: str, words: str, reason: UndeliveredReason | None = None, **fields: Any
) -> Receipt:
    """A receipt about the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": f"s3cret-prefix{MESSAGE_ID}",
        "recipient": str(PHONE_NUMBER),
        "at": NOON,
    }
    return Receipt(state=state, code=code, words=words, reason=reason, **{**known, **fields})


DELIVERED = report(3, 5, "DELIVERED_TO_HANDSET")
ABSENT = report(2, 9, "UNDELIVERABLE_NOT_DELIVERED", 27, "EC_ABSENT_SUBSCRIBER")
READ_DELIVERED = reported(ReceiptState.DELIVERED, "5", "DELIVERED_TO_HANDSET")
READ_ABSENT = reported(
    ReceiptState.UNDELIVERED, "9 27", "UNDELIVERABLE_NOT_DELIVERED EC_ABSENT_SUBSCRIBER", UndeliveredReason.EXPIRED
)
INBOUND = {
    "messageId": "817790313235066447",
    "from": "385916242493",
    "to": "385921004026",
    "text": "QUIZ Да & +1 🎉",
    "cleanText": "Да & +1 🎉",
    "keyword": "QUIZ",
    "receivedAt": "2026-03-01T12:00:04.250+0000",
    "smsCount": 1,
}

CALLBACKS = CallbackSamples(
    receipts=[
        (
            post_json({"results": [DELIVERED, ABSENT, report(1, 7, "PENDING_ENROUTE", doneAt=None)]}),
            [READ_DELIVERED, READ_ABSENT, reported(ReceiptState.ACCEPTED, "7", "PENDING_ENROUTE", at=None)],
        ),
        (post_json({"results": []}), []),
        # Of another installation with the same account.
        (
            post_json({"results": [report(3, 5, "DELIVERED_TO_HANDSET", messageId="other-7")]}),
            [
                reported(
                    ReceiptState.DELIVERED, "5", "DELIVERED_TO_HANDSET", message_id=None, provider_message_id="other-7"
                )
            ],
        ),
    ],
    new_status=post_json({"results": [report(9, 999, "UNHEARD_OF")]}),
    inbound=[
        (
            post_json({"results": [INBOUND], "messageCount": 1, "pendingMessageCount": 0}, INBOUND_URL),
            [
                InboundPart(
                    sender="385916242493",
                    recipient="385921004026",
                    text="QUIZ Да & +1 🎉",
                    provider_message_id="817790313235066447",
                    at=NOON,
                )
            ],
        ),
    ],
    polls=[
        (
            answer(
                200, {"results": [{**DELIVERED, "destination": str(PHONE_NUMBER)}, {**ABSENT, "destination": None}]}
            ),
            [READ_DELIVERED, replace(READ_ABSENT, recipient=None)],
        ),
        (answer(200, {"results": []}), []),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, None),
)
