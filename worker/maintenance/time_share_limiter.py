"""A limit for recurring work: it may take only a share of the time, and its delay is bounded."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeShareLimiter:
    """Decides when a piece of work may run again: after a pause in proportion to its duration, within a bound.

    Callers spend the time of transactions that succeeded (`Database.seconds`), not the wall time of the call: a time in
    which the database was unavailable is not a cost of the work. Nor is the wait for a lock or a stopped server within
    a transaction, which is why the pause is bounded too. For one thread.
    """

    def __init__(self, share: float, max_pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`share` is the part of the time for the work; it is never delayed by more than `max_pause` seconds."""
        self._share = share
        self._max_pause = max_pause
        self._clock = clock
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the work may run now."""
        return self._clock() >= self._due_at

    def spend(self, seconds: float) -> None:
        """Records that the work has just ended and took so many seconds."""
        self.wait(seconds / self._share)

    def wait(self, seconds: float) -> None:
        """Delays the work by so many seconds, at most by the bound."""
        self._due_at = self._clock() + min(seconds, self._max_pause)
