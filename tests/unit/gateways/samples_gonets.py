"""Answers of the specification's gateway, by the results that they have."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [answer(200, '{"code": 0, "message": "OK"}'), answer(202, '{"code": 0}')],
    "refused": [
        answer(400, '{"code": 31, "message": "bad number"}'),
        answer(409, '{"code": 9, "message": "same id"}'),
        answer(422),
    ],
    "retriable": [answer(200, '{"code": 7, "message": "try later"}'), answer(408), answer(425)],
    "throttled": [answer(429), answer(429, Retry_After="37"), answer(503, Retry_After="37")],
    "misconfigured": [answer(401), answer(403, '{"code": 4, "message": "blocked"}'), answer(404, "<html>")],
    "no_credit": [answer(402)],
    "ambiguous": [answer(200, '{"code": "0"}'), answer(500, '{"code": 0}'), answer(503)],
}
