"""What version 2 of the API of SMS Aero answers."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

DATA = '"id": 12345, "from": "Shop", "text": "x", "status": 0, "extendStatus": "queue", "cost": 5.49'

SAMPLES: Samples = {
    "accepted": [
        answer(200, f'{{"success": true, "data": {{{DATA}, "number": "{{phone}}"}}, "message": null}}'),
        answer(200, f'{{"success": true, "data": {{{DATA}}}}}'),
    ],
    "refused": [
        answer(400, '{"success": false, "data": {"sign": ["x"]}, "message": "Validation error."}'),
        answer(200, '{"result": "reject", "reason": "empty field"}'),
    ],
    "retriable": [answer(200, '{"success": false, "data": null, "message": "Try again"}')],
    "throttled": [answer(429), answer(429, Retry_After="30")],
    "misconfigured": [
        answer(401, '{"success": false, "message": "Your request was made with invalid credentials."}'),
        answer(403, '{"success": false, "message": "Forbidden"}'),
    ],
    "no_credit": [
        answer(200, '{"result": "no credits"}'),
        answer(200, '{"success": false, "data": null, "message": "Not enough money"}'),
        answer(402),
    ],
    "ambiguous": [
        answer(200),
        answer(200, "{}"),
        answer(200, '{"success": true, "data": null}'),
        answer(200, '{"success": true, "data": {"status": 0}}'),
        answer(200, '{"success": "true", "data": {"id": 1}}'),
        answer(500),
    ],
    "other_id": [answer(200, f'{{"success": true, "data": {{{DATA}, "number": "79990001133"}}}}')],
}
