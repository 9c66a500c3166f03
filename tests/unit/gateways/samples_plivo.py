"""Answers of Plivo, by the result that they have. They name neither our id nor the recipient."""

from __future__ import annotations

from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
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
