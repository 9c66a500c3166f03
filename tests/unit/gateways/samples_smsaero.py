"""What version 2 of the API of SMS Aero answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Receipt, SentMessage
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import (
    MESSAGE_URL,
    CallbackSamples,
    get,
    post_form,
    post_json,
)
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


# What it reports and forwards


def told(status: int | None = None, word: str | None = None, **fields: Any) -> dict[str, Any]:
    """What is said of a message."""
    known = {"id": 12345, "number": str(PHONE_NUMBER), "status": status, "extendStatus": word, "dateAnswer": 1772366400}
    return {key: value for key, value in {**known, **fields}.items() if value is not None}


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": "12345",
        "recipient": str(PHONE_NUMBER),
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


CALLBACKS = CallbackSamples(
    receipts=[
        (post_json(told(0, "queue"), MESSAGE_URL), [reported(ReceiptState.ACCEPTED, "queue")]),
        (post_json(told(1, "delivery"), MESSAGE_URL), [reported(ReceiptState.DELIVERED, "delivery")]),
        (post_json({"data": told(1)}, MESSAGE_URL), [reported(ReceiptState.DELIVERED, "1")]),
        (
            post_json(told(2, "undelivered"), MESSAGE_URL),
            [reported(ReceiptState.UNDELIVERED, "undelivered", UndeliveredReason.OTHER)],
        ),
        (post_form(told(6), MESSAGE_URL), [reported(ReceiptState.UNDELIVERED, "6", UndeliveredReason.REJECTED)]),
        (get(told(3), MESSAGE_URL), [reported(ReceiptState.ACCEPTED, "3")]),
    ],
    new_status=post_json(told(77, "teleported"), MESSAGE_URL),
    polls=[
        (
            answer(200, {"success": True, "data": told(1, "delivery"), "message": None}),
            [reported(ReceiptState.DELIVERED, "delivery", message_id=None)],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, "12345"),
)
