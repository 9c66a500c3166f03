"""Answers of Twilio, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from typing import Any

from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

SID = "SM" + "0123456789abcdef" * 2


def created(status: str = "queued", to: str = "+{phone}", **fields: Any) -> Answer:
    """An answer with a new message."""
    message: dict[str, Any] = {
        "sid": SID,
        "account_sid": "AC" + "0" * 32,
        "from": "+15005550006",
        "to": to,
        "body": "Hello",
        "status": status,
        "num_segments": "1",
        "num_media": "0",
        "direction": "outbound-api",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    }
    return answer(201, {**message, **fields})


def failed(status: int, code: int, message: str = "What it says", **headers: str) -> Answer:
    """An answer with an error."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return answer(status, {"code": code, "message": message, "more_info": more, "status": status}, **headers)


SAMPLES: Samples = {
    "accepted": [created(), created("accepted", num_segments="0"), created("sent", price="-0.00750")],
    "refused": [failed(400, 21211), failed(400, 21614), failed(400, 99999), created("failed", error_code=30006)],
    "retriable": [failed(400, 30001), created("failed", error_code=30003), answer(408)],
    "throttled": [failed(429, 20429, Retry_After="2"), failed(429, 20429), failed(400, 21611), answer(429)],
    "misconfigured": [
        failed(401, 20003),
        answer(401),
        failed(404, 20404),
        failed(403, 20005),
        failed(400, 21606),
        failed(400, 21703),
        failed(400, 21408),
    ],
    "no_credit": [answer(402)],
    "opted_out": [failed(400, 21610)],
    "ambiguous": [
        failed(500, 20500),
        failed(503, 21610),
        answer(201),
        answer(200, "<html>Welcome</html>"),
        answer(201, {"status": "queued"}),
        answer(201, {"sid": None}),
    ],
    "other_id": [created(to="+15005550001")],
}
