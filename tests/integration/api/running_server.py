"""The API as it is served: gunicorn and its processes, on a port of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import commands
from tests.commands import RunningCommand, Start
from tests.integration.api.calls import API_KEY
from tests.ports import free_port

COMMAND = ["gunicorn", "--config", "python:api.gunicorn", "api:create_app()"]
START_PATIENCE = 60.0


class Served(NamedTuple):
    """A running API."""

    port: int
    process: RunningCommand
    host: str

    def workers(self) -> set[int]:
        """The numbers of the processes that serve."""
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection((self.host, self.port), timeout=START_PATIENCE)

    def send(self, request: bytes) -> bytes:
        """All that the server answers to these very bytes until it closes the connection."""
        with self.connect() as wire:
            wire.sendall(request)
            return everything(wire)


def everything(wire: socket.socket) -> bytes:
    """What comes until the other side closes."""
    came = b""
    while data := wire.recv(65_536):
        came += data
    return came


@contextmanager
def served(
    database_url: str, log: Path | None = None, start: Start = commands.start, /, **settings: str
) -> Iterator[Served]:
    """The API with these settings; it listens when this begins."""
    port = free_port()
    own = {"DATABASE_URL": database_url, "API_PORT": str(port), "API_KEY": API_KEY, **settings}
    host = settings.get("API_HOST", "127.0.0.1")
    with (log or Path(os.devnull)).open("ab") as output:
        process = start(COMMAND, os.environ | own, output, signal.SIGTERM)
    try:
        deadline = time.monotonic() + START_PATIENCE
        while True:
            try:
                socket.create_connection((host, port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not listen"
                time.sleep(0.05)
        yield Served(port, process, host)
    finally:
        process.terminate()
        process.wait(START_PATIENCE)
