"""The PostgreSQL that benchmarks run on: durable, and the same for everybody who is compared."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy.engine import make_url

from benchmarks.processes import ROOT
from sandbox.postgres import EmbeddedPostgres
from shared.database import libpq_url
from shared.errors import ConfigurationError, GonetsError

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
"""What docs/performance.md advises beside the defaults of a small machine; everybody who is compared gets them."""
GIVEN = ("BENCHMARK_DATABASE_URL", "DATABASE_URL")
"""A server of one's own, on which databases named gonets_benchmark_… are made; its settings are left as they are."""


class Server:
    """A running server; `pid` is none when it isn't ours."""

    def __init__(self, url: str, pid: int | None) -> None:
        self.url = url
        self.pid = pid

    @contextlib.contextmanager
    def database(self, name: str, *, migrated: bool = True) -> Iterator[str]:
        """A database of its own for as long as the block lasts; yields its URL."""
        name = f"gonets_benchmark_{name}"
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        url = libpq_url(make_url(self.url).set(database=name).render_as_string(hide_password=False))
        try:
            if migrated:
                migrate(url)
            # What was done to the database before must not be in the way of what is measured on this one.
            self._administer("CHECKPOINT")
            yield url
        finally:
            self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _administer(self, *statements: str) -> None:
        connection = connect(self.url)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    """The server that the environment names, or an embedded one in `folder`.

    Raises ConfigurationError when a given one is not durable: what it would show is no dispatch with a ledger.
    """
    if given := next((os.environ[name] for name in GIVEN if os.environ.get(name)), None):
        url = libpq_url(given)
        _check_durable(url)
        yield Server(url, None)
        return
    with EmbeddedPostgres(folder / "postgres") as postgres:
        connection = connect(postgres.url)
        with connection.cursor() as cursor:
            for name, value in SETTINGS.items():
                cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.close()
        postgres.restart()
        _check_durable(postgres.url)
        yield Server(postgres.url, postgres.pid)


def connect(url: str) -> Connection:
    """A connection on which each statement is a transaction of its own."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


def migrate(url: str) -> None:
    """Makes the tables, with the command that everybody uses. Raises GonetsError with its own words."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GonetsError(f"The tables can't be made: {done.stderr.strip()}")


def _check_durable(url: str) -> None:
    connection = connect(url)
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {setting}")
            if cursor.fetchone() != ("on",):
                raise ConfigurationError(f"{setting} is not on: figures of a server that may forget are worth nothing.")
    connection.close()
