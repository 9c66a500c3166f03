"""Child processes of a benchmark, and what processes cost: CPU time and memory from /proc (proc_pid_stat(5))."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import requests

from sandbox.logs import reason_in
from sandbox.parent_death_signal import die_with_parent
from shared.errors import ConfigurationError, GonetsError

ROOT = Path(__file__).resolve().parent.parent
"""Where children run unless told otherwise: the packages are run in place."""
TICK = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second: the unit of CPU time in /proc."""
START_PATIENCE, STOP_PATIENCE = 60.0, 20.0
"""Seconds until a child must have started, and from SIGTERM to SIGKILL."""
LOOK_INTERVAL = 0.1
"""Seconds between two looks at the memory."""


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
        self._wait_until(lambda: word in self._log.read_bytes(), f"did not write {word.decode()!r}")

    def wait_until_it_answers(self, url: str) -> None:
        """Waits for a server. Raises GonetsError with its own words when it has ended."""

        def answers() -> bool:
            with contextlib.suppress(requests.RequestException):
                return requests.get(url, timeout=1).ok
            return False

        self._wait_until(answers, "does not answer")

    def _wait_until(self, ready: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise GonetsError(f"{self.name} {failure}: {reason_in(self._log)}")
            time.sleep(0.02)

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


def program(name: str, advice: str, elsewhere: str = "") -> str:
    """A program's path, also of a folder that PATH does not have. Raises ConfigurationError when it is missing."""
    path = shutil.which(name) or shutil.which(name, path=elsewhere)
    if path is None:
        raise ConfigurationError(f"{name} is missing; {advice}")
    return path


@contextlib.contextmanager
def together(children: Sequence[Child]) -> Iterator[None]:
    """Ends children all at once: leaving one after another would wait for each."""
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.enter_context(child)
        yield
        for child in children:
            child.terminate()


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


@contextlib.contextmanager
def most_memory(*groups: Sequence[int | None]) -> Iterator[list[int]]:
    """The most bytes, while the block lasts, of a process of each group and of what these started. None is nobody.

    The first of several processes counts only if it works itself: what a server starts has its own memory and its
    first process' too.
    """
    most, over = [0] * len(groups), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_INTERVAL):
            for place, pids in enumerate(groups):
                families = [family(pid) for pid in pids if pid]
                held = [memory(pid) for members in families for pid in members[len(members) > 1 :]]
                most[place] = max(most[place], *held, 0)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
        time.sleep(2 * LOOK_INTERVAL)  # for a last look
    finally:
        over.set()
        watching.join()


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
