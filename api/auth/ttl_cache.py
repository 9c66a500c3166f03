"""What was looked up a moment ago, so that requests don't pay a query each for who they come from."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

KEPT_FOR = 5.0
"""Seconds until a revocation has reached every process."""
MOST = 10_000
"""Entries; more at a time are begun anew."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Found(NamedTuple, Generic[Value]):
    """What was found, and for how many seconds it may hold."""

    value: Value
    seconds: float


class TtlCache(Generic[Key, Value]):
    """Answers `look_up`, again only after KEPT_FOR seconds. What was not found is not kept: it may come to be."""

    def __init__(self, look_up: Callable[[Key], Found[Value] | None]) -> None:
        self._look_up = look_up
        self._kept: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """The value now, or as it was at most KEPT_FOR seconds ago. Raises what `look_up` raises."""
        now = monotonic()
        kept = self._kept.get(key)
        if kept and now < kept[0]:
            return kept[1]
        found = self._look_up(key)
        if found is None:
            self._kept.pop(key, None)
            return None
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (now + min(found.seconds, KEPT_FOR), found.value)
        return found.value

    def forget(self, key: Key) -> None:
        """Looks it up again the next time."""
        self._kept.pop(key, None)
