"""What SMS.ru answers with `json=1`."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples


def inner(code: int, phone_number: str = "{phone}") -> str:
    """A request that succeeded, with a code for its recipient."""
    entry = f'{{"status": "ERROR", "status_code": {code}, "status_text": "text"}}'
    return f'{{"status": "OK", "status_code": 100, "sms": {{"{phone_number}": {entry}}}, "balance": 4122.56}}'


def outer(code: int) -> str:
    """A request that failed."""
    return f'{{"status": "ERROR", "status_code": {code}, "status_text": "text"}}'


def accepted(phone_number: str = "{phone}") -> str:
    """A message that was accepted."""
    entry = '{"status": "OK", "status_code": 100, "sms_id": "000000-10000000"}'
    return f'{{"status": "OK", "status_code": 100, "sms": {{"{phone_number}": {entry}}}, "balance": 4122.56}}'


SAMPLES: Samples = {
    "accepted": [answer(200, accepted())],
    "refused": [answer(200, inner(code)) for code in (202, 203, 205, 207, 208, 212, 214)],
    "retriable": [answer(200, outer(220)), answer(200, inner(500)), answer(200, inner(999))],
    "throttled": [
        *(answer(200, inner(code)) for code in (206, 230, 231, 232, 233)),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [*(answer(200, outer(code)) for code in (200, 300, 301, 302)), answer(200, inner(204))],
    "no_credit": [answer(200, outer(201)), answer(200, inner(201))],
    "opted_out": [answer(200, inner(209)), answer(200, inner(215))],
    "ambiguous": [
        answer(200),
        answer(200, "100\n000000-10000000"),
        answer(200, '{"status": "OK", "status_code": 100}'),
        answer(200, '{"status": "OK", "status_code": 100, "sms": {"{phone}": {"status": "OK", "status_code": 100}}}'),
        answer(200, '{"status": "OK", "status_code": 100, "sms": {"{phone}": {"sms_id": "000000-1"}}}'),
        answer(502),
    ],
    "other_id": [answer(200, accepted("79990001133")), answer(200, inner(202, "79990001133"))],
}
