"""Child processes of a benchmark, and what processes cost: CPU time and memory from /proc (proc_pid_stat(5))."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.logs import reason_in
from sandbox.parent_death_signal import die_with_parent
from shared.errors import GonetsError

ROOT = Path(__file__).resolve().parent.parent
"""Where every child runs: the packages are run in place."""
TICK = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second: the unit of CPU time in /proc."""
STOP_PATIENCE = 20.0
"""Seconds from SIGTERM to SIGKILL."""


class Child:
    """A process that ends with us; what it says goes to a log."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] = {}) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                die_with_parent(command, signal.SIGTERM),
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raises GonetsError with the process's own words when it has failed."""
        if self._process.poll() not in (None, 0):
            raise GonetsError(f"{self.name} ended with {self._process.returncode}: {reason_in(self.log)}")

    def wait_for(self, word: bytes, seconds: float = 60.0) -> None:
        """Waits until the process has said something. Raises GonetsError when it doesn't."""
        deadline = time.monotonic() + seconds
        while word not in self.log.read_bytes():
            self.check()
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise GonetsError(f"{self.name} did not get to say {word.decode()!r}: {reason_in(self.log)}")
            time.sleep(0.02)

    def tell(self, word: bytes) -> None:
        """Writes a line to the process."""
        assert self._process.stdin
        self._process.stdin.write(word + b"\n")
        self._process.stdin.flush()

    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Ends it, and everything it started, at once."""
        if not self.ended():
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Asks it to end; `stop` waits for it."""
        if not self.ended():
            self._process.terminate()

    def stop(self) -> None:
        """Asks it to end, and sees to it that it does."""
        self.terminate()
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        assert self._process.stdin
        self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server:
    """A child that serves; a context manager."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.pid = child.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()


class Meter:
    """The CPU time of groups of processes, each with everything it started, since the meter was made."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups
        self._before = {name: _cpu_of_all(pids) for name, pids in groups.items()}

    def read(self) -> dict[str, float]:
        """Seconds of CPU by group."""
        return {name: _cpu_of_all(pids) - self._before[name] for name, pids in self._groups.items()}


def memory(pid: int) -> int:
    """Bytes of RAM that are this process's alone: resident, without PostgreSQL's shared buffers. 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Rss")}
    return 1024 * (kilobytes.get("RssAnon", 0) + kilobytes.get("RssFile", 0))


def family(pid: int) -> list[int]:
    """A process and everything it started that lives, the process first."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += [int(child) for child in task.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
    return members


def _cpu_of_all(pids: Sequence[int]) -> float:
    return sum(cpu(pid) for pid in pids)


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, of a process and of everything it started, also of what has ended since."""
    # utime, stime, and those of the children that were waited for: fields 14 to 17.
    return sum(sum(map(int, _stat(member)[11:15])) for member in family(pid)) / TICK


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: what comes before may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50
