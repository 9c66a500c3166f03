"""How many requests may be in flight at once: found out, between a floor and the configured concurrency.

Pure: `now` is passed in, in seconds of a monotonic clock. More requests at once are tried, and kept if they pay: if
responses come in faster for it. So the limit finds what the gateway can take, whether its latency is a millisecond or a
second, without knowing it. When the gateway throttles, the limit is halved, and comes back bit by
bit (additive increase, multiplicative decrease: D. Chiu and R. Jain, 1989).
"""

from __future__ import annotations

INITIAL_LIMIT = 16
"""Where the limit begins, unless the configured concurrency is lower."""

GROWTH = 2.0
"""By how much a limit that pays is raised."""

MIN_GAIN = 0.25
"""What part of the growth must come out as faster responses for it to pay."""

ROUND_SECONDS = 0.1
"""A round is what is learned from: as many responses as the limit, and at least so long."""

FAST_ROUND_SECONDS = 0.02
"""Long enough for a round that pays already: responses that come faster are believed."""

HOLD_SECONDS = 10.0
"""Between trying for more, once more has not paid."""

SILENCE_SECONDS = 10.0
"""Without any response, after which nothing is known of their rate any more."""


class AdaptiveConcurrencyLimit:
    """Learns from the responses to one worker."""

    def __init__(self, maximum: int) -> None:
        self._max = float(maximum)
        self._limit = min(float(INITIAL_LIMIT), self._max)
        self._before: tuple[float, float] | None = None
        """The limit before it was raised, and the responses a second that it brought."""
        self._hold_until = 0.0
        self._restored_at = 0.0
        """The limit at which the caution after throttling ends."""
        self._stale_responses = 0
        """Responses still to come to what was in flight when the gateway last throttled."""
        self._begun: float | None = None
        self._responses = 0
        self._slice_begun: float | None = None
        self._slice = 0
        self._last_response_at = 0.0
        self.rate = 0.0
        """Responses a second, lately; 0 when nothing is known of it."""

    @property
    def value(self) -> int:
        """The limit."""
        return int(self._limit)

    @property
    def cautious(self) -> bool:
        """Whether the gateway has asked for less lately."""
        return self._limit < self._restored_at

    def on_throttled(self) -> None:
        """The gateway asks for less. What was in flight when it last did so was sent before that, and says nothing new:
        one halving for each round (as in TCP, RFC 6582).
        """
        if self._stale_responses:
            self._stale_responses -= 1
            return
        self._stale_responses = self.value - 1
        self._restored_at = max(self._restored_at, self._limit)
        self._limit = max(1.0, self._limit / 2)
        self._start_over()

    def restart(self) -> None:
        """The gateway has come back: it is not hit with everything at once."""
        self._restored_at = min(float(INITIAL_LIMIT), self._max)
        self._limit = 1.0
        self._stale_responses = 0
        self._start_over()

    def record(self, responses: int, now: float, *, full: bool) -> None:
        """Takes in so many good responses; `full` says that as many were in flight as may be, all the time."""
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
            self._adjust(rate, now, pays=pays)
            self._begun, self._responses = now, 0

    def _pays(self, rate: float) -> bool:
        """Whether what the limit was raised to brings enough more than the one before. One that was not raised does."""
        if self._before is None:
            return True
        limit, brought = self._before
        return rate >= brought * (1.0 + MIN_GAIN * (self._limit / limit - 1.0))

    def _adjust(self, rate: float, now: float, *, pays: bool) -> None:
        before, self._before = self._before, None
        if before is not None and not pays:
            self._limit, _ = before
            self._hold_until = now + HOLD_SECONDS
        if now >= self._hold_until and self._limit < self._max:
            self._before = self._limit, rate
            self._limit = min(self._max, self._limit * GROWTH)

    def _measure(self, responses: int, now: float) -> None:
        if responses:
            self._last_response_at = now
        elif now - self._last_response_at >= SILENCE_SECONDS:
            self.rate, self._slice_begun = 0.0, None
        if self._slice_begun is None:
            if responses:  # over what time these came is not known
                self._slice_begun, self._slice = now, 0
            return
        self._slice += responses
        seconds = now - self._slice_begun
        if seconds < FAST_ROUND_SECONDS:
            return
        rate = self._slice / seconds
        if rate > self.rate or seconds >= ROUND_SECONDS:
            # Half of what is new: steady enough, and after a second nothing is left of what was.
            self.rate = (self.rate + rate) / 2 if self.rate else rate
            self._slice_begun, self._slice = now, 0

    def _start_over(self) -> None:
        self._before = self._begun = None
