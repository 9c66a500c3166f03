"""How many messages a worker may submit to a gateway. Pure: `now` is passed in, in seconds of a monotonic clock.

It combines two mechanisms that use the same results: the limit of requests in flight
(worker/lanes/concurrency_limit.py), and a circuit breaker that stops submitting to a gateway that is down, refuses the
account, or returns responses that are not understood. While the circuit is open, one message at a time is sent (the
probe): its result closes the circuit, or keeps it open for longer. While the state of the gateway is unknown, at the
start and after a long time without a response, the first message is sent alone too.
"""

from __future__ import annotations

import enum
import math
from random import Random

from shared.domain.results import OF_THE_ACCOUNT, TAKEN, Result
from shared.domain.worker_status import STOPPED_FOR_THE_ACCOUNT, GatewayHealth
from shared.gateways.base import SubmitResult
from worker.lanes.concurrency_limit import AdaptiveConcurrencyLimit

PREFETCH_SECONDS = 0.1
"""How long claimed messages may wait to be submitted: longer than a claim takes, so that a sender never waits for the
database, and short, so that a pause of the mailing takes effect soon."""

FAILURE_THRESHOLD = 10
"""Consecutive failures after which the gateway, and not the messages, is considered the cause."""

ACCOUNT_REFUSAL_THRESHOLD = 5
"""Consecutive refusals of the account, without an acceptance in between, after which the account is considered refused.
Such requests cost nothing. With 5 % of numbers refused, five in a row occur by chance once in three million
messages."""

NOT_UNDERSTOOD_THRESHOLD = 3
"""Consecutive results that are not understood after which nothing more is sent: each may have been accepted."""

UNKNOWN_AFTER = 60.0
"""Seconds without a response after which the state of the gateway is unknown."""

PAUSE_BASE = 1.0
PAUSE_CAP = 30.0
"""Seconds between probes: doubling from the base to the cap, with full jitter above half, so that workers spread."""

NOT_UNDERSTOOD_PAUSE_CAP = 300.0
"""The same while responses are not understood: each probe may be delivered, so there are only some 20 an hour."""


FAILURES = frozenset({Result.AMBIGUOUS, Result.UNREACHABLE, Result.THROTTLED})
"""Results that may mean that the gateway is down, if they are understood. A refusal does not."""


class State(enum.StrEnum):
    CLOSED = "closed"
    """Messages are sent."""
    OPEN = "open"
    """Nothing is sent until the pause ends."""
    HALF_OPEN = "half_open"
    """One message is in flight as a probe."""


class Pick(enum.Enum):
    """Which of the due messages to claim."""

    FIRST = enum.auto()
    """Those that have been due longest."""
    LAST = enum.auto()
    """The one that became due last: a retry, if one is due."""
    ANY = enum.auto()
    """A random one. Adjacent messages may all be refused for the same reason."""


