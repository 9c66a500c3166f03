"""How much a worker may ask of the gateway just now. Pure: `now` is passed in, in seconds of a monotonic clock.

Two things in one object, since they read the same answers: the limit of what is on its way at once
(worker/lanes/concurrency_limit.py), and a breaker that stops asking a gateway that is down, refuses the account, or
answers what nobody understands. After a stop, one message is tried (the probe): its answer closes the breaker, or opens
it for longer. While nothing is known of the gateway, at the start and after a long silence, the first message goes
alone, too.
"""

from __future__ import annotations

import enum
import math
from random import Random

from shared.domain.statuses import Outcome
from shared.domain.worker_status import STOPPED_FOR_THE_ACCOUNT, GatewayHealth
from worker.answers import SubmitResult
from worker.lanes.concurrency_limit import AdaptiveConcurrencyLimit

AHEAD_SECONDS = 0.1
"""How long messages may wait in hand for their turn: longer than a claim takes, so that a sender never waits for the
database, and short enough for a "pause" to be one."""

TROUBLES_IN_A_ROW = 10
"""Answers from which on the gateway, and not the message, is taken to be the trouble."""

REFUSALS_IN_A_ROW = 5
"""Messages for which the account was refused, with no acceptance between them, from which on it is the account's. Such
requests cost nothing. With 5 % of numbers refused, five in a row come by chance once in three million messages."""

NOT_UNDERSTOOD_IN_A_ROW = 3
"""Success answers that nobody understands from which on nothing more is sent: each may have been a text to somebody."""

UNKNOWN_AFTER = 60.0
"""Seconds without an answer after which nothing is known of the gateway any more."""

PAUSE_BASE = 1.0
PAUSE_CAP = 30.0
"""Seconds between probes: doubling from the base to the cap, with full jitter above half, so that workers spread."""

NOT_UNDERSTOOD_PAUSE_CAP = 300.0
"""The same while answers are not understood: each probe may be a text, so there are few, some 20 in an hour."""


class State(enum.StrEnum):
    CLOSED = "closed"
    """All is well."""
    OPEN = "open"
    """Nothing is sent before the pause is over."""
    HALF_OPEN = "probing"
    """One message is on its way to find out."""


class Pick(enum.Enum):
    """Which of the due messages to claim."""

    FIRST = enum.auto()
    """Those that have been due longest."""
    LAST = enum.auto()
    """The one that became due last: one that was tried before, if such a one is due."""
    ANY = enum.auto()
    """Any one. Messages that lie side by side may all be refused for the same reason."""


