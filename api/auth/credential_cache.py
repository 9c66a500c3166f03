"""A cache of looked-up credentials, so that authentication does not cost a query per request."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from cachetools import TLRUCache

TTL_SECONDS = 5.0
"""The time in which a revocation takes effect in every process."""
MAX_ENTRIES = 10_000
"""Beyond that, the least recently used entry is evicted."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cached(NamedTuple, Generic[Value]):
    """A result, and for how many seconds it is valid at most: more than none."""

    value: Value
    seconds: float


class CredentialCache(Generic[Key, Value]):
    """Caches the results of `look_up` for TTL_SECONDS. A miss is not cached: the credential may be created later."""

    def __init__(self, look_up: Callable[[Key], Cached[Value] | None]) -> None:
        self._look_up = look_up
        self._cache: TLRUCache[Key, Cached[Value]] = TLRUCache(MAX_ENTRIES, _expiry, timer=lambda: time.monotonic())
        # Reading moves an entry to the end, so it needs the lock too.
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value now, or as it was at most TTL_SECONDS ago. Raises what `look_up` raises."""
        with self._lock:
            found = self._cache.get(key)
        if found is None:
            # Without the lock: no thread waits for another thread's query.
            found = self._look_up(key)
            if found is None:
                return None
            with self._lock:
                self._cache[key] = found
        return found.value

    def forget(self, key: Key) -> None:
        """Removes one entry."""
        with self._lock:
            self._cache.pop(key, None)

    def clear(self) -> None:
        """Removes all entries."""
        with self._lock:
            self._cache.clear()


def _expiry(_: Hashable, found: Cached[Value], now: float) -> float:
    return now + min(found.seconds, TTL_SECONDS)
