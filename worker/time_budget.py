"""A recurring piece of work that may take only a share of the time, and is never put off for long."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeBudget:
    """Tells when a piece of work may be done again: after a pause in proportion to what it took, within a bound.

    What is spent is the time in transactions that succeeded (`Database.seconds`), not the wall time of the call: a
    time in which the database was away says nothing about what the work costs. Nor does a lock or a stopped server that
    a transaction waited for, which is why the pause has an upper bound too. For one thread.
    """

    def __init__(self, share: float, max_pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`share` of the time may go into the work; it is never put off by more than `max_pause` seconds."""
        self._share = share
        self._max_pause = max_pause
        self._clock = clock
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the work may be done now."""
        return self._clock() >= self._due_at

    def spend(self, seconds: float) -> None:
        """The work is done now, and has taken so many seconds."""
        self.wait(seconds / self._share)

    def wait(self, seconds: float) -> None:
        """Puts the work off by so many seconds, and by no more than the bound."""
        self._due_at = self._clock() + min(seconds, self._max_pause)
