"""Commands of the project as processes of their own, which tests start, signal, kill and wait for.

Most of them are forks of one process that has the libraries imported already (tests/fork_server.py), which takes most
of the time of a start. A cold start is for tests of the start itself, and of what a fork shares with that process.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Protocol

from sandbox.parent_death_signal import die_with_parent
from tests.database import ROOT


class RunningCommand(Protocol):
    """What `subprocess.Popen` can do, for those that it has not started."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Start(Protocol):
    """What starts a command: `start` or `start_cold`."""

    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: IO[bytes],
        on_orphaned: signal.Signals,
        /,
        *,
        folder: Path = ROOT,
        own_session: bool = False,
    ) -> RunningCommand: ...


class ForkedCommand:
    """A process that the fork server has forked; with the methods of `subprocess.Popen`, for one thread at a time."""

    def __init__(self, command: Sequence[str], pid: int, end: socket.socket) -> None:
        """On the socket comes its exit status."""
        self._command = command
        self.pid = pid
        self._end = end
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, the negative number of a signal that ended it; none while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its exit status; subprocess.TimeoutExpired after so many seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return status

    def send_signal(self, sig: int) -> None:
        """Does nothing if it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self._status is None and select.select([self._end], [], [], timeout)[0]:
            # Nothing comes if the server has ended: then this was killed.
            self._status = int(self._end.recv(16) or -signal.SIGKILL)
            self._end.close()
        return self._status


class ForkServer:
    """The process that forks."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        self._one_asks = threading.Lock()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-m", "tests.fork_server", str(number)]
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
            )

    def fork(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        outputs: tuple[int, int],
        on_orphaned: signal.Signals,
        *,
        own_session: bool = False,
    ) -> ForkedCommand:
        """Starts `python -m command` in ROOT; the outputs are the file descriptors of stdout and stderr."""
        end, theirs = socket.socketpair()
        request = json.dumps([command, dict(environment), on_orphaned, own_session]).encode() + b"\n"
        with theirs, self._one_asks:
            sent = socket.send_fds(self._requests, [request], [*outputs, theirs.fileno()])
            self._requests.sendall(request[sent:])
            theirs.close()
            pid = b""
            while not pid.endswith(b"\n"):  # byte by byte: the exit status may follow
                came = end.recv(1)
                assert came, "the fork server has ended"
                pid += came
        return ForkedCommand(command, int(pid), end)

    def close(self) -> None:
        """Ends it, and what it has started and still runs."""
        self._requests.close()
        self._process.wait()


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes],
    on_orphaned: signal.Signals,
    *,
    folder: Path = ROOT,
    own_session: bool = False,
) -> RunningCommand:
    """Starts `python -m command` in that folder, with this environment alone and no input; both outputs go to the file.

    It receives `on_orphaned` when the tests end without having stopped it. With `own_session` it leads a session and a
    process group of its own.
    """
    if folder != ROOT or _coverage_is_measured():
        return start_cold(command, environment, output, on_orphaned, folder=folder, own_session=own_session)
    outputs = output.fileno(), output.fileno()
    return _fork_server().fork(command, environment, outputs, on_orphaned, own_session=own_session)


def start_cold(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes],
    on_orphaned: signal.Signals,
    *,
    folder: Path = ROOT,
    own_session: bool = False,
) -> RunningCommand:
    """The same, with all that the command has to import."""
    return subprocess.Popen(
        die_with_parent([sys.executable, "-m", *command], on_orphaned),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=own_session,
    )


def run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs `python -m command` in ROOT, with this environment alone and no input, until it ends."""
    if _coverage_is_measured():
        words = [sys.executable, "-m", *command]
        return subprocess.run(
            words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        outputs = stdout.fileno(), stderr.fileno()
        status = _fork_server().fork(command, environment, outputs, signal.SIGKILL).wait()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(command, status, stdout.read().decode(), stderr.read().decode())


def _coverage_is_measured() -> bool:
    """By `make coverage`, whose measurement begins when a process starts and not when it forks."""
    return "COVERAGE_PROCESS_CONFIG" in os.environ


_ONE_STARTS = threading.Lock()


def _fork_server() -> ForkServer:
    """One for all commands, started for the first one."""
    with _ONE_STARTS:
        return _started()


@cache
def _started() -> ForkServer:
    server = ForkServer()
    atexit.register(server.close)
    return server
