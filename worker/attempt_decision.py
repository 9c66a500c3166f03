"""The transition of a message after an attempt: its status, when it is due again, and whether the attempt counts.

Pure: no clock, no session; the source of randomness is passed in.
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
    """The limit of attempts, and the backoff. Durations are in seconds."""

    max_attempts: int
    base: float
    cap: float

    def delay(self, number: int, random: Random) -> float:
        """Seconds before the attempt that follows attempt `number`: exponential backoff with full jitter.

        Full jitter spreads retries best (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
        """
        ceiling = min(self.cap, self.base * 2.0 ** min(number - 1, 60))
        return random.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class Transition:
    """The new state of the message."""

    status: MessageStatus
    reason: Reason | None = None
    delay: float = 0.0
    """Seconds until it is due again, when it goes back to pending."""
    in_doubt: bool = False
    uncounted: bool = False
    """This attempt does not count towards the limit."""


MAX_REFUSAL_DOUBLINGS = 4
"""How often the delay is doubled at most after the account was refused: probes do not pause longer than that."""

NOT_UNDERSTOOD_FACTOR = 3
"""Factor of the number of doublings after a result that is not understood, compared with a refusal."""

SENT = Transition(MessageStatus.SENT)
SENT_IN_DOUBT = Transition(MessageStatus.SENT, in_doubt=True)


def decide(message: ClaimedMessage, submitted: SubmitResult, retries: Retries, random: Random) -> Transition:
    """The effect of a result on its message, as docs/state-machine.md lists it."""
    if submitted.result in TAKEN:
        return SENT_IN_DOUBT if message.in_doubt else SENT
    uncounted = submitted.result in UNCOUNTED
    ambiguous = submitted.result is Result.AMBIGUOUS
    in_doubt = message.in_doubt or ambiguous
    counted = message.number - message.uncounted - uncounted
    # A message that can be looked up waits for that, however many attempts there have been.
    looked_up = ambiguous and message.gateway.look_up_after is not None
    held = ambiguous and message.on_unknown is OnUnknown.HOLD and not message.gateway.deduplicates
    spent = counted >= retries.max_attempts and not uncounted
    if submitted.result in FINAL or ((held or spent) and not looked_up):
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
    delay = _backoff(message, submitted, retries, random)
    if submitted.result is Result.AMBIGUOUS and message.gateway.look_up_after is not None:
        return max(delay, message.gateway.look_up_after)
    return delay


def _backoff(message: ClaimedMessage, submitted: SubmitResult, retries: Retries, random: Random) -> float:
    match submitted.result:
        case Result.MISCONFIGURED | Result.NO_CREDIT:
            # Short, since the message may be in order; long enough for other messages to be tried first, whose results
            # show whether only this one is refused.
            return retries.delay(min(message.uncounted + 1, MAX_REFUSAL_DOUBLINGS), random)
        case Result.UNREACHABLE:
            # The circuit breaker waits for the gateway; the message need not wait longer than that.
            return retries.delay(1, random)
        case Result.THROTTLED if submitted.retry_after is not None:
            # Not before the time that the gateway gave, and with jitter, so that retries do not come all at once.
            return submitted.retry_after + retries.delay(1, random)
        case Result.THROTTLED:
            # Backoff by the number of attempts that the gateway, and not the message, made fail.
            return retries.delay(message.uncounted + 1, random)
        case Result.AMBIGUOUS if submitted.not_understood:
            # Most likely it was accepted, and the repeat is a second text to the same person.
            return retries.delay(NOT_UNDERSTOOD_FACTOR * (message.number - message.uncounted), random)
        case _:
            # Attempts that do not count do not affect the backoff of the message.
            return retries.delay(message.number - message.uncounted, random)
