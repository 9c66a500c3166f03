"""What goes wrong: processes die, hang and restart, connections are cut, the gateway misbehaves."""

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

from tests.chaos.stage import TOKEN, Program, Stage

LATER_TOKEN = "another"
FAULTS: tuple[dict[str, Any], ...] = (
    {"statuses": {500: 0.2, 502: 0.1}},
    {"statuses": {429: 0.2, 503: 0.1}, "retry_after": "1"},
    {"statuses": {429: 0.1, 503: 0.1}},
    {"statuses": {400: 0.05, 422: 0.05, 408: 0.1, 425: 0.1}},
    {"statuses": {302: 0.01, 403: 0.01, 404: 0.01, 405: 0.01}},
    {"bodies": {"garbage": 0.15, "empty": 0.15, "refused": 0.15}},
    {"reset_before_accept": 0.2, "reset_after_accept": 0.2},
    {"error_after_accept": 0.3},
    {"trickle": 0.1, "oversize": 0.02},
    {"hang": 0.2},
    {"reset_after_accept": 0.05, "error_after_accept": 0.05, "hang": 0.05, "bodies": {"garbage": 0.05}},
)
REFUSALS = {"statuses": {400: 0.03}}
"""In every plan that has no statuses of its own: there is always something to retry."""
LATENCIES = (0.0, [0.0, 0.1], [0.05, 0.4], [0.3, 0.8], [0.1, 1.2])
CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s"
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s ORDER BY random()"


class DoesLater(Protocol):
    """What trouble needs, to end."""

    def do(self, seconds: float, what: Callable[[], None]) -> None: ...


