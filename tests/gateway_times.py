"""What the simulated gateway's times of requests show. It dates them when it reads them, for which it may have to wait
for a core.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sandbox.simulated_gateway.client import SandboxGateway


@contextmanager
def gateway_stalls(gateway: SandboxGateway) -> Iterator[list[float]]:
    """How many seconds the gateway took to answer, asked again and again. The list has one element at the least."""
    stalls, over = [0.0], threading.Event()

    def ask() -> None:
        while not over.wait(0.005):
            begun = time.monotonic()
            gateway.summary()
            stalls.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield stalls
    finally:
        over.set()
        thread.join()


def most_within(seconds: float, moments: Sequence[float]) -> int:
    """The most that any window of so many seconds holds; such a window begins with one of them. They are sorted."""
    return max((bisect_left(moments, moment + seconds) - first for first, moment in enumerate(moments)), default=0)
