"""The PostgreSQL that a benchmark runs on: durable, and the same for everything that is compared."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.processes import ROOT
from sandbox.postgres import EmbeddedPostgres
from shared.errors import ConfigurationError, GonetsError

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
"""What docs/performance.md advises beside the defaults of a small machine, for the embedded server."""
GIVEN = "BENCHMARK_DATABASE_URL"
"""Names a server of one's own, on which databases named gonets_benchmark_… are made; its settings stay."""
NO_JIT = f"This PostgreSQL has no JIT, so nothing was measured with JIT on: name a server that has with {GIVEN}."


class Server:
    """A running server; `pid` is none when it was not started here."""

    def __init__(self, url: str, pid: int | None) -> None:
        """Raises ConfigurationError when the server is not durable."""
        self.url = url
        self.pid = pid
        with contextlib.closing(connect(url)) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                if ask(connection, f"SHOW {setting}") != "on":
                    raise ConfigurationError(f"{setting} is off: a server that may lose commits is not measured.")
            self.has_jit: bool = ask(connection, "SELECT pg_jit_available()")

    @contextlib.contextmanager
    def database(self, name: str, *, root: Path | None = ROOT) -> Iterator[str]:
        """A database for as long as the block lasts; yields its URL. `root`: the checkout that makes its tables."""
        name, parts = f"gonets_benchmark_{name}", urlsplit(self.url)
        url = f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"
        with contextlib.closing(connect(self.url)) as connection:
            run(connection, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            run(connection, f"CREATE DATABASE {name}")
            try:
                if root:
                    _migrate(url, root)
                run(connection, "CHECKPOINT")  # what was written before must not fall into what is measured
                yield url
            finally:
                run(connection, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    """The server that the environment names, or an embedded one in `folder`."""
    if given := os.environ.get(GIVEN):
        yield Server(given, None)
        return
    with EmbeddedPostgres(folder / "postgres") as postgres:
        with contextlib.closing(connect(postgres.url)) as connection:
            for name, value in SETTINGS.items():
                run(connection, f"ALTER SYSTEM SET {name} = '{value}'")
        postgres.restart()
        yield Server(postgres.url, postgres.pid)


def connect(url: str) -> Connection:
    """A connection on which each statement is a transaction of its own."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


def run(connection: Connection, statement: str, *values: Any) -> None:
    """Runs a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def row(connection: Connection, question: str) -> tuple[Any, ...]:
    """The first row."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        found = cursor.fetchone()
    assert found
    return found


def ask(connection: Connection, question: str) -> Any:
    """The first column of the first row."""
    return row(connection, question)[0]


def with_options(url: str, options: str) -> str:
    """The URL of a `Server.database`, whose connections are opened with options of the server, such as `-c jit=on`."""
    return f"{url}{'' if url.endswith('?') else '&'}options={quote(options)}"


def _migrate(url: str, root: Path) -> None:
    """Makes the tables, with the command that everybody uses. Raises GonetsError with its own words."""
    command = [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade"]
    settings = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GonetsError(f"The tables can't be made: {done.stderr.strip()}")
