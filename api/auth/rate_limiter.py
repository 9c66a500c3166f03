"""How many requests are taken from whom: one number for each in a table of fixed size, which the processes share.

A number says when the caller would be even again if every request took `1 / rate` seconds of their time: the generic
cell rate algorithm (ITU-T I.371, annex A), which is a token bucket with one word of state. The table is memory that
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
"""So many seconds' worth of requests may come at once, after a pause."""


class RateLimiter:
    """One table. Whom chance puts into one slot shares a limit; the salt keeps anybody from choosing with whom."""

    def __init__(self) -> None:
        self._even_at = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
        self._salt = secrets.token_bytes(16)

    def take(self, who: str, rate: float, burst: float | None = None) -> float:
        """Takes one request of `who`, who may make `rate` a second; 0.0, or after how many seconds to try again.

        A rate of 0 is no limit. `burst` is how many may come at once.
        """
        wait = self.seconds_to_wait(who, rate, burst)
        if rate and not wait:
            slot = self._slot(who)
            self._even_at[slot] = max(self._even_at[slot], time.monotonic()) + 1 / rate
        return wait

    def seconds_to_wait(self, who: str, rate: float, burst: float | None = None) -> float:
        """What `take` would answer, without taking."""
        if not rate:
            return 0.0
        # The monotonic clock is the machine's, not the process's.
        ahead = self._even_at[self._slot(who)] - time.monotonic()
        return max(0.0, ahead - ((burst or max(1.0, rate * BURST_SECONDS)) - 1) / rate)

    def _slot(self, who: str) -> int:
        digest = hashlib.blake2b(who.encode(), digest_size=8, salt=self._salt).digest()
        return int.from_bytes(digest, "big") % SLOTS


# Made when the module is imported, which in gunicorn's case is before its processes part. What nobody has shown a key
# for is counted apart: however many addresses somebody has, they get into no key's way.
by_principal, by_address, by_sign_in_address = RateLimiter(), RateLimiter(), RateLimiter()