class CircuitBreaker:
    """Learns from answers; tells how many messages may be in hand."""

    def __init__(self, concurrency: int, random: Random, *, ahead: int | None = None) -> None:
        """`ahead` messages may wait their turn besides those on their way; by default, what soon gets its turn."""
        self._limit = AdaptiveConcurrencyLimit(concurrency)
        self._ahead = ahead
        self._random = random
        self._good = 0
        self._troubles = 0
        self._refusals = 0
        self._not_understood = 0
        self._pauses = 0
        self._resume_at = 0.0
        self._answered_at = -math.inf
        """When the gateway last answered, other than by refusing the account or in words that nobody understands."""
        self._first_alone = False
        """Whether one message is tried alone since nothing is known of the gateway."""
        self._cause = GatewayHealth.OK
        """Why it is not closed."""
        self.state = State.CLOSED

    @property
    def limit(self) -> int:
        """How many messages may be on their way at once."""
        return self._limit.value

    @property
    def health(self) -> GatewayHealth:
        """The gateway, as these answers show it."""
        if self._cause is not GatewayHealth.OK:
            return self._cause
        return GatewayHealth.SLOWING if self._limit.cautious else GatewayHealth.OK

    @property
    def unauthorized(self) -> bool:
        """Whether it is our account (or the gateway's address) that is refused."""
        return self._cause in STOPPED_FOR_THE_ACCOUNT

    @property
    def pick(self) -> Pick:
        """Which message to try.

        If the account was refused, any one: no harm is done, and the first ones may be what is refused. Else by turns
        one that was tried before, whose repeat may settle it, and the first one, lest the same one is tried every time.
        """
        if self.state is State.CLOSED:
            return Pick.FIRST
        if self.unauthorized:
            return Pick.ANY
        return Pick.LAST if self._pauses % 2 else Pick.FIRST

    def allowed(self) -> int:
        """How many messages may be in hand while all is well: those on their way, and some that wait their turn."""
        return self._limit.value + self._allowed_ahead()

    def room(self, now: float, in_hand: int) -> int:
        """How many more messages may be claimed. Asking after a pause is over makes the next one the probe."""
        if self.state is State.CLOSED:
            if in_hand == 0:
                self._first_alone = now - self._answered_at > UNKNOWN_AFTER
            if self._first_alone:
                return 0 if in_hand else 1
            return max(0, self.allowed() - in_hand)
        if self.state is State.OPEN and now >= self._resume_at and in_hand == 0:
            return 1
        return 0

    def probe(self) -> None:
        """The one message that `room` allowed for after a pause is on its way."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def cancel_probe(self) -> None:
        """The probe came back unattempted: it told nothing."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def learn(self, answer: SubmitResult, now: float) -> None:
        """Takes in what one request brought, in its context (worker/lanes/account_refusals.py)."""
        if answer.outcome is Outcome.ACCEPTED and self.state is State.CLOSED:  # nearly all
            self._good += 1
            self._answered_at = now
            self._first_alone = False
            self._troubles = self._refusals = self._not_understood = self._pauses = 0
            return
        if self.state is State.OPEN:
            return  # an answer to what was under way before the pause: the probe will tell
        alone = self.state is State.HALF_OPEN or self._first_alone
        self._first_alone = False
        if answer.outcome is Outcome.UNAUTHORIZED:
            self._refusals += 1
            if alone or self._refusals >= REFUSALS_IN_A_ROW:
                self._open(now, GatewayHealth.NO_CREDIT if answer.http_status == 402 else GatewayHealth.REFUSED)
        elif answer.not_understood:
            self._not_understood += 1
            if alone or self._not_understood >= NOT_UNDERSTOOD_IN_A_ROW:
                self._open(now, GatewayHealth.NOT_UNDERSTOOD)
        elif _is_trouble(answer):
            self._troubles += 1
            self._answered_at = now  # if it was sent alone: such an answer is no reason to go on so
            if answer.outcome is Outcome.THROTTLED:
                self._limit.on_throttled()
            if self.state is State.HALF_OPEN or self._troubles >= TROUBLES_IN_A_ROW:
                self._open(now, GatewayHealth.OPEN, at_least=answer.retry_after or 0.0)
        else:
            self._good += 1
            if answer.outcome is Outcome.ACCEPTED:
                self._refusals = 0
            self._close(now)

    def end_batch(self, now: float, *, full: bool) -> None:
        """After what came in at once has been learned; `full` says that as many were on their way as may be."""
        self._limit.learn(self._good, now, full=full)
        self._good = 0

    def seconds_until_probe(self, now: float) -> float:
        """How long the pause still lasts; 0 when there is none."""
        return max(0.0, self._resume_at - now) if self.state is State.OPEN else 0.0

    def _allowed_ahead(self) -> int:
        if self._ahead is not None:
            return self._ahead
        if self._limit.cautious:
            return 0  # to a gateway that has asked for less, what waits here is what waits too long
        if not self._limit.rate:
            return self._limit.value  # nothing is known yet: as many again
        return int(self._limit.rate * AHEAD_SECONDS)

    def _open(self, now: float, cause: GatewayHealth, *, at_least: float = 0.0) -> None:
        cap = NOT_UNDERSTOOD_PAUSE_CAP if cause is GatewayHealth.NOT_UNDERSTOOD else PAUSE_CAP
        pause = min(cap, PAUSE_BASE * 2.0 ** min(self._pauses, 16))
        pause = self._random.uniform(pause / 2, pause)
        self._pauses += 1
        self._resume_at = now + max(pause, min(at_least, PAUSE_CAP))
        self._troubles = 0
        self._cause = cause
        self.state = State.OPEN

    def _close(self, now: float) -> None:
        if self.state is State.HALF_OPEN and self._cause in (GatewayHealth.OPEN, GatewayHealth.NOT_UNDERSTOOD):
            self._limit.restart()
        self.state = State.CLOSED
        self._cause = GatewayHealth.OK
        self._answered_at = now
        self._troubles = self._not_understood = 0
        self._pauses = 0


def _is_trouble(answer: SubmitResult) -> bool:
    """Whether the answer makes one doubt that the gateway is up: none, a 5xx, "slower". A refusal does not."""
    if answer.outcome is Outcome.AMBIGUOUS:
        return answer.http_status is None or answer.http_status >= 500
    return answer.outcome in (Outcome.UNREACHABLE, Outcome.THROTTLED)
