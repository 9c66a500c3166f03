"""What a smsbox of Kannel 1.4.5 answers."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import account_with, answer
from tests.unit.gateways.conformance import Samples

ACCOUNT = account_with("kannel", username="gonets", password="s3cret", max_messages="10")
"""By default, Kannel cuts a text to one segment."""

SAMPLES: Samples = {
    "accepted": [answer(202, "0: Accepted for delivery"), answer(202, "3: Queued for later delivery")],
    "refused": [
        answer(403, "Not routable. Do not try again."),
        answer(400, "Number(s) has/have been denied by white- and/or black-lists."),
        answer(400, "Empty receiver number not allowed, rejected"),
        answer(400, "Coding field misformed, rejected"),
    ],
    "retriable": [answer(503, "Temporal failure, try again later.")],
    "throttled": [
        answer(429),
        answer(429, Retry_After="30"),
        answer(503, Retry_After="30", body="Busy"),
    ],
    "misconfigured": [
        answer(403, "Authorization failed for sendsms"),
        answer(400, "Sender missing and no global set, rejected"),
        answer(404, "Unknown request."),
    ],
    "ambiguous": [
        answer(202),
        answer(202, "<html>"),
        answer(200, "0: Accepted for delivery"),
        answer(500),
        answer(503),
    ],
}