class Trouble:
    """Makes trouble on a stage. At least one worker is always left in peace."""

    def __init__(self, stage: Stage, later: DoesLater) -> None:
        self._stage = stage
        self._later = later
        self._token = TOKEN
        self._plan: dict[str, Any] = {}
        self._gateway_is_gone = False
        self._hung: list[int] = []
        """The server's processes that stand still."""

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, and how often against each other."""
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
            (1.5, self.swallow),
            (5, self.cut_at_commit),
            (7, self.misbehave),
            (5, self.behave),
            (1, self.outage),
            (0.7, self.kill_gateway),
            (0.7, self.change_token),
            (0.7, self.kill_api),
            (0.4, self.restart_api),
        ]

    def supervise(self) -> None:
        """Starts again what ended by itself, and says so: nothing should."""
        for program in (*self._stage.workers, self._stage.api):
            if (status := program.ended_by_itself) is not None:
                self._stage.note("died", program.signature, f"exit status {status}")
                program.start()

    def end(self) -> None:
        """Nothing is wrong any more, and everything runs."""
        self._plan, self._token = {}, TOKEN
        self._stage.write_token(TOKEN)
        self._tell_gateway(patience=30.0)
        for proxy in self._stage.proxies:
            proxy.mend()
        for worker in self._stage.workers:
            if not worker.runs:
                worker.start()
        if not self._stage.api.runs:
            self._stage.start_api()

    def kill_worker(self, random: Random) -> None:
        """SIGKILL; another one is started in its place a little later."""
        if worker := self._somebody(random):
            self._stage.note("kill", worker.signature)
            worker.kill()
            self._later.do(random.uniform(0.0, 2.0), lambda: self._start(worker))

    def freeze_worker(self, random: Random) -> None:
        """SIGSTOP, for longer than its leases or not; then SIGCONT."""
        if worker := self._somebody(random):
            lease = self._stage.settings.lease_seconds
            self._stage.note("stop", worker.signature)
            worker.freeze()
            self._later.do(random.choice((0.5, lease - 1.0, lease + 1.0, lease + 3.0)), lambda: self._thaw(worker))

    def restart_worker(self, random: Random) -> None:
        """SIGTERM; it has some seconds to put away what it has in hand."""
        worker = self._somebody(random)
        if worker and worker.has_started:  # before that, SIGTERM ends it as it ends any process
            self._stage.note("terminate", worker.signature)
            worker.terminate()
            self._later.do(random.uniform(0.2, 3.0), lambda: self._start_when_ended(worker, time.monotonic()))

    def restart_database(self, random: Random) -> None:
        """A shutdown that rolls back what is under way, and a start."""
        self._stage.note("database", detail="restart")
        self._wake_database()
        self._stage.postgres.restart("fast")
        self._stage.note("database is back")

    def crash_database(self, random: Random) -> None:
        """A shutdown that is none, and the recovery."""
        self._stage.note("database", detail="crash")
        self._wake_database()
        self._stage.postgres.restart("immediate")
        self._stage.note("database is back")

    def kill_backend(self, random: Random) -> None:
        """SIGKILL for the process that serves a worker: the server takes all others down with it, and recovers."""
        self._stage.note("database", detail="backend killed")
        self._wake_database()
        self._signal_backends([pid for (pid,) in self._ask(BACKENDS, "gonets worker%")[:1]], signal.SIGKILL)

    def hang_database(self, random: Random) -> None:
        """The server stops answering one worker for a while, and then does."""
        self._stage.note("database hangs")
        hung = [pid for (pid,) in self._ask(BACKENDS, "gonets worker%")[:1]]
        self._signal_backends(hung, signal.SIGSTOP)
        self._hung += hung
        self._later.do(random.choice((0.5, 3.0, self._stage.settings.lease_seconds)), self._wake_database)

    def terminate_backends(self, random: Random) -> None:
        """Ends the connections of all workers, or of the API."""
        who = random.choice(("gonets worker%", "gonets worker rig-1%", "gonets-api%"))
        self._stage.note("connections ended", detail=who)
        self._ask(CUT_OFF, who)

    def cut(self, random: Random) -> None:
        """A worker's connection to the database breaks."""
        self._stage.note("cut")
        random.choice(self._stage.proxies).cut()

    def cut_at_commit(self, random: Random) -> None:
        """A worker's connection breaks around a commit: before it, or before its answer."""
        self._stage.note("cut at commit")
        random.choice(self._stage.proxies).cut_at(random.choice(("before the commit", "after the commit")))

    def swallow(self, random: Random) -> None:
        """The way to the database becomes a black hole, for longer than a lease or not, and then breaks."""
        proxy = random.choice(self._stage.proxies)
        self._stage.note("black hole")
        proxy.swallow(random.choice(("questions", "answers")))
        self._later.do(random.choice((0.3, 2.0, self._stage.settings.lease_seconds + 1.0)), proxy.mend)

    def misbehave(self, random: Random) -> None:
        """The gateway gets other faults and another latency."""
        self._plan = {
            **REFUSALS,
            **random.choice(FAULTS),
            "latency": random.choice(LATENCIES),
            "seed": random.randrange(2**32),
        }
        self._stage.note("faults", detail=str(self._plan))
        self._tell_gateway()

    def behave(self, random: Random) -> None:
        """The gateway has no faults for a while; it only refuses some messages."""
        self._plan = {**REFUSALS, "latency": random.choice(LATENCIES)}
        self._tell_gateway()

    def outage(self, random: Random) -> None:
        """The gateway is down: connections are closed and refused."""
        seconds = random.uniform(0.5, 4.0)
        self._stage.note("outage", detail=f"{seconds:.1f} s")
        self._tell_gateway(down_for=seconds)

    def kill_gateway(self, random: Random) -> None:
        """SIGKILL for the gateway, and another one, some seconds later, with the same ledger."""
        if not self._gateway_is_gone:
            self._stage.note("kill", "gateway")
            self._gateway_is_gone = True
            self._stage.gateway.kill()
            self._later.do(random.uniform(0.1, 4.0), self._start_gateway)

    def change_token(self, random: Random) -> None:
        """The gateway wants another token, which the workers are given a little later."""
        self._token = LATER_TOKEN if self._token == TOKEN else TOKEN
        token = self._token
        self._stage.note("token")
        self._tell_gateway()
        self._later.do(random.uniform(0.2, 2.5), lambda: self._stage.write_token(token))

    def kill_api(self, random: Random) -> None:
        """SIGKILL for the API, and another one."""
        if self._stage.api.at_work:
            self._stage.note("kill", "api")
            self._stage.api.kill()
            self._later.do(random.uniform(0.0, 1.5), self._stage.api.start)

    def restart_api(self, random: Random) -> None:
        """SIGTERM for the API, and another one."""
        if self._stage.api.at_work and self._stage.api_answers():
            self._stage.note("terminate", "api")
            self._stage.api.terminate()
            self._later.do(0.5, lambda: self._start_when_ended(self._stage.api, time.monotonic()))

    def _somebody(self, random: Random) -> Program | None:
        """A worker that may get into trouble now."""
        at_work = [worker for worker in self._stage.workers if worker.at_work]
        return random.choice(at_work) if len(at_work) > 1 else None

    def _start_gateway(self) -> None:
        self._stage.note("start", "gateway")
        self._stage.start_gateway(TOKEN)
        self._gateway_is_gone = False
        self._tell_gateway()

    def _start(self, program: Program) -> None:
        self._stage.note("start", program.name)
        program.start()

    def _thaw(self, worker: Program) -> None:
        self._stage.note("continue", worker.signature)
        worker.thaw()

    def _start_when_ended(self, program: Program, asked_at: float) -> None:
        if program.runs and time.monotonic() < asked_at + 30.0:
            self._later.do(0.2, lambda: self._start_when_ended(program, asked_at))
            return
        self._stage.note("exit", program.signature, str(self._end(program)))
        self._start(program)

    def _end(self, program: Program) -> int | str:
        try:
            return program.wait(30.0)
        except subprocess.TimeoutExpired:
            program.kill()
            return "nothing, and had to be killed"

    def _wake_database(self) -> None:
        # All of it: what hangs would not hear that the server is to stop.
        self._signal_backends(self._hung, signal.SIGCONT)
        self._hung.clear()

    def _signal_backends(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        # The database may be away: then there is nobody to be cut off.
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._stage.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall()
        return []

    def _tell_gateway(self, patience: float = 0.0, **more: object) -> None:
        token = {} if self._token == TOKEN else {"token": self._token}
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._stage.gateway.faults(**self._plan, **token, **more)
            except OSError:  # it is down just now
                if time.monotonic() > deadline:
                    return self._later.do(0.3, self._tell_gateway)
                time.sleep(0.1)
