"""What the server of SMS Gateway for Android answers."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples


def state(phone_number: str = "{phone}", name: str = "Pending", message_id: str = "{id}") -> str:
    """The state of a message."""
    recipients = f'[{{"phoneNumber": "+{phone_number}", "state": "{name}"}}]'
    return f'{{"id": "{message_id}", "state": "{name}", "isHashed": false, "recipients": {recipients}}}'


SAMPLES: Samples = {
    "accepted": [answer(202, state())],
    "refused": [answer(400, '{"message": "invalid phone number"}')],
    "retriable": [answer(408)],
    "throttled": [
        answer(503, '{"message": "queue limits exceeded"}'),
        answer(429, Retry_After="30", body='{"message": "Too Many Requests"}'),
    ],
    "misconfigured": [
        answer(401, '{"message": "Unauthorized"}'),
        answer(403, '{"message": "Forbidden"}'),
        answer(400, '{"message": "failed to select device: record not found"}'),
    ],
    "duplicate": [answer(409, '{"message": "duplicate id"}')],
    "ambiguous": [
        answer(202),
        answer(202, "{}"),
        answer(200, state()),
        answer(500, '{"message": "failed to enqueue"}'),
        answer(503),
    ],
    "other_id": [answer(202, state("79990001133")), answer(202, state(message_id="7"))],
}
