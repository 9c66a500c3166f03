"""Other people's daemons as processes of a test, on free ports of 127.0.0.1, and the tools that they come from."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.database import ROOT
from tests.ports import HOST
from tests.required_tools import Tool
from tests.waiting import eventually

BEARERBOX = Tool("kannel", ("bearerbox",))
SMSBOX = Tool("kannel", ("smsbox",))
FAKESMSC = Tool("kannel-extras", ("/usr/lib/kannel/test/fakesmsc",))
RABBITMQ = Tool("rabbitmq-server", ("/usr/lib/rabbitmq/bin/rabbitmq-server",))
"""The program itself: the one in /usr/sbin becomes the user rabbitmq and runs in its own folders."""
EPMD = Tool("rabbitmq-server", ("epmd",))
"""Comes with what RabbitMQ depends on."""
REDIS = Tool("redis-server", ("redis-server",))

PYTHON = ROOT / ".venv-gateways" / "bin" / "python"
"""Has Jasmin."""


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a session of its own, whose every process ends with it; its output goes to `log`.

    With a `port` it is ready when something listens there.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **(environment or {})}, start_new_session=True
        )
    try:
        if port is not None:
            eventually(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, log.read_text(errors="replace")
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and all of its session."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
