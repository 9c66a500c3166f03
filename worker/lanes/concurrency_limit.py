"""How many requests may be on their way at once: found out, between a floor and the configured concurrency.

Pure: `now` is passed in, in seconds of a monotonic clock. More requests at once are tried, and kept if they pay: if
the answers come in faster for it. So the limit finds what the way to the gateway can carry, be its latency a
millisecond or a second, without knowing it. When the gateway says "slower", the limit is halved, and comes back bit by
bit (additive increase, multiplicative decrease: D. Chiu and R. Jain, 1989).
"""

from __future__ import annotations

FLOOR = 16
"""Where the limit begins, unless the configured concurrency is lower."""

GROWTH = 2.0
"""By how much a limit that pays is raised."""

WORTH = 0.25
"""What part of the growth must come out as faster answers for it to pay."""

ROUND_SECONDS = 0.1
"""A round is what is learned from: as many answers as the limit, and at least so long."""

GLIMPSE_SECONDS = 0.02
"""Long enough for good news: a round that pays already is over, and answers that come faster are believed."""

CONTENT_SECONDS = 10.0
"""Between trying for more, once more has not paid."""

SILENCE_SECONDS = 10.0
"""Without any answer, after which nothing is known of their rate any more."""


class AdaptiveConcurrencyLimit:
    """Learns from the answers of one worker."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = min(float(FLOOR), self._most)
        self._before: tuple[float, float] | None = None
        """The limit before it was raised, and the answers a second that it brought."""
        self._content_until = 0.0
        self._restored_at = 0.0
        """The limit at which the caution after "slower" ends."""
        self._unheeding = 0
        """Answers still to come to what was on its way when the gateway last said so."""
        self._begun: float | None = None
        self._answers = 0
        self._slice_begun: float | None = None
        self._slice = 0
        self._answered_at = 0.0
        self.rate = 0.0
        """Answers a second, lately; 0 when nothing is known of it."""

    @property
    def value(self) -> int:
        """The limit."""
        return int(self._limit)

    @property
    def cautious(self) -> bool:
        """Whether the gateway has asked for less lately."""
        return self._limit < self._restored_at

    def on_throttled(self) -> None:
        """The gateway asks for less. What was on its way when it last did so can't have heeded that, and tells nothing
        new: one halving for each round (as in TCP, RFC 6582).
        """
        if self._unheeding:
            self._unheeding -= 1
            return
        self._unheeding = self.value - 1
        self._restored_at = max(self._restored_at, self._limit)
        self._limit = max(1.0, self._limit / 2)
        self._start_over()

    def restart(self) -> None:
        """The gateway has come back: it is not hit with everything at once."""
        self._restored_at = min(float(FLOOR), self._most)
        self._limit = 1.0
        self._unheeding = 0
        self._start_over()

    def learn(self, answers: int, now: float, *, full: bool) -> None:
        """Takes in so many good answers; `full` says that as many were on their way as may be, all the time."""
        self._unheeding = max(0, self._unheeding - answers)
        self._measure(answers, now)
        if self.cautious:
            for _ in range(answers):
                self._limit = min(self._restored_at, self._limit + 1.0 / self._limit)
            return
        if not full or self._begun is None:
            self._begun, self._answers = now, 0
            return
        self._answers += answers
        seconds = now - self._begun
        if seconds < GLIMPSE_SECONDS or self._answers < self.value:
            return
        rate = self._answers / seconds
        pays = self._pays(rate)
        if pays or seconds >= ROUND_SECONDS:
            self._judge(rate, now, pays=pays)
            self._begun, self._answers = now, 0

    def _pays(self, rate: float) -> bool:
        """Whether what the limit was raised to brings enough more than the one before. One that was not raised does."""
        if self._before is None:
            return True
        limit, brought = self._before
        return rate >= brought * (1.0 + WORTH * (self._limit / limit - 1.0))

    def _judge(self, rate: float, now: float, *, pays: bool) -> None:
        before, self._before = self._before, None
        if before is not None and not pays:
            self._limit, _ = before
            self._content_until = now + CONTENT_SECONDS
        if now >= self._content_until and self._limit < self._most:
            self._before = self._limit, rate
            self._limit = min(self._most, self._limit * GROWTH)

    def _measure(self, answers: int, now: float) -> None:
        if answers:
            self._answered_at = now
        elif now - self._answered_at >= SILENCE_SECONDS:
            self.rate, self._slice_begun = 0.0, None
        if self._slice_begun is None:
            if answers:  # over what time these came, nobody knows
                self._slice_begun, self._slice = now, 0
            return
        self._slice += answers
        seconds = now - self._slice_begun
        if seconds < GLIMPSE_SECONDS:
            return
        rate = self._slice / seconds
        if rate > self.rate or seconds >= ROUND_SECONDS:
            # Half of what is new: steady enough, and after a second nothing is left of what was.
            self.rate = (self.rate + rate) / 2 if self.rate else rate
            self._slice_begun, self._slice = now, 0

    def _start_over(self) -> None:
        self._before = self._begun = None
