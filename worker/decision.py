"""What becomes of a message after an attempt: which state, when it is due again, and whether the attempt counts.

Pure: no clock, no session, no chance but what is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from shared.domain.reasons import Reason
from shared.domain.results import FINAL, TAKEN, UNCOUNTED, Result
from shared.domain.statuses import MessageStatus, OnUnknown
from shared.domain.transitions import end_unless_in_doubt
from shared.gateways.base import SubmitResult
from worker.claimed_message import ClaimedMessage


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon. Durations are in seconds."""

    max_attempts: int
    base: float
    cap: float

    def delay(self, number: int, random: Random) -> float:
        """Before the attempt that follows attempt `number`: exponential, with full jitter.

        Full jitter spreads a herd best (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
        """
        ceiling = min(self.cap, self.base * 2.0 ** min(number - 1, 60))
        return random.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of the message now."""

    status: MessageStatus
    reason: Reason | None = None
    delay: float = 0.0
    """Seconds until it is due again, when it goes back to pending."""
    in_doubt: bool = False
    uncounted: bool = False
    """This attempt does not count towards the limit."""


MAX_REFUSAL_DOUBLINGS = 4
"""How often the delay is doubled, at most, after the account was refused: a probe's pause is no longer than that."""

NOT_UNDERSTOOD_FACTOR = 3
"""After a success that is not understood the delay is doubled so many times as often as after a refusal."""

SENT = Transition(MessageStatus.SENT)
SENT_IN_DOUBT = Transition(MessageStatus.SENT, in_doubt=True)


def decide(message: ClaimedMessage, submitted: SubmitResult, retries: Retries, random: Random) -> Transition:
    """The table "What an answer means" of the design, for the message's side of it."""
    if submitted.result in TAKEN:
        return SENT_IN_DOUBT if message.in_doubt else SENT
    uncounted = submitted.result in UNCOUNTED
    ambiguous = submitted.result is Result.AMBIGUOUS
    in_doubt = message.in_doubt or ambiguous
    counted = message.number - message.uncounted - uncounted
    held = ambiguous and message.on_unknown is OnUnknown.HOLD
    if submitted.result in FINAL or held or (counted >= retries.max_attempts and not uncounted):
        end = end_unless_in_doubt(MessageStatus.FAILED, in_doubt=in_doubt)
        return Transition(end, submitted.reason, in_doubt=in_doubt, uncounted=uncounted)
    return Transition(
        MessageStatus.PENDING,
        submitted.reason,
        _delay(message, submitted, retries, random),
        in_doubt=in_doubt,
        uncounted=uncounted,
    )


def _delay(message: ClaimedMessage, submitted: SubmitResult, retries: Retries, random: Random) -> float:
    match submitted.result:
        case Result.MISCONFIGURED | Result.NO_CREDIT:
            # Short, since nothing may be wrong with the message; and long enough for other messages to be tried first,
            # whose answers tell whether it is this one that is refused.
            return retries.delay(min(message.uncounted + 1, MAX_REFUSAL_DOUBLINGS), random)
        case Result.UNREACHABLE:
            # The breaker waits for the gateway to come back; the message need not wait longer than that.
            return retries.delay(1, random)
        case Result.THROTTLED if submitted.retry_after is not None:
            # Not before the gateway said, and not all at that very moment.
            return submitted.retry_after + retries.delay(1, random)
        case Result.THROTTLED:
            # What the gateway's troubles have cost so far says how patient to be with it.
            return retries.delay(message.uncounted + 1, random)
        case Result.AMBIGUOUS if submitted.not_understood:
            # Most likely it was taken, and the repeat is a second text to the same person.
            return retries.delay(NOT_UNDERSTOOD_FACTOR * (message.number - message.uncounted), random)
        case _:
            # They say nothing about how patient to be with the message.
            return retries.delay(message.number - message.uncounted, random)
