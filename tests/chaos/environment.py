"""The processes of a run: PostgreSQL, gateways, the API and the workers, each of which may be killed at any time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.postgres import EmbeddedPostgres
from sandbox.simulated_gateway.client import SandboxGateway
from shared.gateways.base import DEFAULT_GATEWAY
from tests import commands
from tests.chaos import row_history
from tests.chaos.api_mutants import APP
from tests.chaos.api_users import API_KEY
from tests.chaos.facts import AskedFor, Event, ReportedReceipt, Request, Settings
from tests.chaos.gateways import ACCOUNTS, CREDENTIALS_KEY, HOST, NETWORK, TOKEN, SimulatedGateway, add_accounts
from tests.commands import RunningCommand
from tests.database import DatabaseCleaner, migrate
from tests.fault_proxy import FaultProxy
from tests.ports import free_port

WORKER = ("tests.chaos.mutants", "unmodified")
"""The arguments of `python -m` for a worker without a fault, which waits for less time before look-ups."""

START_PATIENCE = 60.0
"""Seconds until the API must listen."""


class Program:
    """A process that can be started again. Its output is added to one log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        ready: bytes,
        start: commands.Start = commands.start,
    ) -> None:
        """`command` has the arguments of `python -m`; `ready` is what it logs when it is ready."""
        self.name = name
        self.log = log
        self._ready = ready
        self._start = start
        self._command = command
        self._environment = environment
        self._process: RunningCommand | None = None
        self._stop_requested = False
        self._log_start = 0
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
    def is_ready(self) -> bool:
        """Whether it has logged that it is ready."""
        return self._ready in self.log.read_bytes()[self._log_start :]

    @property
    def available(self) -> bool:
        """Whether it runs, is not frozen and has not been asked to stop."""
        return self.runs and not self.frozen and not self._stop_requested

    @property
    def ended_by_itself(self) -> int | None:
        """The exit status of a process that ended without having been asked to stop."""
        if self._process is None or self._stop_requested:
            return None
        return self._process.poll()

    def start(self) -> None:
        """Starts it. It must not run."""
        assert not self.runs, f"{self.name} runs already"
        self.frozen = self._stop_requested = False
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._start(self._command, self._environment, log, signal.SIGKILL, own_session=True)

    def freeze(self) -> None:
        """SIGSTOP: it stands still and does not know it."""
        self.frozen = True
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.frozen = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM."""
        self._stop_requested = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, for its children too."""
        self._stop_requested = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """The exit status. Raises subprocess.TimeoutExpired."""
        assert self._process, "it has been started"
        return self._process.wait(seconds)


