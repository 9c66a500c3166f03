"""What happens in a run: calls of the API and faults, at random from a seed.

Step number n has a random generator of its own, seeded with the seed and n: the same seed makes the same choices,
whatever the steps before have led to. When exactly the workers notice depends on the machine.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Mapping
from random import Random

import psycopg2

from tests.chaos.api_users import ApiUsers
from tests.chaos.environment import Environment
from tests.chaos.fault_driver import FaultDriver
from tests.chaos.gateway_fault_driver import GatewayFaultDriver
from tests.chaos.invariants_messages import API
from tests.chaos.observer import Observer
from tests.chaos.receipt_driver import ReceiptDriver
from tests.chaos.workload import Workload, move_clients, rename_clients, write_keyword

Action = Callable[[Random], None]

STEP = 0.02, 0.3
"""Seconds between two steps, at least and at most."""
MAX_BACKLOG = 1500
"""Open messages from which on no mailing is added, so that a run comes to its end."""


class DelayedActions:
    """Actions for a later time: thawing what is frozen, starting what was killed."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def schedule(self, seconds: float, action: Callable[[], None]) -> None:
        """Runs `action` in so many seconds."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), action))

    def run_due(self, everything: bool = False) -> None:
        """Runs what is due, or everything at once."""
        while self._due and (everything or self._due[0][0] <= time.monotonic()):
            heapq.heappop(self._due)[2]()
            if everything:
                time.sleep(0.01)  # some schedule themselves again until what they wait for has happened


class Driver:
    """Runs the random steps. To be used from the thread that made the environment."""

    def __init__(
        self, environment: Environment, users: ApiUsers, observer: Observer, seed: int, gateways: Mapping[str, int]
    ) -> None:
        """`gateways`: their ids by name."""
        self._seed = seed
        self._observer = observer
        self._environment = environment
        self._delayed = DelayedActions()
        self.workload = Workload(users)
        self.faults = FaultDriver(environment, self._delayed)
        self.gateway_faults = GatewayFaultDriver(environment, self._delayed, users, gateways)
        self.receipts = ReceiptDriver(environment, self._delayed)
        self._actions: list[tuple[float, Action]] = [
            (20, self._create_mailing),
            (8, self._rename_clients),
            (3, self._move_clients),
            (6, self._write_keyword),
            *self.workload.actions(),
            *self.faults.actions(),
            *self.gateway_faults.actions(),
            *self.receipts.actions(),
        ]

    def drive(self, seconds: float) -> None:
        """Runs one step after another for so many seconds."""
        end = time.monotonic() + seconds
        self.receipts.begin(Random(self._seed))
        for step in itertools.count():
            random = Random(f"{self._seed}/{step}")
            action = random.choices([action for _, action in self._actions], [weight for weight, _ in self._actions])[0]
            action(random)
            pause = min(time.monotonic() + random.uniform(*STEP), end)
            while True:
                self._delayed.run_due()
                self.faults.supervise()
                if (left := pause - time.monotonic()) <= 0:
                    break
                time.sleep(min(left, 0.05))
            if pause >= end:
                return

    def end_faults(self) -> None:
        """Ends every fault: whatever was killed, frozen, cut off or changed is as it was."""
        self._delayed.run_due(everything=True)
        self.faults.end()
        self.gateway_faults.end()

    def _rename_clients(self, random: Random) -> None:
        # A fault may end the connection: then there is nothing to be told.
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._environment.connect(API)) as connection:
            rename_clients(connection, random)

    def _move_clients(self, random: Random) -> None:
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._environment.connect(API)) as connection:
            move_clients(connection, random)

    def _write_keyword(self, random: Random) -> None:
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._environment.connect(API)) as connection:
            phone_number, word = write_keyword(connection, random)
            self._environment.note("keyword", str(phone_number), word)

    def _create_mailing(self, random: Random) -> None:
        if self._observer.open_messages < MAX_BACKLOG:
            self.workload.create_mailing(random)
