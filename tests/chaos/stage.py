"""The processes of a run: PostgreSQL, the gateway, the API and the workers, each of which may be killed at any time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.gateway_client import SandboxGateway
from sandbox.gateway_ledger import Entry
from sandbox.parent_death_signal import die_with_parent
from sandbox.postgres import EmbeddedPostgres
from sandbox.supervisor import ROOT
from tests.acceptance.launcher import free_port
from tests.chaos import history
from tests.chaos.facts import Event, Settings
from tests.chaos.gateway import read
from tests.chaos.people import API_KEY
from tests.chaos.proxy import Proxy
from tests.database import Housekeeper, migrate

TOKEN = "right"
HOST = "127.0.0.1"
START_PATIENCE = 60.0
"""Seconds until the API must have answered once."""


class Program:
    """A process that can be started again. Its output is added to one log."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._ordered_to_end = False
        self._said_before = 0
        self.frozen = False

    @property
    def signature(self) -> str:
        """The beginning of the name that a worker signs its claims with."""
        return f"{self.name}-{self.pid}-"

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process, "it has been started"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether there is a process, be it frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_started(self) -> bool:
        """Whether it has said that it is ready."""
        return b"worker.started" in self.log.read_bytes()[self._said_before :]

    @property
    def at_work(self) -> bool:
        """Whether it runs, and nothing has been done to it."""
        return self.runs and not self.frozen and not self._ordered_to_end

    @property
    def ended_by_itself(self) -> int | None:
        """The exit status of a process that nobody had told to end."""
        if self._process is None or self._ordered_to_end:
            return None
        return self._process.poll()

    def start(self) -> None:
        """Starts it. It must not run."""
        assert not self.runs, f"{self.name} runs already"
        self.frozen = self._ordered_to_end = False
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                die_with_parent(self._command, signal.SIGKILL),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def freeze(self) -> None:
        """Stops it as a machine that hangs does: it knows nothing of it."""
        self.frozen = True
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self.frozen = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Asks it to stop."""
        self._ordered_to_end = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Ends it here and now, with all its children."""
        self._ordered_to_end = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """The exit status. Raises subprocess.TimeoutExpired."""
        assert self._process, "it has been started"
        return self._process.wait(seconds)


