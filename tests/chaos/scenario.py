"""What a scenario is made of: two workers, and a connection that acts as the API does."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import requests
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.api_mutants import APP, APPS
from tests.chaos.environment import Environment, Program
from tests.chaos.facts import Facts, Settings
from tests.chaos.invariants_messages import API
from tests.chaos.run import UNSETTLED, claims_left, gather, stop
from tests.factories import add_clients, add_mailing, begin_launch, execute
from tests.waiting import eventually

# What a worker does in chunks, at once, and with messages that become due one after another.
LAUNCH = """
INSERT INTO message (mailing_id, client_id, phone_number, due_at)
SELECT %s, id, phone_number, now() + row_number() OVER (ORDER BY id) * %s * interval '1 second'
FROM client WHERE tag = %s
"""

NAME = """UPDATE client SET attributes = jsonb_build_object('name', 'Anna ' || id) WHERE tag = %s"""

SET_STATUS = "UPDATE mailing SET status = %s, ended_at = CASE WHEN %s = 'cancelled' THEN now() END WHERE id = %s"

QUICK = Settings(
    gateway_timeout=0.6,
    lease_seconds=1.0,
    poll_seconds=0.05,
    retry_base_seconds=0.1,
    retry_max_seconds=0.2,
    retry_after_max_seconds=0.3,
    stop_seconds=2.0,
    max_attempts=4,
    concurrency=4,
    launch_chunk=4,
)
"""For workers with short intervals (tests/chaos/mutants.py)."""

SETTINGS = {
    "rate limit": replace(QUICK, gateway_rate=60.0, lease_seconds=2.0),
    "window closes": replace(QUICK, lease_seconds=2.0),
    "local window closes": replace(QUICK, lease_seconds=2.0),
    "change in flight": replace(QUICK, gateway_timeout=6.0, lease_seconds=12.0),
}
"""Of the scenarios that do not run with QUICK. Slots are taken half a second ahead, messages become due together for a
quarter of a second, and the lease must allow for the wait. What waits for a slow gateway must wait for longer than a
change takes to reach it."""


class Scenario:
    """Two workers that run one mutant, and a connection that acts as the API does."""

    def __init__(self, environment: Environment, mutant: str, settings: Settings, timeout: float) -> None:
        self.environment = environment
        self._settings = settings
        self.first, self.second = environment.make_workers(
            ["tests.chaos.mutants", mutant, "--short-intervals"], settings
        )
        self.api = environment.connect(API)
        self._timeout = timeout
        self._tags = itertools.count(1)
        self._app = APPS.get(mutant, APP)

    def start(self, *workers: Program) -> None:
        """Starts these workers; returns when they are ready."""
        for worker in workers:
            worker.start()
        for worker in workers:
            wait_until_ready(worker)

    def start_api(self) -> None:
        """Starts the API, with the fault of the mutant if it is one of the API's; returns when it answers."""
        self.environment.start_api(self._app)
        eventually(lambda: responds(f"{self.environment.api_url}/healthz"))

    def add_mailing(self, messages: int, **given: Any) -> int:
        """A mailing whose time has come, to so many new clients of its own."""
        mark = self.add_audience(messages)
        with self.at_once() as connection:
            return add_mailing(connection, mark=mark, **given)

    def add_launched(self, messages: int, seconds: float, *, paused: bool = False, **given: Any) -> int:
        """A mailing that is launched already, whose messages become due one after another for so many seconds."""
        mark = self.add_audience(messages)
        with self.at_once() as connection:
            mailing_id = add_mailing(connection, mark=mark, **given)
            begin_launch(connection, mailing_id)
            execute(connection, LAUNCH, mailing_id, seconds / messages, mark)
            execute(
                connection, "UPDATE mailing SET launched_at = now(), audience = %s WHERE id = %s", messages, mailing_id
            )
            if paused:
                execute(connection, "UPDATE mailing SET status = 'paused' WHERE id = %s", mailing_id)
        return mailing_id

    def add_audience(self, clients: int) -> str:
        """So many new clients; answers their tag."""
        tag = f"tag {next(self._tags)}"
        add_clients(self.api, clients, tag=tag)
        execute(self.api, NAME, tag)
        return tag

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """A connection whose statements become visible together, at the end of the block."""
        with contextlib.closing(self.environment.connect(API)) as connection:
            connection.autocommit = False
            with connection:
                yield connection

    def set_status(self, mailing_id: int, status: str) -> None:
        """Pauses, resumes or cancels."""
        execute(self.api, SET_STATUS, status, status, mailing_id)

    def until_requests(self, count: int) -> None:
        """Waits until the gateway has received so many requests, or all that it will ever receive."""
        self.until(lambda: len(self.environment.requests()) >= count)

    def until(self, true: Callable[[], object]) -> None:
        """Waits until that is true, or nothing is left to do: a busy machine may have missed the moment."""
        eventually(lambda: true() or not self._unsettled())

    def end(self) -> Facts:
        """Waits until nothing is left to do, stops the workers, and gathers the facts."""
        deadline = time.monotonic() + self._timeout
        workers = [worker for worker in (self.first, self.second) if worker.runs or worker.ended_by_itself is not None]
        while time.monotonic() < deadline and self._unsettled() and all(worker.runs for worker in workers):
            time.sleep(0.02)
        for worker in workers:
            if (status := worker.ended_by_itself) is not None:
                self.environment.note("died", worker.signature, f"exit status {status}")
        stop(self.environment, [worker for worker in workers if worker.runs])
        facts = gather(self.environment)
        facts.settings = self._settings
        return facts

    def close(self) -> None:
        """Kills the workers that are left."""
        for worker in (self.first, self.second):
            worker.kill()
        self.api.close()

    def _unsettled(self) -> bool:
        with self.api.cursor() as cursor:
            cursor.execute(UNSETTLED)
            return cursor.fetchone() is not None or claims_left(cursor)


def responds(url: str) -> bool:
    """Whether there is a success at this address."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def wait_until_ready(worker: Program) -> None:
    """Returns when a worker is ready, or has ended."""
    eventually(lambda: worker.is_ready or not worker.runs)
