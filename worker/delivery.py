"""A delivery: one claimed message on its way, and what is decided about it when its answer is in.

Everything here is pure: no clock, no session, no chance but what is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from shared.domain.reasons import Reason
from shared.domain.results import FINAL, TAKEN, UNCOUNTED, Result
from shared.domain.statuses import MessageStatus, OnUnknown
from shared.domain.transitions import end_unless_in_doubt
from shared.gateways.base import DEFAULT_GATEWAY, SubmitResult
from worker.lanes.send_permits import ALWAYS, Permit


@dataclass(frozen=True, slots=True)
class Claim:
    """The moment of a claim, on two clocks: one for all that was claimed at once.

    The database's is the one that the ledger knows; the monotonic one is this process's, and was read before the
    claim was asked for, so that what is reckoned from it is never too late.
    """

    at: float
    """Seconds since 1970 (UTC) by the database's clock."""
    monotonic: float

    def database_time(self, monotonic: float) -> float:
        """What the database's clock showed when this process's monotonic clock showed `monotonic`."""
        return self.at + (monotonic - self.monotonic)


# Nobody changes a ClaimedMessage or an AttemptResult. They are not frozen because there is one of each for every
# message, and frozen ones take five times as long to make.
@dataclass(slots=True, eq=False)
class ClaimedMessage:
    """A message under a lease. `(message_id, number)` names the claim."""

    message_id: int
    number: int
    """The attempt's number, counted at claim."""
    mailing_id: int
    client_id: int
    phone_number: int
    text: str
    spared: int
    """Earlier attempts that do not count towards the limit."""
    in_doubt: bool
    """An earlier attempt may have landed."""
    on_unknown: OnUnknown
    worker: str
    """Who holds the lease."""
    claim: Claim
    start_from: float
    """Monotonic time before which its request must not start: its slot of the fleet's pace."""
    start_by: float
    """Monotonic time after which its request must not leave: the window's end, or too little left of the lease."""
    begin_by: float = math.inf
    """Monotonic time after which it must not begin, which may be with a connection: the slot's end."""
    permit: Permit = ALWAYS
    """The mailing's: whether it still runs."""
    gateway: str = DEFAULT_GATEWAY
    """The name of the gateway that it was claimed for."""

    def may_leave(self, now: float) -> bool:
        """Whether its request may leave at that monotonic time."""
        return now < self.start_by and now < self.permit.until

    def named(self) -> dict[str, int]:
        """What the log calls it."""
        return {
            "mailing_id": self.mailing_id,
            "message_id": self.message_id,
            "client_id": self.client_id,
            "attempt": self.number,
        }


@dataclass(slots=True)
class AttemptResult:
    """A delivery whose request has ended, one way or another."""

    delivery: ClaimedMessage
    answer: SubmitResult
    started_at: float
    """Seconds since 1970 (UTC) by the database's clock: not before the request's start, and later by as long as the
    claim took to be granted."""
    duration: float | None
    """Seconds from the request's start to its answer; none when nobody lived to see one."""
    started: float | None = None
    """The request's start by the monotonic clock of whoever made it."""


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
    spared: bool = False
    """This attempt does not count towards the limit."""


MOST_REFUSAL_DELAYS = 4
"""How often the delay is doubled, at most, after the account was refused: a probe's pause is no longer than that."""

NOT_UNDERSTOOD_PATIENCE = 3
"""After a success that is not understood the delay is doubled so many times as often as after a refusal."""

SENT = Transition(MessageStatus.SENT)
SENT_IN_DOUBT = Transition(MessageStatus.SENT, in_doubt=True)


def decide(delivery: ClaimedMessage, answer: SubmitResult, retries: Retries, random: Random) -> Transition:
    """The table "What an answer means" of the design, for the message's side of it."""
    if answer.result in TAKEN:
        return SENT_IN_DOUBT if delivery.in_doubt else SENT
    spared = answer.result in UNCOUNTED
    ambiguous = answer.result is Result.AMBIGUOUS
    in_doubt = delivery.in_doubt or ambiguous
    counted = delivery.number - delivery.spared - spared
    held = ambiguous and delivery.on_unknown is OnUnknown.HOLD
    if answer.result in FINAL or held or (counted >= retries.max_attempts and not spared):
        end = end_unless_in_doubt(MessageStatus.FAILED, in_doubt=in_doubt)
        return Transition(end, answer.reason, in_doubt=in_doubt, spared=spared)
    return Transition(
        MessageStatus.PENDING,
        answer.reason,
        _delay(delivery, answer, retries, random),
        in_doubt=in_doubt,
        spared=spared,
    )


def _delay(delivery: ClaimedMessage, answer: SubmitResult, retries: Retries, random: Random) -> float:
    match answer.result:
        case Result.MISCONFIGURED | Result.NO_CREDIT:
            # Short, since nothing may be wrong with the message; and long enough for other messages to be tried first,
            # whose answers tell whether it is this one that is refused.
            return retries.delay(min(delivery.spared + 1, MOST_REFUSAL_DELAYS), random)
        case Result.UNREACHABLE:
            # The breaker waits for the gateway to come back; the message need not wait longer than that.
            return retries.delay(1, random)
        case Result.THROTTLED if answer.retry_after is not None:
            # Not before the gateway said, and not all at that very moment.
            return answer.retry_after + retries.delay(1, random)
        case Result.THROTTLED:
            # What the gateway's troubles have cost so far says how patient to be with it.
            return retries.delay(delivery.spared + 1, random)
        case Result.AMBIGUOUS if answer.not_understood:
            # Most likely it was taken, and the repeat is a second text to the same person.
            return retries.delay(NOT_UNDERSTOOD_PATIENCE * (delivery.number - delivery.spared), random)
        case _:
            # They say nothing about how patient to be with the message.
            return retries.delay(delivery.number - delivery.spared, random)
