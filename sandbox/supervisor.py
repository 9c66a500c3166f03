"""Child processes with a log file each: started, started again when they die, stopped in the right order."""

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

from sandbox.logs import begin_log, reason_in
from sandbox.parent_death_signal import die_with_parent
from sandbox.terminal import brief
from shared.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
"""Where every child runs: the packages are run in place."""

STOP_PATIENCE = 15.0
"""Seconds from SIGTERM to SIGKILL; a worker takes 10 of them to finish what it has in flight."""
SHORTEST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds before what died is started again: doubled each time, so that a crash loop doesn't spin."""
GOOD_LIFE = 60.0
"""Seconds after which a death is a new trouble, and not the old one again."""
POLL_INTERVAL = 0.05
WRONG_CONFIGURATION = 2
"""The exit code of a child that its settings don't let start: nothing gets better by starting it again."""


@dataclass(frozen=True)
class Job:
    """What to run. Jobs of one `role` are stopped together; `name` is also the name of the log file."""

    role: str
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


class Supervisor:
    """Runs jobs whose output goes to `logs`/NAME.log; `say` gets a line when something happens to one.

    Each child leads a session of its own, so that Ctrl-C at the terminal reaches only the supervisor, and is told to
    stop when the supervisor is killed (on Linux: see sandbox/parent_death_signal.py).
    """

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._say = say
        self._children: list[_Child] = []

    def start(self, job: Job) -> None:
        """Starts a job, with a new log."""
        child = _Child(job, self._logs / f"{job.name}.log")
        begin_log(child.log)
        child.start()
        self._children.append(child)

    def supervise(self) -> None:
        """Starts again, a little later, what has died; call it a few times a second.

        Raises ConfigurationError with the child's own words when it was its settings that did not let it run.
        """
        for child in self._children:
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    child.start()
            elif (status := child.ended()) is not None:
                if status == WRONG_CONFIGURATION:
                    raise ConfigurationError(reason_in(child.log))
                child.schedule_restart()
                again = f"it starts again in {child.delay:.0f} s"
                self._say(f"{child.job.name} {_in_words(status)}; {again} (its log: {brief(child.log)}).")

    def ended(self, name: str) -> str | None:
        """Why a job does not run (how it ended, and its own words); none while it runs."""
        child = next(child for child in self._children if child.job.name == name)
        status = child.ended()
        return (
            None
            if status is None
            else f"{name} {_in_words(status)}: {reason_in(child.log)} (More in {brief(child.log)}.)"
        )

    def stop(self) -> None:
        """Stops the jobs, the last started role first; returns when all have ended. To be called once."""
        for _, children in itertools.groupby(reversed(self._children), key=lambda child: child.job.role):
            self._stop_together(list(children))
        self._children.clear()

    def kill(self) -> None:
        """Ends all jobs at once; safe in a signal handler that interrupts `stop`."""
        for child in list(self._children):
            child.kill()

    def _stop_together(self, children: Sequence[_Child]) -> None:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + STOP_PATIENCE
        while any(child.ended() is None for child in children) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        for child in children:
            if child.ended() is None:
                self._say(f"{child.job.name} does not stop; it is killed.")
                child.kill()
                child.wait()


class _Child:
    """A job's process, and how it has fared."""

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
        """Its exit status, as subprocess has it; none while it runs."""
        if self._process and (status := self._process.poll()) is not None:
            # What is left of it (the workers of a gunicorn that was killed) would hold its port. Now, and not later,
            # when its number may be another's.
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
    """Seconds until the next start of a child that lived for `lived` seconds, and had to wait `delay` before."""
    return SHORTEST_DELAY if lived >= GOOD_LIFE or not delay else min(2 * delay, LONGEST_DELAY)


def _in_words(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
