"""Answers of Sinch, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
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
