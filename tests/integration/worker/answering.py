"""What a claim is asked with, and answers of the gateway that are made up for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.statuses import Outcome
from worker.answers import Answer
from worker.claim_cursor import Reach
from worker.delivery import Attempted, Delivery

CLAIM_ONE_HUNDRED = {
    "limit": 100,
    "lease": 30.0,
    "worker": "somebody",
    "wait": False,
    **Reach(30.0).places(),
}
"""Parameters of CLAIM."""

ANSWERS = {
    "accepted": Answer(Outcome.ACCEPTED, 200),
    "refused": Answer(Outcome.REFUSED, 200, "code 7: blocked"),
    "refused for good": Answer(Outcome.REFUSED, 400, "code 1: no such phone", final=True),
    "throttled": Answer(Outcome.THROTTLED, 429, "slower", retry_after=60.0),
    "unreachable": Answer(Outcome.UNREACHABLE, detail="Connection refused"),
    "unauthorized": Answer(Outcome.UNAUTHORIZED, 401, "the gateway does not accept the token"),
    "ambiguous": Answer(Outcome.AMBIGUOUS, 500, "oops"),
    "lost": Answer(Outcome.AMBIGUOUS, detail="timed out"),
}


def answer(delivery: Delivery, name: str, **given: Any) -> Attempted:
    """The attempt of a delivery that brought this answer, half a second after the claim and within 0.25 s."""
    answered = ANSWERS[name]
    if given:
        answered = Answer(**{**{field: getattr(answered, field) for field in Answer.__slots__}, **given})
    return Attempted(delivery, answered, delivery.claim.at + 0.5, 0.25)


def claimed_at(delivery: Delivery) -> datetime:
    """When a delivery was claimed, as the database has it."""
    return datetime.fromtimestamp(delivery.claim.at, UTC)