class Environment:
    """Starts everything but the API and the workers; as a context manager, it stops everything at the end.

    To be used from the thread that makes it: Linux kills the server and the gateways when that thread ends.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        settings: Settings | None = None,
        worker_command: Sequence[str] = WORKER,
        copy_migrated: Callable[[Path], object] | None = None,
        wrong_clocks: Mapping[int, float] = {},
    ) -> None:
        """`worker_command` has the arguments of `python -m`. The logs go to `folder`. `wrong_clocks` are the seconds by
        which clocks of workers are fast, by their numbers.

        `copy_migrated` makes a data folder whose database is migrated already, which saves the time of initdb and of
        the migrations.
        """
        self.folder = folder
        self.settings = settings or Settings()
        self.events: list[Event] = []
        self._copy_migrated = copy_migrated
        self._wrong_clocks = wrong_clocks
        self.postgres = EmbeddedPostgres(folder / "data", durable=False)
        self.token_file = folder / "token"
        self.gateways: dict[str, SimulatedGateway] = {}
        """Those that have been started, by name."""
        self._api_address = f"{HOST}:{free_port()}"
        self.api_url = f"http://{self._api_address}"
        self._worker_command = worker_command
        self._count = workers
        self.proxies: list[FaultProxy] = []
        self._opened = contextlib.ExitStack()
        self.workers: list[Program] = []

    def __enter__(self) -> Self:
        try:
            if self._copy_migrated:
                self._copy_migrated(self.postgres.folder)
            self.postgres.start()
            row_history.track_commit_times(self.postgres.url)
            self.postgres.restart()
            if not self._copy_migrated:
                migrate(self.postgres.url)
            row_history.install(self.postgres.url)
            self._start_gateway(DEFAULT_GATEWAY)
            self.write_token(TOKEN)
            self.proxies = [self._opened.enter_context(FaultProxy(self.postgres.url)) for _ in range(self._count)]
            self.workers = self.make_workers(self._worker_command)
            for number, error in self._wrong_clocks.items():
                self.workers[number - 1] = self._make_worker_with_wrong_clock(number, error)
            self.api = self._make_api(APP)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in (*self.workers, *([self.api] if hasattr(self, "api") else [])):
            program.kill()
        self._opened.close()
        for gateway in self.gateways.values():
            gateway.close()
        self.postgres.stop("immediate")

    def make_workers(self, command: Sequence[str], settings: Settings | None = None) -> list[Program]:
        """Workers that run this command, each behind a proxy of its own; not started yet."""
        return [
            Program(
                f"chaos-{number}",
                command,
                self._worker_environment(f"chaos-{number}", proxy, settings or self.settings),
                self.folder / f"worker-{number}.log",
                ready=b"worker.started",
            )
            for number, proxy in enumerate(self.proxies, 1)
        ]

    def _make_worker_with_wrong_clock(self, number: int, error: float) -> Program:
        name = f"chaos-{number}"
        return Program(
            name,
            ["tests.chaos.wrong_clock_worker", *self._worker_command[1:]],
            {**self._worker_environment(name, self.proxies[number - 1], self.settings), "CLOCK_ERROR": str(error)},
            self.folder / f"worker-{number}.log",
            ready=b"worker.started",
            start=commands.start_cold,
        )

    @property
    def gateway(self) -> SandboxGateway:
        """Sets the faults of the gateway `default`."""
        return self.gateways[DEFAULT_GATEWAY].client

    def add_gateways(self) -> dict[str, int]:
        """Starts the other gateways too, and adds their rows. Answers the ids of all by name. No worker may run."""
        for account in ACCOUNTS:
            if account.name not in self.gateways:
                self._start_gateway(account.name)
        with contextlib.closing(self.connect()) as connection:
            return add_accounts(connection, list(self.gateways.values()), self.settings.gateway_rate)

    def requests(self) -> list[Request]:
        """The submissions that the gateways have received, refused ones included, whether they run or not."""
        return [request for gateway in self.gateways.values() for request in gateway.requests()]

    def look_ups(self) -> list[AskedFor]:
        """The look-ups that the gateways have received."""
        return [look_up for gateway in self.gateways.values() for look_up in gateway.look_ups()]

    def receipts(self) -> list[ReportedReceipt]:
        """The receipts that the gateways report."""
        return [receipt for gateway in self.gateways.values() for receipt in gateway.receipts()]

    def verify(self) -> None:
        """Has the ledger verified by the command for administrators, and records its exit status."""
        command = ["flask", "--app", "api", "verify"]
        with (self.folder / "verify.log").open("ab") as log:
            status = commands.start(command, self._environment(), log, signal.SIGKILL).wait()
        self.note("verify", detail=str(status))

    def start_api(self, app: str = APP) -> None:
        """Starts the API and waits until it listens. Raises AssertionError when it does not."""
        self.api = self._make_api(app)
        self.api.start()
        deadline = time.monotonic() + START_PATIENCE
        while not self.api.is_ready:
            assert self.api.runs, self.api.log.read_text()
            assert time.monotonic() < deadline, "the API does not listen"
            time.sleep(0.05)

    def write_token(self, token: str) -> None:
        """Writes the token that workers read next."""
        self.token_file.write_text(token)

    def connect(self, name: str = "chaos") -> Connection:
        """A connection to the database, in autocommit, with `name` as its application_name."""
        connection = psycopg2.connect(self.postgres.url, application_name=name, connect_timeout=5)
        connection.autocommit = True
        return connection

    def note(self, what: str, who: str = "", detail: str = "") -> None:
        """Records an event that happens now."""
        event = Event(time.time(), what, who, detail)
        self.events.append(event)
        with (self.folder / "driver.log").open("a") as log:
            print(*event, file=log)

    def reset(self) -> None:
        """Empties the tables and both ledgers, ends every fault, and kills the API. No worker may run."""
        self.api.kill()
        with contextlib.closing(DatabaseCleaner(self.postgres.url)) as cleaner:
            cleaner.empty()
        row_history.clear(self.postgres.url)
        for proxy in self.proxies:
            proxy.restore()
        self.write_token(TOKEN)
        for gateway in self.gateways.values():
            gateway.clear()
        self.events.clear()

    def _start_gateway(self, name: str) -> None:
        self.gateways[name] = SimulatedGateway(name, self.folder)
        self.gateways[name].start()

    def _make_api(self, app: str) -> Program:
        bind = ["--bind", self._api_address, "--workers", "1"]
        command = ["gunicorn", "--config", "python:api.gunicorn", *bind, app]
        return Program("api", command, self._environment(), self.folder / "api.log", ready=b"Listening at")

    def _worker_environment(self, name: str, proxy: FaultProxy, settings: Settings) -> dict[str, str]:
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
        ours = ("GATEWAY_", "DATABASE_", "WORKER_", "API_", "LEASE_", "RETRY_", "CREDENTIALS_", "PUBLIC_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        own = {
            "DATABASE_URL": self.postgres.url,
            "API_KEY": API_KEY,
            "CREDENTIALS_KEY": CREDENTIALS_KEY,
            "PUBLIC_URL": self.api_url,
            "GATEWAY_ALLOWED_NETWORKS": NETWORK,
        }
        return {**inherited, **own, "PYTHONUNBUFFERED": "1", "LOG_FORMAT": "text"}
