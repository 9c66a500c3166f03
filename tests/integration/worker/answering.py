"""What a claim is asked with, and answers of the gateway that are made up for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.statuses import Outcome
from worker.answers import SubmitResult
from worker.claim_cursor import ClaimCursor
from worker.delivery import AttemptResult, ClaimedMessage

CLAIM_ONE_HUNDRED = {
    "limit": 100,
    "lease": 30.0,
    "worker": "somebody",
    "wait": False,
    **ClaimCursor(30.0).places(),
}
"""Parameters of CLAIM."""

ANSWERS = {
    "accepted": SubmitResult(Outcome.ACCEPTED, 200),
    "refused": SubmitResult(Outcome.REFUSED, 200, "code 7: blocked"),
    "refused for good": SubmitResult(Outcome.REFUSED, 400, "code 1: no such phone", final=True),
    "throttled": SubmitResult(Outcome.THROTTLED, 429, "slower", retry_after=60.0),
    "unreachable": SubmitResult(Outcome.UNREACHABLE, detail="Connection refused"),
    "unauthorized": SubmitResult(Outcome.UNAUTHORIZED, 401, "the gateway does not accept the token"),
    "ambiguous": SubmitResult(Outcome.AMBIGUOUS, 500, "oops"),
    "lost": SubmitResult(Outcome.AMBIGUOUS, detail="timed out"),
}


def answer(delivery: ClaimedMessage, name: str, **given: Any) -> AttemptResult:
    """The attempt of a delivery that brought this answer, half a second after the claim and within 0.25 s."""
    answered = ANSWERS[name]
    if given:
        answered = SubmitResult(**{**{field: getattr(answered, field) for field in SubmitResult.__slots__}, **given})
    return AttemptResult(delivery, answered, delivery.claim.at + 0.5, 0.25)


def claimed_at(delivery: ClaimedMessage) -> datetime:
    """When a delivery was claimed, as the database has it."""
    return datetime.fromtimestamp(delivery.claim.at, UTC)
