"""The whole service on one machine: its processes, their environments, and the order of start and stop."""

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

from sandbox.api_key import load_or_create_key
from sandbox.failover_accounts import DEMO_ACCOUNTS, DEMO_TOKEN
from sandbox.listen_addresses import authority, free_port, is_free, reachable
from sandbox.logs import reason_in, rotate_log
from sandbox.parent_death_signal import die_with_parent
from sandbox.postgres import EmbeddedPostgres
from sandbox.settings import LauncherSettings
from sandbox.supervisor import ROOT, Job, Supervisor
from sandbox.terminal import Terminal, display_path
from shared.credentials import make_key_file
from shared.database import libpq_url
from shared.database_errors import explain
from shared.errors import ConfigurationError, GonetsError
from shared.gateways.allowed_addresses import SETTING as ALLOWED_NETWORKS
from worker.gateway_token import Token

START_TIMEOUT = 60.0
"""Seconds within which the API and the simulated gateway must respond."""
SUPERVISE_INTERVAL = 0.2
API_SECRETS = ("API_KEY", "SECRET_KEY", "OIDC_ISSUER", "OIDC_CLIENT_SECRET")
"""The issuer is passed on together with its secret: alone it is an invalid setting, for the migrations too."""
WORKER_SECRETS = ("GATEWAY_PROXY", "SMTP_PASSWORD", "SMTP_PASSWORD_FILE")
CREDENTIALS_KEYS = ("CREDENTIALS_KEY", "CREDENTIALS_KEY_FILE")
SECRETS = (
    "DATABASE_URL",
    "GATEWAY_TOKEN",
    "GATEWAY_TOKEN_FILE",
    *CREDENTIALS_KEYS,
    *API_SECRETS,
    *WORKER_SECRETS,
)
"""URLs are included because they may contain passwords."""


OWN_NETWORKS = "127.0.0.0/8,::1/128"
"""This machine: simulated gateways are here."""


