"""The API as `make run` starts it, on an embedded PostgreSQL that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.addresses import free_port
from sandbox.leash import leashed
from sandbox.postgres import embedded_postgres
from shared.errors import GonetsError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".data" / "benchmarks"
"""On a real disk: a temporary folder may lie in memory, where nothing is durable."""
API_KEY = "a-key-of-this-benchmark"
AUTHORIZATION = f"Bearer {API_KEY}"
_SETTINGS = {"LOG_LEVEL": "WARNING", "API_KEY": API_KEY, "API_RATE": "0"}
PATIENCE = 60.0
"""Seconds until the server must have answered once."""


@contextlib.contextmanager
def database() -> Iterator[str]:
    """A durable PostgreSQL with Gonets's tables; yields its URL."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="api-", dir=FOLDER) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL is another user when root starts it
        with embedded_postgres(Path(folder) / "postgres") as url:
            subprocess.run(
                [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": url},
                check=True,
                capture_output=True,
            )
            yield url


class Server:
    """A gunicorn: where it listens, and which process it is."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid

    def workers(self) -> list[int]:
        """The processes that answer."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def memory(self) -> list[float]:
        """Of each process that answers, its most memory so far and its memory now, resident, in MB; the largest."""
        return max(_memory(pid) for pid in self.workers())


@contextlib.contextmanager
def serve(application: str, url: str, **environment: str) -> Iterator[Server]:
    """Serves a WSGI application (`module:call()`) with the API's gunicorn settings."""
    port = free_port(8300)
    command: Sequence[str] = (sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", application)
    process = subprocess.Popen(
        leashed(command, signal.SIGTERM),
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "API_PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "API_KEY": API_KEY,
            "API_RATE": "0",
            **environment,
        },
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port, process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise GonetsError("The API does not start: run `make run` to see why.") from None
            time.sleep(0.1)
        else:
            return


def _memory(pid: int) -> list[float]:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith(("VmHWM", "VmRSS"))}
    return [kilobytes["VmHWM"] / 1024, kilobytes["VmRSS"] / 1024]
