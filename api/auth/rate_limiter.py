"""The rate limit of each caller: one number for each in a table of fixed size, which the processes share.

api/auth/authentication.py applies it to each request, and api/auth/login_pages.py to sign-ins that fail.

A number is the theoretical arrival time of the caller's next request, if each took `1 / rate` seconds: the generic cell
rate algorithm (ITU-T I.371, annex A), which is a token bucket with one number of state. The table is memory that
gunicorn's processes share, so the limit applies to the machine exactly; each of several machines has its own. Without a
lock, one of two simultaneous requests may go uncounted. A limit in the database would cost every request a write.
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
    """One table. Callers in one slot share a limit; the slot is by a salted hash, so a caller can't choose it."""

    def __init__(self) -> None:
        self._theoretical_arrival = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
        self._salt = secrets.token_bytes(16)

    def acquire(self, caller: str, rate: float, burst: float | None = None) -> float:
        """Counts one request of `caller` at `rate` a second. Returns 0.0, or the seconds after which to try again.

        A rate of 0 is no limit. `burst` is how many may come at once.
        """
        wait = self.seconds_to_wait(caller, rate, burst)
        if rate and not wait:
            slot = self._slot(caller)
            self._theoretical_arrival[slot] = max(self._theoretical_arrival[slot], time.monotonic()) + 1 / rate
        return wait

    def seconds_to_wait(self, caller: str, rate: float, burst: float | None = None) -> float:
        """What `acquire` would return, without counting the request."""
        if not rate:
            return 0.0
        # The monotonic clock is the machine's, not the process's.
        ahead = self._theoretical_arrival[self._slot(caller)] - time.monotonic()
        return max(0.0, ahead - ((burst or max(1.0, rate * BURST_SECONDS)) - 1) / rate)

    def _slot(self, caller: str) -> int:
        digest = hashlib.blake2b(caller.encode(), digest_size=8, salt=self._salt).digest()
        return int.from_bytes(digest, "big") % SLOTS


# Created on import, which gunicorn does before it forks. Requests without a valid key have tables of their own, so that
# they do not affect any key's limit.
by_principal, by_address, by_sign_in_address = RateLimiter(), RateLimiter(), RateLimiter()
by_callback_address = RateLimiter()
"""Of refused callbacks."""
by_opt_out_address = RateLimiter()
"""Of invalid links to opt out."""