class Stage:
    """Starts everything but the API and the workers; as a context manager, it ends everything.

    To be used from the thread that makes it: Linux ends the processes when that one ends.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        settings: Settings | None = None,
        worker_command: Sequence[str] = ("-m", "worker"),
    ) -> None:
        """`worker_command` is what Python is called with. The logs go to `folder`."""
        self.folder = folder
        self.settings = settings or Settings()
        self.events: list[Event] = []
        self.postgres = EmbeddedPostgres(folder / "data", durable=False)
        self.token_file = folder / "token"
        self.ledger_file = folder / "gateway.jsonl"
        """The gateway's ledger: it outlives its process."""
        self._api_port = free_port()
        self.api_url = f"http://{HOST}:{self._api_port}"
        self._worker_command = worker_command
        self._count = workers
        self.proxies: list[Proxy] = []
        self.workers: list[Program] = []

    def __enter__(self) -> Self:
        try:
            self.postgres.start()
            history.keep_commit_times(self.postgres.url)
            self.postgres.restart()
            migrate(self.postgres.url)
            history.install(self.postgres.url)
            self._gateway_port = _hold_port()
            self.start_gateway(TOKEN)
            self.write_token(TOKEN)
            self.proxies = [Proxy(self.postgres.url) for _ in range(self._count)]
            self.workers = self.make_workers(self._worker_command)
            self.api = Program("api", self._api_command(), self._environment(), self.folder / "api.log")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in (*self.workers, *([self.api] if hasattr(self, "api") else [])):
            program.kill()
        for proxy in self.proxies:
            proxy.close()
        if hasattr(self, "gateway"):
            self.gateway.kill()
        if hasattr(self, "_gateway_port"):
            self._gateway_port.close()
        self.postgres.stop("immediate")

    def make_workers(self, command: Sequence[str], settings: Settings | None = None) -> list[Program]:
        """Workers that run this command, one behind each proxy; not started yet."""
        return [
            Program(
                f"rig-{number}",
                [sys.executable, *command],
                self._worker_environment(f"rig-{number}", proxy, settings or self.settings),
                self.folder / f"worker-{number}.log",
            )
            for number, proxy in enumerate(self.proxies, 1)
        ]

    def start_gateway(self, token: str) -> None:
        """Starts the gateway, on the port that it had before; it behaves. Another one must not run."""
        program = ("-m", "tests.chaos.gateway", "--ledger", str(self.ledger_file))
        self.gateway = SandboxGateway.start(token, self._gateway_port.getsockname()[1], program)

    def requests(self) -> list[Entry]:
        """What the gateway has seen, refused requests included, whether it runs or not."""
        return read(self.ledger_file)

    def start_api(self) -> None:
        """Starts the API and waits until it answers. Raises AssertionError when it does not."""
        self.api.start()
        deadline = time.monotonic() + START_PATIENCE
        while True:
            if self.api_answers():
                return
            assert self.api.runs, self.api.log.read_text()
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.05)

    def api_answers(self) -> bool:
        """Whether the API is there."""
        try:
            with socket.create_connection((HOST, self._api_port), timeout=5):
                return True
        except OSError:
            return False

    def write_token(self, token: str) -> None:
        """Gives the workers a token, when they read it the next time."""
        self.token_file.write_text(token)

    def connect(self, name: str = "rig") -> Connection:
        """A connection to the database, in autocommit, that calls itself `name`."""
        connection = psycopg2.connect(self.postgres.url, application_name=name, connect_timeout=5)
        connection.autocommit = True
        return connection

    def note(self, what: str, who: str = "", detail: str = "") -> None:
        """Writes down what happens now."""
        event = Event(time.time(), what, who, detail)
        self.events.append(event)
        with (self.folder / "driver.log").open("a") as log:
            print(*event, file=log)

    def forget(self) -> None:
        """As if nothing had happened: empty tables and ledgers. No worker may run."""
        with contextlib.closing(Housekeeper(self.postgres.url)) as housekeeper:
            housekeeper.empty()
        history.start_over(self.postgres.url)
        for proxy in self.proxies:
            proxy.mend()
        self.write_token(TOKEN)
        self.gateway.clear()
        os.truncate(self.ledger_file, 0)
        self.events.clear()

    def _api_command(self) -> list[str]:
        address = f"{HOST}:{self._api_port}"
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "--bind", address]
        return [*gunicorn, "--workers", "1", "api:create_app()"]

    def _worker_environment(self, name: str, proxy: Proxy, settings: Settings) -> dict[str, str]:
        seconds = {
            "GATEWAY_CONNECT_TIMEOUT": min(1.0, settings.gateway_timeout),
            "GATEWAY_TIMEOUT": settings.gateway_timeout,
            "LEASE_SECONDS": settings.lease_seconds,
            "WORKER_POLL_SECONDS": settings.poll_seconds,
            "WORKER_STOP_SECONDS": settings.stop_seconds,
            "RETRY_BASE_SECONDS": settings.retry_base_seconds,
            "RETRY_MAX_SECONDS": settings.retry_max_seconds,
            "RETRY_AFTER_MAX_SECONDS": settings.retry_after_max_seconds,
        }
        return {
            **self._environment(),
            **{setting: str(value) for setting, value in seconds.items()},
            "DATABASE_URL": proxy.url,
            "GATEWAY_URL": self.gateway.url,
            "GATEWAY_TOKEN_FILE": str(self.token_file),
            "GATEWAY_RATE": str(settings.gateway_rate),
            "MAX_ATTEMPTS": str(settings.max_attempts),
            "WORKER_CONCURRENCY": str(settings.concurrency),
            "LAUNCH_CHUNK": str(settings.launch_chunk),
            "WORKER_NAME": name,
        }

    def _environment(self) -> dict[str, str]:
        ours = ("GATEWAY_", "DATABASE_", "WORKER_", "API_", "LEASE_", "RETRY_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        own = {"DATABASE_URL": self.postgres.url, "API_KEY": API_KEY}
        return {**inherited, **own, "PYTHONUNBUFFERED": "1", "LOG_FORMAT": "text"}


def _hold_port() -> socket.socket:
    """A port that is bound and not listened on: whoever knows it can listen there, and the system gives it to nobody
    while it is refused.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    return held
