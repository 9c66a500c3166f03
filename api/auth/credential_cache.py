"""Credentials that were looked up a moment ago, so that requests do not pay a query each for whose they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from cachetools import TLRUCache

TTL_SECONDS = 5.0
"""Until a revocation has reached every process."""
MAX_ENTRIES = 10_000
"""Beyond that, the one that was used least recently goes."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cached(NamedTuple, Generic[Value]):
    """What was found, and for how many seconds it may hold."""

    value: Value
    seconds: float


class CredentialCache(Generic[Key, Value]):
    """Calls `look_up`, again only after TTL_SECONDS. What was not found is not cached: it may come to be."""

    def __init__(self, look_up: Callable[[Key], Cached[Value] | None]) -> None:
        self._look_up = look_up
        self._cache: TLRUCache[Key, Cached[Value]] = TLRUCache(MAX_ENTRIES, _expiry, timer=lambda: time.monotonic())
        # Reading moves an entry to the end: several threads may not do so at once.
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value now, or as it was at most TTL_SECONDS ago. Raises what `look_up` raises."""
        with self._lock:
            found = self._cache.get(key)
        if found is None:
            # Without the lock: nobody waits for another one's query.
            found = self._look_up(key)
            if found is None or found.seconds <= 0:
                return None
            with self._lock:
                self._cache[key] = found
        return found.value

    def forget(self, key: Key) -> None:
        """Looks it up again the next time."""
        with self._lock:
            self._cache.pop(key, None)

    def clear(self) -> None:
        """Looks everything up again the next time."""
        with self._lock:
            self._cache.clear()


def _expiry(_: Hashable, found: Cached[Value], now: float) -> float:
    return now + min(found.seconds, TTL_SECONDS)