class CircuitBreaker:
    """Records results, and determines how many messages may be in flight."""

    def __init__(self, concurrency: int, random: Random, *, prefetch: int | None = None) -> None:
        """`prefetch` messages may be claimed in addition to those at the gateway.

        By default, as many as are submitted in PREFETCH_SECONDS.
        """
        self._limit = AdaptiveConcurrencyLimit(concurrency)
        self._prefetch = prefetch
        self._random = random
        self._good = 0
        self._failures = 0
        self._account_refusals = 0
        self._not_understood = 0
        self._pauses = 0
        self._resume_at = 0.0
        self._answered_at = -math.inf
        """When the gateway last returned a response that was understood and did not refuse the account."""
        self._first_alone = False
        """Whether one message is sent alone because the state of the gateway is unknown."""
        self._cause = GatewayHealth.OK
        """Why the circuit is not closed."""
        self.state = State.CLOSED

    @property
    def limit(self) -> int:
        """Requests that may be in flight at the gateway at once."""
        return self._limit.value

    @property
    def is_starting(self) -> bool:
        """Whether that number is still being raised by the first steps. Not where messages wait for slots of a rate
        limit: then those in flight may be about as many as the limit for long, and no step is ever decided.
        """
        return self._prefetch is None and self._limit.is_starting

    @property
    def health(self) -> GatewayHealth:
        """The state of the gateway according to the results."""
        if self._cause is not GatewayHealth.OK:
            return self._cause
        return GatewayHealth.SLOWING if self._limit.cautious else GatewayHealth.OK

    @property
    def account_refused(self) -> bool:
        """Whether the circuit is open because our account or its address is refused."""
        return self._cause in STOPPED_FOR_THE_ACCOUNT

    @property
    def pick(self) -> Pick:
        """Which message to claim.

        If the account is refused, a random one: nothing is delivered, and the first ones may be the ones refused. Else
        alternately a retry, which may resolve its doubt, and the first one, so that it is not always the same message.
        """
        if self.state is State.CLOSED:
            return Pick.FIRST
        if self.account_refused:
            return Pick.ANY
        return Pick.LAST if self._pauses % 2 else Pick.FIRST

    def allowed(self) -> int:
        """Messages that may be in flight while the circuit is closed: at the gateway, and waiting to be submitted."""
        return self._limit.value + self._prefetch_limit()

    def capacity(self, now: float, in_flight: int) -> int:
        """How many more messages may be claimed; after a pause one, the probe."""
        if self.state is State.CLOSED:
            if in_flight == 0:
                self._first_alone = now - self._answered_at > UNKNOWN_AFTER
            if self._first_alone:
                return 0 if in_flight else 1
            return max(0, self.allowed() - in_flight)
        if self.state is State.OPEN and now >= self._resume_at and in_flight == 0:
            return 1
        return 0

    def start_probe(self) -> None:
        """To be called when the message that `capacity` allowed after a pause has been claimed."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def cancel_probe(self) -> None:
        """To be called when the probe was released without an attempt."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def record(self, submitted: SubmitResult, now: float) -> None:
        """Records the result of one submission, after worker/lanes/account_refusals.py put it in context."""
        result = submitted.result
        if result in TAKEN and self.state is State.CLOSED:  # nearly all
            self._good += 1
            self._answered_at = now
            self._first_alone = False
            self._failures = self._account_refusals = self._not_understood = 0
            return
        if self.state is State.OPEN:
            return  # a request from before the pause: only the probe decides
        alone = self.state is State.HALF_OPEN or self._first_alone
        self._first_alone = False
        if result in OF_THE_ACCOUNT:
            self._account_refusals += 1
            if alone or self._account_refusals >= ACCOUNT_REFUSAL_THRESHOLD:
                self._open(now, GatewayHealth.NO_CREDIT if result is Result.NO_CREDIT else GatewayHealth.MISCONFIGURED)
        elif submitted.not_understood:
            self._not_understood += 1
            if alone or self._not_understood >= NOT_UNDERSTOOD_THRESHOLD:
                self._open(now, GatewayHealth.NOT_UNDERSTOOD)
        elif result in FAILURES:
            self._failures += 1
            self._answered_at = now  # the state is known: if it was sent alone, the next ones need not be
            if result is Result.THROTTLED:
                self._limit.on_throttled()
            if self.state is State.HALF_OPEN or self._failures >= FAILURE_THRESHOLD:
                self._open(now, GatewayHealth.CIRCUIT_OPEN, at_least=submitted.retry_after or 0.0)
        else:
            self._good += 1
            if result in TAKEN:
                self._account_refusals = 0
            self._close(now)

    def end_batch(self, now: float, *, full: bool) -> None:
        """To be called after the results of one batch; `full` means that the limit of requests was reached."""
        self._limit.record(self._good, now, full=full)
        self._good = 0

    def seconds_until_probe(self, now: float) -> float:
        """Seconds until the pause ends; 0 without a pause."""
        return max(0.0, self._resume_at - now) if self.state is State.OPEN else 0.0

    def _prefetch_limit(self) -> int:
        if self._prefetch is not None:
            return self._prefetch
        if self._limit.cautious:
            return 0  # the gateway has throttled: claimed messages would wait too long
        if not (rate := self._limit.rate):
            return self._limit.value  # the rate is not known yet: as many again
        # A step up may bring nothing, or not what it promises for long: for that alone no more than as many again.
        expected = min(self._limit.expected_rate * PREFETCH_SECONDS, self._limit.value)
        return int(max(rate * PREFETCH_SECONDS, expected))

    def _open(self, now: float, cause: GatewayHealth, *, at_least: float = 0.0) -> None:
        cap = NOT_UNDERSTOOD_PAUSE_CAP if cause is GatewayHealth.NOT_UNDERSTOOD else PAUSE_CAP
        pause = min(cap, PAUSE_BASE * 2.0 ** min(self._pauses, 16))
        pause = self._random.uniform(pause / 2, pause)
        self._pauses += 1
        self._resume_at = now + max(pause, min(at_least, PAUSE_CAP))
        self._cause = cause
        self.state = State.OPEN

    def _close(self, now: float) -> None:
        if self.state is State.HALF_OPEN and self._cause in (GatewayHealth.CIRCUIT_OPEN, GatewayHealth.NOT_UNDERSTOOD):
            self._limit.restart()
        self.state = State.CLOSED
        self._cause = GatewayHealth.OK
        self._answered_at = now
        self._failures = self._not_understood = 0
        self._pauses = 0
