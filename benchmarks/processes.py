"""Child processes of a benchmark, and what processes cost: CPU time and memory from /proc (proc_pid_stat(5))."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import requests

from sandbox.logs import reason_in
from sandbox.parent_death_signal import die_with_parent
from shared.errors import GonetsError

ROOT = Path(__file__).resolve().parent.parent
"""Where children run unless told otherwise: the packages are run in place."""
TICK = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second: the unit of CPU time in /proc."""
START_PATIENCE, STOP_PATIENCE = 60.0, 20.0
"""Seconds until a child must have started, and from SIGTERM to SIGKILL."""


class Child:
    """A process that ends with this one; its output goes to a log. A context manager, which stops it."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, settings: Mapping[str, str] = {}, *, root: Path = ROOT
    ) -> None:
        """`settings` are added to the environment; `root` is where it runs."""
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                die_with_parent(command, signal.SIGTERM),
                cwd=root,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raises GonetsError with the process's own words when it has failed."""
        if self._process.poll() not in (None, 0):
            raise GonetsError(f"{self.name} ended with {self._process.returncode}: {reason_in(self._log)}")

    def wait_for(self, word: bytes) -> None:
        """Waits until a word is in the log. Raises GonetsError when the process ends or the time passes first."""
        deadline = time.monotonic() + START_PATIENCE
        while word not in self._log.read_bytes():
            self.check()
            if time.monotonic() > deadline:
                raise GonetsError(f"{self.name} did not write {word.decode()!r}: {reason_in(self._log)}")
            time.sleep(0.02)

    def wait_until_it_answers(self, url: str) -> None:
        """Waits for a server. Raises GonetsError with its own words when it has ended."""
        deadline = time.monotonic() + START_PATIENCE
        while True:
            with contextlib.suppress(requests.RequestException):
                return requests.get(url, timeout=1).raise_for_status()
            self.check()
            if time.monotonic() > deadline:
                raise GonetsError(f"{self.name} does not answer: {reason_in(self._log)}")
            time.sleep(0.05)

    def wait(self) -> None:
        """Waits until it has ended. Raises GonetsError when it failed."""
        self._process.wait()
        self.check()

    def begin(self) -> None:
        """Writes the line to its input for which baselines wait."""
        assert self._process.stdin
        self._process.stdin.write(b"begin\n")
        self._process.stdin.flush()

    def terminate(self) -> None:
        """Asks it to end; leaving the context waits for that."""
        if self._process.poll() is None:
            self._process.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()


class Meter:
    """The CPU time of groups of processes, each with everything that it started, since the meter was made."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups
        self._before = self._cpu()

    def read(self) -> dict[str, float]:
        """Seconds of CPU by group."""
        return {name: seconds - self._before[name] for name, seconds in self._cpu().items()}

    def _cpu(self) -> dict[str, float]:
        return {name: sum(map(cpu, pids)) for name, pids in self._groups.items()}


def memory(pid: int) -> int:
    """Bytes of RAM that are this process's alone: resident, without PostgreSQL's shared buffers. 0 when it is gone."""
    return 1024 * sum(map(int, re.findall(r"Rss(?:Anon|File):\s*(\d+) kB", _read(Path(f"/proc/{pid}/status")))))


def family(pid: int) -> list[int]:
    """A process and everything it started that still runs, the process first."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            members += map(int, _read(task).split())
    return members


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, of a process and of everything it started, also of what has ended since."""
    stats = [_read(Path(f"/proc/{member}/stat")).rpartition(")")[2].split() for member in family(pid)]
    # utime, stime, and those of the children that were waited for: fields 14 to 17, of which the 3rd is the first here.
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / TICK


def _read(path: Path) -> str:
    """A file of /proc; nothing when the process is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
