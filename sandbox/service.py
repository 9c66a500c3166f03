"""The whole service on one machine: what runs, where, with which environment, and in which order."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg2
import requests

from sandbox.addresses import authority, free_port, is_free, reachable
from sandbox.api_key import load_or_create_key
from sandbox.logs import begin_log, reason_in
from sandbox.parent_death_signal import die_with_parent
from sandbox.postgres import EmbeddedPostgres
from sandbox.settings import LauncherSettings
from sandbox.supervisor import ROOT, Job, Supervisor
from sandbox.terminal import Terminal, brief
from shared.database import libpq_url
from shared.database_errors import explain
from shared.errors import ConfigurationError, GonetsError
from worker.gateway_token import Token

START_PATIENCE = 60.0
"""Seconds until the API and the simulated gateway must have answered once."""
TEND_INTERVAL = 0.2
API_SECRETS = ("API_KEY", "SECRET_KEY", "OIDC_ISSUER", "OIDC_CLIENT_SECRET")
"""The issuer goes where its secret goes: alone it is a wrong setting, to the migrations too."""
WORKER_SECRETS = ("GATEWAY_PROXY", "SMTP_PASSWORD", "SMTP_PASSWORD_FILE")
SECRETS = ("DATABASE_URL", "GATEWAY_TOKEN", "GATEWAY_TOKEN_FILE", *API_SECRETS, *WORKER_SECRETS)
"""URLs are among them because of the passwords that may be in them."""


class Service:
    """PostgreSQL, the migrations, the gateway, the API and the workers: started in this order, stopped in reverse.

    What the settings give an address for is used, and not started.
    """

    def __init__(self, settings: LauncherSettings, terminal: Terminal) -> None:
        """Raises ConfigurationError when the API's address is taken or there is no token for a real gateway.

        The token may be asked for at the terminal.
        """
        self._settings = settings
        self._terminal = terminal
        self._data = (ROOT / settings.data_dir).resolve()
        self._supervisor = Supervisor(self.logs, terminal.say)
        self._postgres: EmbeddedPostgres | None = None
        self.database_url = settings.database_url or ""
        self.gateway_url = settings.gateway_url or ""
        self.api_url = f"http://{authority(reachable(settings.api_host), settings.api_port)}"
        self._check_api_address()
        self._token = self._find_token()
        self.api_key = settings.api_key or ""
        self.stop_asked = False
        """Whether a signal has asked us to stop. Python drops what a signal's handler raises while an object is being
        removed, so `supervise` raises it again."""

    @property
    def logs(self) -> Path:
        """The folder of the log files, one a process."""
        return self._data / "logs"

    @property
    def key_file(self) -> Path | None:
        """Where the API's key is kept, if it is not the environment's."""
        return None if self._settings.api_key else self._data / "api-key"

    @property
    def simulates_gateway(self) -> bool:
        """Whether messages go to a simulation, and to nobody's phone."""
        return self._settings.gateway_url is None

    def start(self) -> None:
        """Starts everything, and says so line by line; returns when the API answers.

        Raises ConfigurationError and GonetsError with one sentence for the person at the terminal.
        """
        self._start_database()
        self._migrate()
        if self.key_file:
            self.api_key = load_or_create_key(self.key_file)
        if self.simulates_gateway:
            self._start_gateway()
        else:
            self._terminal.tick(f"Gateway at {self.gateway_url}")
        self._start_api()
        self._start_workers()

    def supervise(self, seconds: float = 0.0) -> None:
        """Looks after everything once, or for that many seconds: what died is started again.

        Raises KeyboardInterrupt once it is asked to stop.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self.stop_asked:
                raise KeyboardInterrupt
            if self._postgres and self._postgres.pid is None:
                self._terminal.say("PostgreSQL ended; it starts again.")
                self._postgres.start()
            self._supervisor.supervise()
            if time.monotonic() >= deadline:
                return
            time.sleep(TEND_INTERVAL)

    def stop(self) -> None:
        """Stops everything: the workers first, so that they record what they have in flight, PostgreSQL last."""
        self._supervisor.stop()
        if self._postgres:
            self._postgres.stop()

    def kill(self) -> None:
        """Hurries a `stop`, which it may interrupt: nobody is waited for, and PostgreSQL recovers at its next start."""
        self._supervisor.kill()
        if self._postgres and (pid := self._postgres.pid):
            os.kill(pid, signal.SIGQUIT)

    def _check_api_address(self) -> None:
        host, port = self._settings.api_host, self._settings.api_port
        try:
            if is_free(host, port):
                return
        except OSError as error:
            raise ConfigurationError(f"API_HOST={host} with API_PORT={port}: {error.strerror}.") from error
        raise ConfigurationError(
            f"API_PORT: port {port} is taken. Stop what listens there, or choose another: API_PORT={port + 1} make run"
        )

    def _find_token(self) -> dict[str, str]:
        settings = self._settings
        if settings.gateway_url is None:
            return {"GATEWAY_TOKEN": settings.gateway_token or secrets.token_urlsafe(32)}
        token = Token(settings.gateway_token, settings.gateway_token_file)
        if settings.gateway_token_file:  # which a worker reads again when the gateway refuses what was in it
            return {"GATEWAY_TOKEN_FILE": settings.gateway_token_file}
        return {"GATEWAY_TOKEN": token.value}

    def _start_database(self) -> None:
        if self.database_url:
            try:
                psycopg2.connect(libpq_url(self.database_url), connect_timeout=5).close()
            except psycopg2.OperationalError as error:
                raise ConfigurationError(f"DATABASE_URL: the database can't be reached: {explain(error)}") from None
            # Not before: it brings the whole API with it, which takes longer to import than the launcher.
            from api.database_url import database_url

            shown = database_url(self.database_url).set(drivername="postgresql").render_as_string()
            self._terminal.tick(f"Database {shown}")
            return
        self._terminal.pass_by("Starting PostgreSQL…")
        log = self.logs / "postgres.log"
        begin_log(log)
        self._postgres = EmbeddedPostgres(self._data / "postgres", log=log)
        self._postgres.start()
        self.database_url = self._postgres.url
        self._terminal.tick(f"PostgreSQL 18 in {brief(self._postgres.folder)}")

    def _migrate(self) -> None:
        self._terminal.pass_by("Bringing the tables up to date…")
        command = [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade"]
        log = self.logs / "migrations.log"
        begin_log(log)
        with log.open("wb") as output:
            done = subprocess.run(  # noqa: S603
                die_with_parent(command, signal.SIGTERM),
                cwd=ROOT,
                env=_environment({"DATABASE_URL": self.database_url}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            raise GonetsError(f"The tables can't be brought up to date: {reason_in(log)} (More in {brief(log)}.)")

    def _start_gateway(self) -> None:
        port = free_port(self._settings.gateway_port)
        self.gateway_url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sandbox.gateway", "--host", "127.0.0.1", "--port", str(port)]
        self._supervisor.start(Job("gateway", "gateway", command, _environment(self._token)))
        self._wait_for("gateway", "simulated gateway", f"{self.gateway_url}/_/summary")
        self._terminal.tick(f"Simulated gateway on {self.gateway_url}")

    def _start_api(self) -> None:
        address = authority(self._settings.api_host, self._settings.api_port)
        command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "--bind", address]
        command.append("api:create_app()")
        environment = _environment({"DATABASE_URL": self.database_url, **_given(API_SECRETS), "API_KEY": self.api_key})
        self._supervisor.start(Job("api", "api", command, environment))
        self._wait_for("api", "API", f"{self.api_url}/healthz")
        self._terminal.tick(f"API on {self.api_url}")

    def _start_workers(self) -> None:
        addresses = {"DATABASE_URL": self.database_url, "GATEWAY_URL": self.gateway_url}
        environment = _environment({**addresses, **self._token, **_given(WORKER_SECRETS)})
        for number in range(1, self._settings.workers + 1):
            self._supervisor.start(Job("worker", f"worker-{number}", [sys.executable, "-m", "worker"], environment))
        self._terminal.tick(f"{self._settings.workers} worker{'s' * (self._settings.workers != 1)}")

    def _wait_for(self, name: str, title: str, url: str) -> None:
        """Waits until the job `name` answers at `url`. Raises GonetsError when it ends, or doesn't in time."""
        self._terminal.pass_by(f"Waiting for the {title}…")
        deadline = time.monotonic() + START_PATIENCE
        with requests.Session() as session:
            session.trust_env = False
            while True:
                try:
                    if session.get(url, timeout=5).ok:
                        return
                except requests.RequestException:
                    pass
                if end := self._supervisor.ended(name):
                    raise GonetsError(end)
                if time.monotonic() > deadline:
                    raise GonetsError(f"{url} does not answer; the log is {brief(self.logs / name)}.log.")
                time.sleep(0.1)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child. A secret is only in that of those who need it."""
    inherited = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**inherited, "PYTHONUNBUFFERED": "1", **more}


def _given(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
