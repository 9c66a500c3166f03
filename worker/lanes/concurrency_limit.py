"""An adaptive limit of the requests in flight, up to the configured concurrency.

Pure: `now` is passed in, in seconds of a monotonic clock. The limit is raised by steps, and a step is kept if responses
come faster with it. So it adapts to the capacity of the gateway, whether its latency is a millisecond or a second,
without measuring the latency. When the gateway throttles, the limit is halved, and then raised gradually (additive
increase, multiplicative decrease: D. Chiu and R. Jain, 1989).
"""

from __future__ import annotations

INITIAL_LIMIT = 64
"""The limit at the start, unless the configured concurrency is lower."""

RECOVERED_LIMIT = 16
"""The limit up to which it is raised gradually after an outage."""

GROWTH = 2.0
"""The factor of a step up."""

FIRST_GROWTH = 16.0
"""The same, at most, until a step was not kept or the gateway has throttled or failed: most gateways carry much more
than the initial limit, and the first second is most of a small mailing."""

WORST_SECONDS = 4.0
"""Seconds that a request may take after such a step if all have to wait for each other, as long as this permits more
than GROWTH. Well within GATEWAY_TIMEOUT."""

MIN_GAIN = 0.25
"""The part of the increase by which responses must come faster for a step to be kept."""

ROUND_SECONDS = 0.1
"""A round, which decides about a step, has as many responses as the limit, and takes at least so long."""

FAST_ROUND_SECONDS = 0.02
"""The minimum for a round in which responses already come faster: that is decisive earlier."""

HOLD_SECONDS = 10.0
"""Seconds until the next step up after one that was not kept."""

SILENCE_SECONDS = 10.0
"""Seconds without any response after which their rate is unknown."""


class AdaptiveConcurrencyLimit:
    """The limit of one worker at one gateway, adjusted by responses."""

    def __init__(self, maximum: int) -> None:
        self._max = float(maximum)
        self._growth = FIRST_GROWTH
        self._limit = min(float(INITIAL_LIMIT), self._max)
        self._before: tuple[float, float] | None = None
        """The limit before the last step up, and its responses a second."""
        self._hold_until = 0.0
        self._restored_at = 0.0
        """The limit at which the recovery after throttling ends."""
        self._stale_responses = 0
        """Responses still expected to requests that were in flight when the gateway last throttled."""
        self._is_full = False
        self._begun: float | None = None
        self._responses = 0
        self._slice_begun: float | None = None
        self._slice = 0
        self._last_response_at = 0.0
        self.rate = 0.0
        """Recent responses a second; 0 if unknown."""

    @property
    def value(self) -> int:
        """The limit."""
        return int(self._limit)

    @property
    def expected_rate(self) -> float:
        """Responses a second: recent ones, or what a step up that is not decided yet would bring; 0 if unknown."""
        if not self.rate or self._before is None:
            return self.rate
        limit, brought = self._before
        return max(self.rate, brought * self._limit / limit)

    @property
    def is_starting(self) -> bool:
        """Whether the first steps up are being made: the sooner results are recorded, the sooner the next one is."""
        return self._is_full and self._growth == FIRST_GROWTH and (self._limit < self._max or self._before is not None)

    @property
    def cautious(self) -> bool:
        """Whether the limit is still recovering from throttling or an outage."""
        return self._limit < self._restored_at

    def on_throttled(self) -> None:
        """Halves the limit, once per round (as in TCP, RFC 6582).

        Requests that were in flight at the last halving were sent before it: throttling of those is ignored.
        """
        if self._stale_responses:
            self._stale_responses -= 1
            return
        self._growth = GROWTH
        self._stale_responses = self.value - 1
        self._restored_at = max(self._restored_at, self._limit)
        self._limit = max(1.0, self._limit / 2)
        self._start_over()

    def restart(self) -> None:
        """Starts at 1 after an outage, so that the gateway does not get all requests at once."""
        self._restored_at = min(float(RECOVERED_LIMIT), self._max)
        self._growth = GROWTH
        self._limit = 1.0
        self._stale_responses = 0
        self._start_over()

    def record(self, responses: int, now: float, *, full: bool) -> None:
        """Records so many good responses; `full` means that the limit was reached all the time."""
        self._is_full = full
        self._stale_responses = max(0, self._stale_responses - responses)
        self._measure(responses, now)
        if self.cautious:
            for _ in range(responses):
                self._limit = min(self._restored_at, self._limit + 1.0 / self._limit)
            return
        if not full or self._begun is None:
            self._begun, self._responses = now, 0
            return
        self._responses += responses
        seconds = now - self._begun
        if seconds < FAST_ROUND_SECONDS or self._responses < self.value:
            return
        rate = self._responses / seconds
        pays = self._pays(rate)
        if pays or seconds >= ROUND_SECONDS:
            self._adjust(rate, now, seconds, pays=pays)
            self._begun, self._responses = now, 0

    def _pays(self, rate: float) -> bool:
        """Whether responses come enough faster than before the last step up; True if there was none."""
        if self._before is None:
            return True
        limit, brought = self._before
        return rate >= brought * (1.0 + MIN_GAIN * (self._limit / limit - 1.0))

    def _adjust(self, rate: float, now: float, seconds: float, *, pays: bool) -> None:
        before, self._before = self._before, None
        if before is not None and not pays:
            self._limit, rate = before
            if self._growth == GROWTH:
                self._hold_until = now + HOLD_SECONDS
            self._growth = GROWTH  # a smaller step may be kept
        if now >= self._hold_until and self._limit < self._max:
            self._before = self._limit, rate
            growth = max(GROWTH, min(self._growth, WORST_SECONDS / seconds))
            self._limit = min(self._max, self._limit * growth)

    def _measure(self, responses: int, now: float) -> None:
        if responses:
            self._last_response_at = now
        elif now - self._last_response_at >= SILENCE_SECONDS:
            self.rate, self._slice_begun = 0.0, None
        if self._slice_begun is None:
            if responses:  # the time in which these came is not known
                self._slice_begun, self._slice = now, 0
            return
        self._slice += responses
        seconds = now - self._slice_begun
        if seconds < FAST_ROUND_SECONDS:
            return
        rate = self._slice / seconds
        if rate > self.rate or seconds >= ROUND_SECONDS:
            # The mean of old and new rate: smooth, and without the influence of the old rate after a second.
            self.rate = (self.rate + rate) / 2 if self.rate else rate
            self._slice_begun, self._slice = now, 0

    def _start_over(self) -> None:
        self._before = self._begun = None
