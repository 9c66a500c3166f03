"""What SendSMS of MTS Exolve answers, as far as it is known."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [
        answer(200, '{"message_id": "439166538688270111"}'),
        answer(200, '{"message_id": 439166538688270111}'),
    ],
    "refused": [answer(400, '{"error": {"code": 3, "message": "bad number"}}'), answer(422)],
    "retriable": [answer(408)],
    "throttled": [answer(429), answer(429, Retry_After="30"), answer(503, Retry_After="30")],
    "misconfigured": [answer(401, '{"message": "invalid key"}'), answer(403), answer(404)],
    "no_credit": [answer(402)],
    "ambiguous": [
        answer(200),
        answer(200, "{}"),
        answer(200, '{"message_id": ""}'),
        answer(201, '{"message_id": "1"}'),
        answer(500),
    ],
    "other_id": [answer(200, '{"message_id": "1", "destination": "79990001133"}')],
}
