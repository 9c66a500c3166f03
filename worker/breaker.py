"""How much a worker may ask of the gateway just now. Pure: `now` is passed in, in seconds of a monotonic clock.

Three things in one object, since they read the same answers: the limit of what is on its way at once (worker/limit.py),
a breaker that stops asking a gateway that is down, and the stop for a token that is refused. After a stop, one message
is tried (the probe): its answer closes the breaker, or opens it for longer.
"""

from __future__ import annotations

import enum
from random import Random

from shared.ledger import Outcome
from shared.reports import GatewayHealth
from worker.answers import Answer
from worker.limit import Limit

AHEAD_SECONDS = 0.1
"""How long messages may wait in hand for their turn: longer than a claim takes, so that a sender never waits for the
database, and short enough for a "pause" to be one."""

TROUBLES_IN_A_ROW = 10
"""Answers from which on the gateway, and not the message, is taken to be the trouble."""

PAUSE_BASE = 1.0
PAUSE_CAP = 30.0
"""Seconds between probes: doubling from the base to the cap, with full jitter above half, so that workers spread."""


class State(enum.StrEnum):
    CLOSED = "closed"
    """All is well."""
    OPEN = "open"
    """Nothing is sent before the pause is over."""
    PROBING = "probing"
    """One message is on its way to find out."""


class Breaker:
    """Learns from answers; tells how many messages may be in hand."""

    def __init__(self, concurrency: int, random: Random, *, ahead: int | None = None) -> None:
        """`ahead` messages may wait their turn besides those on their way; by default, what soon gets its turn."""
        self._limit = Limit(concurrency)
        self._ahead = ahead
        self._random = random
        self._good = 0
        self._troubles = 0
        self._pauses = 0
        self._resume_at = 0.0
        self.state = State.CLOSED
        self.unauthorized = False
        """Whether it is our token (or the gateway's address) that is refused."""

    @property
    def limit(self) -> int:
        """How many messages may be on their way at once."""
        return self._limit.value

    @property
    def health(self) -> GatewayHealth:
        """The gateway, as these answers show it."""
        if self.state is not State.CLOSED:
            return GatewayHealth.REFUSED if self.unauthorized else GatewayHealth.OPEN
        return GatewayHealth.SLOWING if self._limit.cautious else GatewayHealth.OK

    def allowed(self) -> int:
        """How many messages may be in hand while all is well: those on their way, and some that wait their turn."""
        return self._limit.value + self._allowed_ahead()

    def room(self, now: float, in_hand: int) -> int:
        """How many more messages may be claimed. Asking after a pause is over makes the next one the probe."""
        if self.state is State.CLOSED:
            return max(0, self.allowed() - in_hand)
        if self.state is State.OPEN and now >= self._resume_at and in_hand == 0:
            return 1
        return 0

    def probe(self) -> None:
        """The one message that `room` allowed for after a pause is on its way."""
        if self.state is State.OPEN:
            self.state = State.PROBING

    def unprobed(self) -> None:
        """The probe came back unattempted: it told nothing."""
        if self.state is State.PROBING:
            self.state = State.OPEN

    def learn(self, answer: Answer, now: float) -> None:
        """Takes in what one request brought."""
        if answer.outcome is Outcome.ACCEPTED and self.state is State.CLOSED:  # nearly all
            self._good += 1
            self._troubles = self._pauses = 0
            return
        if self.state is State.OPEN:
            return  # an answer to what was under way before the pause: the probe will tell
        if answer.outcome is Outcome.UNAUTHORIZED:
            self._open(now, unauthorized=True)
        elif _is_trouble(answer):
            self._troubles += 1
            if answer.outcome is Outcome.THROTTLED:
                self._limit.slower()
            if self.state is State.PROBING or self._troubles >= TROUBLES_IN_A_ROW:
                self._open(now, at_least=answer.retry_after or 0.0)
        else:
            self._good += 1
            self._close()

    def take_stock(self, now: float, *, full: bool) -> None:
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

    def _open(self, now: float, *, unauthorized: bool = False, at_least: float = 0.0) -> None:
        pause = min(PAUSE_CAP, PAUSE_BASE * 2.0**self._pauses)
        pause = self._random.uniform(pause / 2, pause)
        self._pauses = min(self._pauses + 1, 16)
        self._resume_at = now + max(pause, min(at_least, PAUSE_CAP))
        self._troubles = 0
        self.unauthorized = unauthorized
        self.state = State.OPEN

    def _close(self) -> None:
        if self.state is State.PROBING:
            self._limit.restart()
        self.state = State.CLOSED
        self.unauthorized = False
        self._troubles = 0
        self._pauses = 0


def _is_trouble(answer: Answer) -> bool:
    """Whether the answer makes one doubt the gateway: none, a 5xx, "slower". A refusal of one message does not."""
    if answer.outcome is Outcome.AMBIGUOUS:
        return answer.http_status is None or answer.http_status >= 500
    return answer.outcome in (Outcome.UNREACHABLE, Outcome.THROTTLED)