class Service:
    """PostgreSQL, the migrations, the gateway, the API and the workers: started in this order, stopped in reverse.

    A database or gateway whose address is set is used and not started.
    """

    def __init__(self, settings: LauncherSettings, terminal: Terminal) -> None:
        """Raises ConfigurationError when the API's address is in use or there is no token for a real gateway.

        The token may be asked for at the terminal.
        """
        self._settings = settings
        self._terminal = terminal
        self._data = (ROOT / settings.data_dir).resolve()
        self._supervisor = Supervisor(self.logs, terminal.say)
        self._postgres: EmbeddedPostgres | None = None
        self.database_url = settings.database_url or ""
        self.gateway_url = settings.gateway_url or ""
        self.demo_urls: dict[str, str] = {}
        """The addresses of the simulated providers of the failover demonstration, by the name of the gateway."""
        self.api_url = f"http://{authority(reachable(settings.api_host), settings.api_port)}"
        self._check_api_address()
        self._token = self._find_token()
        self.api_key = settings.api_key or ""
        self.stop_requested = False
        """Whether a signal has requested a stop. Python discards what a signal handler raises while an object is
        finalized, so `supervise` raises it again."""

    @property
    def logs(self) -> Path:
        """The folder of the log files, one a process."""
        return self._data / "logs"

    @property
    def key_file(self) -> Path | None:
        """The file of the API key; None when the key comes from the environment."""
        return None if self._settings.api_key else self._data / "api-key"

    @property
    def _credentials_key(self) -> Path:
        """The file of the key that encrypts the credentials of gateways, unless a setting names another key."""
        return self._data / "credentials.key"

    @property
    def simulates_gateway(self) -> bool:
        """Whether messages go to the simulated gateway."""
        return self._settings.gateway_url is None

    def start(self) -> None:
        """Starts everything and prints a line for each step; returns when the API responds.

        Raises ConfigurationError and GonetsError with one sentence for the terminal.
        """
        self._start_database()
        if not _inherited(CREDENTIALS_KEYS):
            make_key_file(self._credentials_key)
        self._migrate()
        if self.key_file:
            self.api_key = load_or_create_key(self.key_file)
        if self.simulates_gateway:
            self._start_gateway()
        else:
            self._terminal.done(f"Gateway at {self.gateway_url}")
        if self._settings.failover_demo:
            for port, account in enumerate(DEMO_ACCOUNTS, self._settings.gateway_port + 1):
                token = {"GATEWAY_TOKEN": DEMO_TOKEN}
                self.demo_urls[account.gateway] = self._start_simulated_gateway(account.gateway, port, token)
        self._start_api()
        self._start_workers()

    def supervise(self, seconds: float = 0.0) -> None:
        """Restarts processes that have died: checks once, or repeatedly for that many seconds.

        Raises KeyboardInterrupt when a stop has been requested.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self.stop_requested:
                raise KeyboardInterrupt
            if self._postgres and self._postgres.pid is None:
                self._terminal.say("PostgreSQL stopped unexpectedly; restarting it.")
                self._postgres.start()
            self._supervisor.supervise()
            if time.monotonic() >= deadline:
                return
            time.sleep(SUPERVISE_INTERVAL)

    def stop(self) -> None:
        """Stops everything: the workers first, so that they record what is in flight, PostgreSQL last."""
        self._supervisor.stop()
        if self._postgres:
            self._postgres.stop()

    def kill(self) -> None:
        """Kills everything, also during a `stop`; PostgreSQL recovers at its next start."""
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
        if settings.gateway_token_file:  # a worker reads it again when the token is rejected
            return {"GATEWAY_TOKEN_FILE": settings.gateway_token_file}
        return {"GATEWAY_TOKEN": token.value}

    def _accounts(self) -> dict[str, str]:
        """What API and workers need for gateways: the key of credentials, networks where gateways may be, and the
        addresses for receipts and for recipients. Simulated gateways reach the API here.
        """
        key = _inherited(CREDENTIALS_KEYS) or {"CREDENTIALS_KEY_FILE": str(self._credentials_key)}
        public_url = os.environ.get("PUBLIC_URL") or self.api_url
        return {
            **key,
            ALLOWED_NETWORKS: os.environ.get(ALLOWED_NETWORKS, OWN_NETWORKS),
            "PUBLIC_URL": public_url,
            "OPT_OUT_URL": os.environ.get("OPT_OUT_URL") or f"{public_url}/u",
        }

    def _start_database(self) -> None:
        if self.database_url:
            try:
                psycopg2.connect(libpq_url(self.database_url), connect_timeout=5).close()
            except psycopg2.OperationalError as error:
                raise ConfigurationError(f"DATABASE_URL: the database cannot be reached: {explain(error)}") from None
            # Imported here: it loads the whole API, which takes longer than the launcher itself.
            from api.database_url import database_url

            shown = database_url(self.database_url).set(drivername="postgresql").render_as_string()
            self._terminal.done(f"Database {shown}")
            return
        self._terminal.status_line("Starting PostgreSQL…")
        log = self.logs / "postgres.log"
        rotate_log(log)
        self._postgres = EmbeddedPostgres(self._data / "postgres", log=log)
        self._postgres.start()
        self.database_url = self._postgres.url
        self._terminal.done(f"PostgreSQL 18 in {display_path(self._postgres.folder)}")

    def _migrate(self) -> None:
        self._terminal.status_line("Migrating the database…")
        command = [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade"]
        log = self.logs / "migrations.log"
        rotate_log(log)
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
            raise GonetsError(f"The database cannot be migrated: {reason_in(log)} (More in {display_path(log)}.)")

    def _start_gateway(self) -> None:
        self.gateway_url = self._start_simulated_gateway("gateway", self._settings.gateway_port, self._token)
        self._terminal.done(f"Simulated gateway on {self.gateway_url}")

    def _start_simulated_gateway(self, name: str, preferred_port: int, token: Mapping[str, str]) -> str:
        """Starts a simulated gateway, on another port if this one is taken; returns its URL."""
        port = free_port(preferred_port)
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sandbox.simulated_gateway", "--host", "127.0.0.1", "--port", str(port)]
        self._supervisor.start(Job("gateway", name, command, _environment(token)))
        self._wait_for(name, "simulated gateway", f"{url}/_/summary")
        return url

    def _start_api(self) -> None:
        address = authority(self._settings.api_host, self._settings.api_port)
        command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "--bind", address]
        command.append("api:create_app()")
        environment = _environment(
            {"DATABASE_URL": self.database_url, **_inherited(API_SECRETS), **self._accounts(), "API_KEY": self.api_key}
        )
        self._supervisor.start(Job("api", "api", command, environment))
        self._wait_for("api", "API", f"{self.api_url}/healthz")
        self._terminal.done(f"API on {self.api_url}")

    def _start_workers(self) -> None:
        addresses = {"DATABASE_URL": self.database_url, "GATEWAY_URL": self.gateway_url}
        environment = _environment({**addresses, **self._accounts(), **self._token, **_inherited(WORKER_SECRETS)})
        for number in range(1, self._settings.workers + 1):
            self._supervisor.start(Job("worker", f"worker-{number}", [sys.executable, "-m", "worker"], environment))
        self._terminal.done(f"{self._settings.workers} worker{'s' * (self._settings.workers != 1)}")

    def _wait_for(self, name: str, title: str, url: str) -> None:
        """Waits until the job `name` responds at `url`. Raises GonetsError when it exits, or does not in time."""
        self._terminal.status_line(f"Waiting for the {title}…")
        deadline = time.monotonic() + START_TIMEOUT
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
                    raise GonetsError(f"{url} does not respond; the log is {display_path(self.logs / name)}.log.")
                time.sleep(0.1)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child. Each secret is passed only to the processes that need it."""
    inherited = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**inherited, "PYTHONUNBUFFERED": "1", **more}


def _inherited(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
