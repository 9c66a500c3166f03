"""The rate limit of each caller: one number for each in a table of fixed size, which the processes share.

A number is the theoretical arrival time of the caller's next request, if each took `1 / rate` seconds: the generic cell
rate algorithm (ITU-T I.371, annex A), which is a token bucket with one word of state. The table is memory that
gunicorn's processes inherit, so the limit is that of the machine, exactly; several machines have one each. No lock: of
two requests at the same instant one may go uncounted. A database window would cost every request a write.
"""

from __future__ import annotations

import hashlib
import mmap
import secrets
import time

SLOTS = 2**16
BURST_SECONDS = 10.0
"""Seconds' worth of requests that may come at once, after a pause."""


class RateLimiter:
    """One table. Callers in one slot share a limit; the slot is by a salted hash, so nobody can choose theirs."""

    def __init__(self) -> None:
        self._theoretical_arrival = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
        self._salt = secrets.token_bytes(16)

    def acquire(self, who: str, rate: float, burst: float | None = None) -> float:
        """Counts one request of `who`, who may make `rate` a second: 0.0, or the seconds after which to try again.

        A rate of 0 is no limit. `burst` is how many may come at once.
        """
        wait = self.seconds_to_wait(who, rate, burst)
        if rate and not wait:
            slot = self._slot(who)
            self._theoretical_arrival[slot] = max(self._theoretical_arrival[slot], time.monotonic()) + 1 / rate
        return wait

    def seconds_to_wait(self, who: str, rate: float, burst: float | None = None) -> float:
        """What `acquire` would return, without taking the request."""
        if not rate:
            return 0.0
        # The monotonic clock is the machine's, not the process's.
        ahead = self._theoretical_arrival[self._slot(who)] - time.monotonic()
        return max(0.0, ahead - ((burst or max(1.0, rate * BURST_SECONDS)) - 1) / rate)

    def _slot(self, who: str) -> int:
        digest = hashlib.blake2b(who.encode(), digest_size=8, salt=self._salt).digest()
        return int.from_bytes(digest, "big") % SLOTS


# Made when the module is imported, which gunicorn does before it forks. Requests without a valid key are counted apart:
# however many addresses somebody has, no key's limit is touched.
by_principal, by_address, by_sign_in_address = RateLimiter(), RateLimiter(), RateLimiter()
