"""What a claim is asked with, and answers of the gateway that are made up for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from tests.query_plans import taking_parameters
from tests.submit_results import submitted
from worker.claimed_message import AttemptResult, ClaimedMessage

TAKE_ONE_HUNDRED = taking_parameters(100)
"""Parameters of the statements that take messages out of the queue."""

ANSWERS = {
    "accepted": submitted(Result.ACCEPTED, 200),
    "refused": submitted(Result.RETRIABLE, 200, "code 7: blocked"),
    "refused for good": submitted(Result.REFUSED, 400, "code 1: no such phone"),
    "throttled": submitted(Result.THROTTLED, 429, "slower", retry_after=60.0),
    "unreachable": submitted(Result.UNREACHABLE, words="Connection refused"),
    "unauthorized": submitted(Result.MISCONFIGURED, 401, reason=ReasonCode.TOKEN_REJECTED),
    "ambiguous": submitted(Result.AMBIGUOUS, 500, "oops"),
    "lost": submitted(Result.AMBIGUOUS, words="timed out"),
}


def answer(delivery: ClaimedMessage, name: str, **given: Any) -> AttemptResult:
    """The attempt of a delivery that brought this answer, half a second after the claim and within 0.25 s."""
    answered = ANSWERS[name]
    if given:
        answered = replace(answered, **given)
    return AttemptResult(delivery, answered, delivery.claim.at + 0.5, 0.25, delivery.claim.monotonic + 0.5)


def claimed_at(delivery: ClaimedMessage) -> datetime:
    """When a delivery was claimed, as the database has it."""
    return datetime.fromtimestamp(delivery.claim.at, UTC)
