"""What happens in a run: people at the API, and trouble, at random from a seed.

Step number n draws from dice of its own, made from the seed and n: whatever came of the steps before, the same seed
does the same things. When exactly they meet the workers is up to the machine.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from random import Random

from tests.chaos.observer import Observer
from tests.chaos.people import People
from tests.chaos.public import Public
from tests.chaos.stage import Stage
from tests.chaos.trouble import Trouble

Action = Callable[[Random], None]

STEP = 0.02, 0.3
"""Seconds between two steps, at least and at most."""
BACKLOG = 1500
"""Open messages from which on no mailing is added: a run is meant to end."""


class Later:
    """What has to be done at a later time: to thaw what is frozen, to start what was killed."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def do(self, seconds: float, what: Callable[[], None]) -> None:
        """Does it in so many seconds."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), what))

    def catch_up(self, everything: bool = False) -> None:
        """Does what is due, or everything at once."""
        while self._due and (everything or self._due[0][0] <= time.monotonic()):
            heapq.heappop(self._due)[2]()
            if everything:
                time.sleep(0.01)  # some of it puts itself off until what it waits for has come


class Driver:
    """Drives the stage for some seconds. The stage's thread runs it."""

    def __init__(self, stage: Stage, people: People, observer: Observer, seed: int) -> None:
        self._seed = seed
        self._observer = observer
        self._later = Later()
        self.public = Public(people)
        self.trouble = Trouble(stage, self._later)
        self._actions: list[tuple[float, Action]] = [
            (20, self._create_mailing),
            *self.public.actions(),
            *self.trouble.actions(),
        ]

    def drive(self, seconds: float) -> None:
        """One step after another."""
        end = time.monotonic() + seconds
        for step in itertools.count():
            random = Random(f"{self._seed}/{step}")
            action = random.choices([action for _, action in self._actions], [weight for weight, _ in self._actions])[0]
            action(random)
            pause = min(time.monotonic() + random.uniform(*STEP), end)
            while True:
                self._later.catch_up()
                self.trouble.supervise()
                if (left := pause - time.monotonic()) <= 0:
                    break
                time.sleep(min(left, 0.05))
            if pause >= end:
                return

    def calm(self) -> None:
        """Ends all trouble: whatever was killed, frozen, cut off or changed is as it was."""
        self._later.catch_up(everything=True)
        self.trouble.end()

    def _create_mailing(self, random: Random) -> None:
        if self._observer.open_messages < BACKLOG:
            self.public.create_mailing(random)
