"""Child processes, each with a log file: started, restarted when they die, stopped in order."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.logs import reason_in, rotate_log
from sandbox.parent_death_signal import die_with_parent
from sandbox.terminal import display_path
from shared.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
"""The working directory of every child: the packages are run in place."""

STOP_TIMEOUT = 15.0
"""Seconds from SIGTERM to SIGKILL; a worker takes up to 10 of them to finish what is in flight."""
MIN_RESTART_DELAY, MAX_RESTART_DELAY = 1.0, 30.0
"""Seconds before a restart: doubled each time, so that a crash loop does not spin."""
STABLE_SECONDS = 60.0
"""Seconds of running after which the restart delay starts again at its minimum."""
POLL_INTERVAL = 0.05
CONFIGURATION_ERROR = 2
"""The exit code of a child whose settings are invalid: a restart would not help."""


@dataclass(frozen=True)
class Job:
    """What to run. Jobs of one `role` are stopped together; `name` is also the name of the log file."""

    role: str
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


class Supervisor:
    """Runs jobs whose output goes to `logs`/NAME.log; calls `say` with a line when a job dies or is killed.

    Each child leads a session of its own, so that Ctrl-C at the terminal reaches only the supervisor, and receives
    SIGTERM when the supervisor is killed (on Linux: see sandbox/parent_death_signal.py).
    """

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._say = say
        self._children: list[_Child] = []

    def start(self, job: Job) -> None:
        """Starts a job, with a new log."""
        child = _Child(job, self._logs / f"{job.name}.log")
        rotate_log(child.log)
        child.start()
        self._children.append(child)

    def supervise(self) -> None:
        """Restarts children that have died, after a delay; call it a few times a second.

        Raises ConfigurationError with the child's own message when its settings are invalid.
        """
        for child in self._children:
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    child.start()
            elif (status := child.ended()) is not None:
                if status == CONFIGURATION_ERROR:
                    raise ConfigurationError(reason_in(child.log))
                child.schedule_restart()
                again = f"restarting in {child.delay:.0f} s"
                self._say(f"{child.job.name} {_describe_exit(status)}; {again} (log: {display_path(child.log)}).")

    def ended(self, name: str) -> str | None:
        """Why a job is not running (its exit and its last error); None while it runs."""
        child = next(child for child in self._children if child.job.name == name)
        status = child.ended()
        return (
            None
            if status is None
            else f"{name} {_describe_exit(status)}: {reason_in(child.log)} (More in {display_path(child.log)}.)"
        )

    def stop(self) -> None:
        """Stops the jobs, the last started role first; returns when all have exited. Call it once."""
        for _, children in itertools.groupby(reversed(self._children), key=lambda child: child.job.role):
            self._stop_together(list(children))
        self._children.clear()

    def kill(self) -> None:
        """Kills all jobs; safe in a signal handler that interrupts `stop`."""
        for child in list(self._children):
            child.kill()

    def _stop_together(self, children: Sequence[_Child]) -> None:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        while any(child.ended() is None for child in children) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        for child in children:
            if child.ended() is None:
                self._say(f"{child.job.name} did not stop in time and was killed.")
                child.kill()
                child.wait()


class _Child:
    """A job's process, its exit status and its next restart."""

    def __init__(self, job: Job, log: Path) -> None:
        self.job = job
        self.log = log
        self.delay = 0.0
        self.restart_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._started_at = 0.0

    def start(self) -> None:
        self.restart_at = self._status = None
        self._started_at = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                die_with_parent(self.job.command, signal.SIGTERM),
                cwd=ROOT,
                env=self.job.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self) -> int | None:
        """Its exit status as in subprocess; None while it runs."""
        if self._process and (status := self._process.poll()) is not None:
            # Its own children (the workers of a killed gunicorn) would keep its port. They are killed now, because its
            # process id may be reused later.
            self.kill()
            self._process, self._status = None, status
        return self._status

    def schedule_restart(self) -> None:
        self.delay = next_delay(self.delay, time.monotonic() - self._started_at)
        self.restart_at = time.monotonic() + self.delay

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> None:
        while self.ended() is None:
            time.sleep(POLL_INTERVAL)


def next_delay(delay: float, lived: float) -> float:
    """Seconds until the next start of a child that ran for `lived` seconds after a delay of `delay`."""
    return MIN_RESTART_DELAY if lived >= STABLE_SECONDS or not delay else min(2 * delay, MAX_RESTART_DELAY)


def _describe_exit(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
