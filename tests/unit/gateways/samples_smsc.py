"""What send.php of SMSC.ru answers with `fmt=3`."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [answer(200, '{"id": {id}, "cnt": 1, "cost": "3.5"}'), answer(200, '{"id": "{id}", "cnt": 2}')],
    "refused": [
        answer(200, '{"error": "parameters error", "error_code": 1}'),
        answer(200, '{"error": "invalid number", "error_code": 7, "id": {id}}'),
        answer(200, '{"error": "message can\'t be delivered", "error_code": 8, "id": {id}}'),
    ],
    "retriable": [
        answer(200, '{"error": "something new", "error_code": 77}'),
        answer(200, '{"error": "no code"}'),
    ],
    "throttled": [
        answer(200, '{"error": "duplicate request, wait a minute", "error_code": 9}'),
        answer(200, '{"error": "too many concurrent requests", "error_code": 9}'),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [
        answer(200, '{"error": "authorise error", "error_code": 2}'),
        answer(200, '{"error": "IP is blocked", "error_code": 4}'),
        answer(200, '{"error": "message is denied", "error_code": 6, "id": {id}}'),
    ],
    "no_credit": [answer(200, '{"error": "no money", "error_code": 3, "id": {id}}')],
    "other_id": [
        answer(200, '{"id": 7, "cnt": 1}'),
        answer(200, '{"error": "invalid number", "error_code": 7, "id": 7}'),
    ],
    "ambiguous": [
        answer(200),
        answer(200, "OK - 1 SMS, ID - 7"),
        answer(200, "{}"),
        answer(200, "[]"),
        answer(500),
    ],
}
