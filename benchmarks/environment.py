"""What a benchmark runs in: a folder, a PostgreSQL, gateways, workers, the API, and lines on the terminal.

Workers and the API are started by the commands of the README, in a checkout that may be another one than this, with no
knowledge of its modules and tables.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests

from benchmarks import gateways, postgres
from benchmarks.gateways import Gateway
from benchmarks.processes import ROOT, Child, Meter, together
from sandbox.listen_addresses import free_port
from sandbox.terminal import Terminal
from shared.errors import GonetsError

FOLDER = ROOT / ".data" / "benchmarks"
"""On a real disk: a temporary folder may lie in memory, where nothing is durable."""
QUICK = {"WORKER_POLL_SECONDS": "0.05"}
"""For workers that are to begin at once, wherever waiting for the next look is not what is measured."""

Progress = Callable[[float, float], None]
"""Shows how much is done of how much."""


class Api(NamedTuple):
    """The running API; `headers` are those of an administrator."""

    port: int
    headers: dict[str, str]
    pid: int
    session: requests.Session

    def send(self, method: str, path: str, headers: Mapping[str, str] = {}, **content: Any) -> requests.Response:
        """Makes a call; `content` is what requests takes. Raises GonetsError when the answer is an error."""
        url, headers = f"http://127.0.0.1:{self.port}{path}", {**self.headers, **headers}
        answer = self.session.request(method, url, headers=headers, timeout=600, **content)
        if not answer.ok:
            raise GonetsError(f"{method} {path} was answered with {answer.status_code}: {answer.text[:200]}")
        return answer


class Environment:
    """What a benchmark is given; all of it is gone when the benchmark ends."""

    def __init__(self, folder: Path, server: postgres.Server, terminal: Terminal) -> None:
        self.folder = folder
        self.server = server
        self._terminal = terminal
        self.say = terminal.say

    def progress(self, title: str) -> Progress:
        """A line that is rewritten in place."""
        return lambda done, total: self._terminal.status_line(f"{title}: {done:,.0f} of {total:,.0f}")

    def new_folder(self, name: str) -> Path:
        """An empty folder, whose name begins so."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    @contextlib.contextmanager
    def gateway(self, latency: float = 0.0) -> Iterator[Gateway]:
        """A gateway that answers after so many seconds; nginx if at once."""
        with gateways.running(self.new_folder("gateway"), latency) as gateway:
            yield gateway

    @contextlib.contextmanager
    def workers(
        self, url: str, gateway: Gateway, count: int, settings: Mapping[str, str] = {}, *, root: Path = ROOT
    ) -> Iterator[list[int]]:
        """Workers of a checkout with default settings but for those given; yields their process ids."""
        folder, command = self.new_folder("workers"), [sys.executable, "-m", "worker"]
        where = {"DATABASE_URL": url, "GATEWAY_URL": gateway.url, "GATEWAY_TOKEN": "benchmark"}
        settings = {**where, "LOG_LEVEL": "INFO", "LOG_FORMAT": "text", **settings}
        logs = [folder / f"{place}.log" for place in range(count)]
        with together(workers := [Child("a worker", command, log, settings, root=root) for log in logs]):
            for worker in workers:
                worker.wait_for(b"started")
            yield [worker.pid for worker in workers]
        for worker in workers:
            worker.check()

    @contextlib.contextmanager
    def api(self, url: str, settings: Mapping[str, str] = {}, *, root: Path = ROOT) -> Iterator[Api]:
        """The API of a checkout, served as `make run` serves it."""
        key, port = secrets.token_urlsafe(24), free_port(8300)
        command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "api:create_app()"]
        # No limit of requests: it is the answers that are measured.
        settings = {"DATABASE_URL": url, "API_PORT": str(port), "API_KEY": key, "API_RATE": "0", **settings}
        with Child("the API", command, self.new_folder("api") / "log", settings, root=root) as child:
            child.wait_until_it_answers(f"http://127.0.0.1:{port}/healthz")
            yield Api(port, {"Authorization": f"Bearer {key}"}, child.pid, requests.Session())

    def meter(self, gateway: Gateway, **groups: list[int]) -> Meter:
        """Measures the CPU time of groups of processes, and of PostgreSQL (if it was started here) and the gateway."""
        server = [self.server.pid] if self.server.pid else []
        return Meter({**groups, "PostgreSQL": server, "gateway": [gateway.pid]})


@contextlib.contextmanager
def environment() -> Iterator[Environment]:
    """Prepares everything, and clears it away."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder, terminal = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER)), Terminal()
    folder.chmod(0o755)  # PostgreSQL's processes are another user's when root starts them
    try:
        with postgres.server(folder) as server:
            yield Environment(folder, server, terminal)
            terminal.clear()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
