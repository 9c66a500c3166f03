"""The faults of a run: processes are killed, frozen and restarted, connections are cut.

Those of gateways are in gateway_fault_driver.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import psycopg2

from tests.chaos.environment import Environment, Program

TERMINATE_BACKENDS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s"
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s ORDER BY random()"


class Scheduler(Protocol):
    """Ends faults at a later time."""

    def schedule(self, seconds: float, action: Callable[[], None]) -> None: ...


class FaultDriver:
    """Injects faults into an environment. At least one worker is always unharmed."""

    def __init__(self, environment: Environment, delayed: Scheduler) -> None:
        self._environment = environment
        self._delayed = delayed
        self._hung: list[int] = []
        """Process ids of the server's backends that are frozen."""

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, and its weight."""
        return [
            (4, self.kill_worker),
            (2, self.freeze_worker),
            (2, self.restart_worker),
            (0.6, self.restart_database),
            (0.6, self.crash_database),
            (0.4, self.kill_backend),
            (1, self.hang_database),
            (1, self.terminate_backends),
            (2, self.cut),
            (1.5, self.drop_data),
            (5, self.cut_at_commit),
            (0.7, self.kill_api),
            (0.4, self.restart_api),
        ]

    def supervise(self) -> None:
        """Records and restarts what ended by itself, which nothing should."""
        for program in (*self._environment.workers, self._environment.api):
            if (status := program.ended_by_itself) is not None:
                self._environment.note("died", program.signature, f"exit status {status}")
                program.start()

    def end(self) -> None:
        """Ends every fault and starts whatever does not run."""
        for proxy in self._environment.proxies:
            proxy.restore()
        for worker in self._environment.workers:
            if not worker.runs:
                worker.start()
        if not self._environment.api.runs:
            self._environment.start_api()

    def kill_worker(self, random: Random) -> None:
        """SIGKILL; another one is started in its place a little later."""
        if worker := self._worker_to_disturb(random):
            self._environment.note("kill", worker.signature)
            worker.kill()
            self._delayed.schedule(random.uniform(0.0, 2.0), lambda: self._start(worker))

    def freeze_worker(self, random: Random) -> None:
        """SIGSTOP, for longer than its leases or not; then SIGCONT."""
        if worker := self._worker_to_disturb(random):
            lease = self._environment.settings.lease_seconds
            self._environment.note("stop", worker.signature)
            worker.freeze()
            self._delayed.schedule(
                random.choice((0.5, lease - 1.0, lease + 1.0, lease + 3.0)), lambda: self._thaw(worker)
            )

    def restart_worker(self, random: Random) -> None:
        """SIGTERM; it has some seconds to finish or release its messages."""
        worker = self._worker_to_disturb(random)
        if worker and worker.is_ready:  # before that, SIGTERM ends it as it ends any process
            self._environment.note("terminate", worker.signature)
            worker.terminate()
            self._delayed.schedule(random.uniform(0.2, 3.0), lambda: self._start_when_ended(worker, time.monotonic()))

    def restart_database(self, random: Random) -> None:
        """A fast shutdown, which rolls back open transactions, and a start."""
        self._environment.note("database", detail="restart")
        self._thaw_backends()
        self._environment.postgres.restart("fast")
        self._environment.note("database is back")

    def crash_database(self, random: Random) -> None:
        """An immediate shutdown, and the recovery."""
        self._environment.note("database", detail="crash")
        self._thaw_backends()
        self._environment.postgres.restart("immediate")
        self._environment.note("database is back")

    def kill_backend(self, random: Random) -> None:
        """SIGKILL for the process that serves a worker: the server takes all others down with it, and recovers."""
        self._environment.note("database", detail="backend killed")
        self._thaw_backends()
        self._signal_backends([pid for (pid,) in self._query(BACKENDS, "gonets worker%")[:1]], signal.SIGKILL)

    def hang_database(self, random: Random) -> None:
        """The server stops answering one worker for a while, and then does."""
        self._environment.note("database hangs")
        hung = [pid for (pid,) in self._query(BACKENDS, "gonets worker%")[:1]]
        self._signal_backends(hung, signal.SIGSTOP)
        self._hung += hung
        self._delayed.schedule(random.choice((0.5, 3.0, self._environment.settings.lease_seconds)), self._thaw_backends)

    def terminate_backends(self, random: Random) -> None:
        """Ends the connections of all workers, or of the API."""
        who = random.choice(("gonets worker%", "gonets worker chaos-1%", "gonets-api%"))
        self._environment.note("connections ended", detail=who)
        self._query(TERMINATE_BACKENDS, who)

    def cut(self, random: Random) -> None:
        """A worker's connection to the database breaks."""
        self._environment.note("cut")
        random.choice(self._environment.proxies).cut()

    def cut_at_commit(self, random: Random) -> None:
        """A worker's connection breaks around a commit: before it, or before its answer."""
        self._environment.note("cut at commit")
        random.choice(self._environment.proxies).cut_at_commit(random.choice(("before the commit", "after the commit")))

    def drop_data(self, random: Random) -> None:
        """A worker's requests to the database, or the responses, are swallowed, for longer than a lease or not; then
        its connections are cut."""
        proxy = random.choice(self._environment.proxies)
        self._environment.note("dropped data")
        proxy.drop_data(random.choice(("requests", "responses")))
        self._delayed.schedule(random.choice((0.3, 2.0, self._environment.settings.lease_seconds + 1.0)), proxy.restore)

    def kill_api(self, random: Random) -> None:
        """SIGKILL for the API, and another one."""
        if self._environment.api.available:
            self._environment.note("kill", "api")
            self._environment.api.kill()
            self._delayed.schedule(random.uniform(0.0, 1.5), self._environment.api.start)

    def restart_api(self, random: Random) -> None:
        """SIGTERM for the API, and another one."""
        if self._environment.api.available and self._environment.api.is_ready:
            self._environment.note("terminate", "api")
            self._environment.api.terminate()
            self._delayed.schedule(0.5, lambda: self._start_when_ended(self._environment.api, time.monotonic()))

    def _worker_to_disturb(self, random: Random) -> Program | None:
        """A worker that may be disturbed now, if another one stays unharmed."""
        available = [worker for worker in self._environment.workers if worker.available]
        return random.choice(available) if len(available) > 1 else None

    def _start(self, program: Program) -> None:
        self._environment.note("start", program.name)
        program.start()

    def _thaw(self, worker: Program) -> None:
        self._environment.note("continue", worker.signature)
        worker.thaw()

    def _start_when_ended(self, program: Program, asked_at: float) -> None:
        if program.runs and time.monotonic() < asked_at + 30.0:
            self._delayed.schedule(0.2, lambda: self._start_when_ended(program, asked_at))
            return
        self._environment.note("exit", program.signature, str(self._end(program)))
        self._start(program)

    def _end(self, program: Program) -> int | str:
        try:
            return program.wait(30.0)
        except subprocess.TimeoutExpired:
            program.kill()
            return "none, and had to be killed"

    def _thaw_backends(self) -> None:
        # All of them: a frozen backend would not notice that the server is to stop.
        self._signal_backends(self._hung, signal.SIGCONT)
        self._hung.clear()

    def _signal_backends(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        # The database may be unavailable: then there is no connection to end.
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._environment.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall()
        return []
