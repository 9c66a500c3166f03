"""Answers of Vonage's SMS API, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from typing import Any

from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples


def taken(number: int = 1, to: str = "{phone}") -> dict[str, Any]:
    """The entry of a segment that was accepted."""
    return {
        "to": to,
        "message-id": f"0C000000217B7F0{number}",
        "status": "0",
        "remaining-balance": "15.53590000",
        "message-price": "0.03330000",
        "network": "23410",
        "client-ref": "{id}",
    }


def refused(status: str, words: str = "What it says") -> dict[str, Any]:
    """The entry of a segment that was refused."""
    return {"to": "{phone}", "status": status, "error-text": words}


def entries(*messages: Any) -> Answer:
    """An answer with these entries."""
    return answer(200, {"message-count": str(len(messages)), "messages": list(messages)})


SAMPLES: Samples = {
    "accepted": [entries(taken()), entries(taken(1), taken(2), taken(3))],
    "refused": [entries(refused("6")), entries(refused("3"), refused("3")), answer(400)],
    "retriable": [entries(refused("5")), entries(refused("777"))],
    "throttled": [
        entries(refused("1", "Throughput Rate Exceeded - please wait [ 250 ] and retry")),
        entries(refused("1", "Throttled")),
        answer(429, Retry_After="3"),
    ],
    "misconfigured": [entries(refused("4")), entries(refused("15")), entries(refused("8")), answer(401)],
    "no_credit": [entries(refused("9"))],
    "opted_out": [entries(refused("7"))],
    "ambiguous": [
        answer(500),
        answer(200),
        answer(200, "<html>Welcome</html>"),
        entries(),
        entries("0"),
        entries({"status": "0"}),
        entries({"status": None, "message-id": "1"}),
        # A part of the text was taken.
        entries(taken(1), refused("1")),
        entries(taken(1), refused("9"), taken(3)),
    ],
    "other_id": [entries(taken(to="447700900000")), entries(taken(), taken(2, to="447700900000"))],
}
