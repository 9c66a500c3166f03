"""`python -m tests.wrong_clock_worker`: a worker on a machine whose clock is CLOCK_ERROR seconds fast.

Only the wall clock: the monotonic one knows no time of day, and no setting of the clock moves it (clock_gettime(2)).
"""

from __future__ import annotations

import datetime as module
import os
import sys
import time
from datetime import datetime, tzinfo
from typing import Self

ERROR = float(os.environ["CLOCK_ERROR"])

real_time, real_time_ns = time.time, time.time_ns


class WrongDatetime(datetime):
    """The time of day as this machine has it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        return cls.now(module.UTC).replace(tzinfo=None)


# Before anything else is imported, which would keep the right ones.
time.time = lambda: real_time() + ERROR
time.time_ns = lambda: real_time_ns() + round(ERROR * 1e9)
module.datetime = WrongDatetime  # type: ignore[misc]

if __name__ == "__main__":
    from worker.__main__ import main

    sys.exit(main())
