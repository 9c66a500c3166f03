"""Waits for any number of file descriptors: with epoll(7) where the system has it, else with poll(2)."""

from __future__ import annotations

import math
import select
from collections.abc import Callable
from typing import Any


class Poller:
    """For one thread. Events are those of poll(2), whose numbers epoll(7) has too."""

    def __init__(self) -> None:
        self._is_epoll = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if self._is_epoll else select.poll()
        self.register: Callable[[int, int], None] = self._poll.register
        """Begins to wait for events of a descriptor. Raises OSError if the system takes no more."""
        self.modify: Callable[[int, int], None] = self._poll.modify
        self.unregister: Callable[[int], None] = self._poll.unregister

    def wait(self, seconds: float, registered: int) -> list[tuple[int, int]]:
        """All events that have happened, once there is one or the seconds have passed.

        `registered` is the number of descriptors, or more: epoll would report 1023 events if it were not told.
        """
        timeout = None if seconds == math.inf else max(0.0, seconds)
        events: list[tuple[int, int]]
        if self._is_epoll:
            events = self._poll.poll(timeout, registered)
        else:
            events = self._poll.poll(timeout if timeout is None else timeout * 1000)
        return events
