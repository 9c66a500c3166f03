"""Answers of MessageBird, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from typing import Any

from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
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
