"""The clock of the caches and limits in front of the API, which stands still until it is told to pass."""

from __future__ import annotations


class Clock:
    """In the place of `time` and `time.monotonic`: what lasts seconds lasts as long as a test wants, on any machine."""

    def __init__(self) -> None:
        self._now = 1000.0  # the same each time: so is what is rounded when it is reckoned with

    def monotonic(self) -> float:
        """Seconds."""
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        """Lets so much time pass, and a moment."""
        self._now += seconds + 0.01
