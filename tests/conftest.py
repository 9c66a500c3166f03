"""The database that tests run on: a real PostgreSQL, migrated once, emptied before each test that asks for it."""

from __future__ import annotations

import fcntl
import gc
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy.engine import make_url
from xdist.scheduler import LoadFileScheduling

from sandbox.data_directory import create_data_directory
from sandbox.postgres import EmbeddedPostgres, embedded_postgres
from shared.database import libpq_url
from tests import query_plans, required_tools
from tests.database import DatabaseCleaner, IdleConnections, connected, migrate
from tests.factories import execute

Connect = Callable[[], Connection]
CopyDataFolder = Callable[[Path], Path]
MakeDatabase = Callable[..., str]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Keeps what was skipped for the last lines of `make test`."""
    if config.pluginmanager.hasplugin("cacheprovider"):
        assert config.cache is not None
        config.cache.set(required_tools.KEPT, required_tools.reasons(terminalreporter.getreports("skipped")))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collects no garbage meanwhile, nor looks through what is imported and collected afterwards: it stays."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


TOGETHER = re.compile("tests/browser/|tests/integration/.*/(test_query_plans.py)")
"""Files that share what takes long to make: the browser with the service behind it, and the large ledger."""


class SharedFixturesTogether(LoadFileScheduling):
    """Gives each process of pytest-xdist whole files, and one of them all that share a dear fixture."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of what runs in one process."""
        shared = TOGETHER.match(nodeid)
        return shared[1] or shared[0] if shared else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """The scheduler of `--dist loadfile`."""
    return SharedFixturesTogether(config, log) if config.getvalue("dist") == "loadfile" else None


MIGRATED = "gonets_test_migrated"
"""The name of the database that others are copied from, on servers that tests start."""


@pytest.fixture(scope="session")
def copy_data_folder(tmp_path_factory: pytest.TempPathFactory) -> CopyDataFolder:
    """Makes a data folder as initdb would, which is run only once, as it takes longer than to start the server."""
    original = made_once(tmp_path_factory, "initdb", lambda folder: create_data_directory(folder, durable=False))

    def copy(folder: Path) -> Path:
        shutil.copytree(original, folder)
        return folder

    return copy


@pytest.fixture(scope="session")
def migrated_data_folder(tmp_path_factory: pytest.TempPathFactory, copy_data_folder: CopyDataFolder) -> Path:
    """Such a folder, to be copied, whose database `postgres` is migrated, with a copy of that by the name MIGRATED."""

    def make(folder: Path) -> None:
        with EmbeddedPostgres(copy_data_folder(folder), durable=False) as postgres:
            migrate(postgres.url)
            with connected(url_of(postgres.url, "template1")) as administration:
                execute(administration, f"CREATE DATABASE {MIGRATED} TEMPLATE postgres")

    return made_once(tmp_path_factory, "migrated", make)


@pytest.fixture(scope="session")
def copy_migrated_folder(migrated_data_folder: Path) -> CopyDataFolder:
    """Makes a data folder whose database `postgres` is migrated and empty."""

    def copy(folder: Path) -> Path:
        shutil.copytree(migrated_data_folder, folder)
        return folder

    return copy


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` makes, once for all processes of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (common / name).exists():
            unfinished = common / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(common / name)
    return common / name


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL server: an embedded one of this session's own, or the one that TEST_DATABASE_URL names."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    else:
        folder = tmp_path_factory.mktemp("postgres") / "data"
        shutil.copytree(request.getfixturevalue("migrated_data_folder"), folder)
        with embedded_postgres(folder, durable=False) as url:
            yield url


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[MakeDatabase]:
    """Makes a database of its own name and answers its URL; all are dropped at the end.

    It is empty, or a copy of the one whose URL is given, to which nobody may be connected. Its encoding is the server's
    own, unless another is given.
    """
    made: list[str] = []
    administration = psycopg2.connect(libpq_url(server_url))
    administration.autocommit = True

    def make(copied: str | None = None, *, encoding: str = "") -> str:
        name = f"gonets_test_{uuid.uuid4().hex}"
        template = make_url(copied).database if copied else "template0" if encoding else "template1"
        locale = f" ENCODING '{encoding}' LOCALE 'C'" if encoding else ""
        with administration.cursor() as cursor:
            strategy = "file_copy" if copied else "wal_log"  # the one for much, the other for little
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY {strategy}{locale}')
        made.append(name)
        return url_of(server_url, name)

    yield make
    with administration.cursor() as cursor:
        for name in made:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    administration.close()


def url_of(server_url: str, database: str) -> str:
    """Of another database on that server."""
    return libpq_url(make_url(server_url).set(database=database).render_as_string(hide_password=False))


@pytest.fixture(scope="session")
def migrated(server_url: str, make_database: MakeDatabase) -> str:
    """A migrated and empty database, to be copied, which takes a tenth of the time."""
    if not os.environ.get("TEST_DATABASE_URL"):
        return url_of(server_url, MIGRATED)
    url = make_database()
    migrate(url)
    return url


@pytest.fixture(scope="session")
def large_ledger(make_database: MakeDatabase, migrated: str) -> str:
    """A database with the rows of tests/query_plans.py, of which the planner has no statistics; to be copied."""
    url = make_database(migrated)
    with connected(url) as connection:
        execute(connection, query_plans.NO_AUTOVACUUM)
        query_plans.fill(connection)
    return url


@pytest.fixture(scope="session")
def database_url(make_database: MakeDatabase, migrated: str) -> str:
    """A migrated database, shared by the tests of this session: ask for `clean_database` to find it empty."""
    return make_database(migrated)


@pytest.fixture(scope="session")
def database_cleaner(database_url: str) -> Iterator[DatabaseCleaner]:
    """Tidies the migrated database."""
    keeper = DatabaseCleaner(database_url)
    yield keeper
    keeper.close()


@pytest.fixture
def clean_database(database_url: str, database_cleaner: DatabaseCleaner) -> str:
    """The migrated database, empty."""
    database_cleaner.empty()
    return database_url


@pytest.fixture(scope="session")
def idle_connections(database_url: str) -> Iterator[IdleConnections[Connection]]:
    """Connections to the migrated database, in autocommit, that no test has at the moment."""

    def open_one() -> Connection:
        connection = psycopg2.connect(database_url)
        connection.autocommit = True
        return connection

    idle = IdleConnections(open_one, lambda connection: connection)
    yield idle
    idle.close()


@pytest.fixture
def connect(
    clean_database: str, database_cleaner: DatabaseCleaner, idle_connections: IdleConnections[Connection]
) -> Iterator[Connect]:
    """Gives connections to the clean database, in autocommit and as good as new; takes them back after the test."""
    taken: list[Connection] = []

    def take_one() -> Connection:
        taken.append(idle_connections.take())
        return taken[-1]

    yield take_one
    database_cleaner.end_connections()
    for connection in taken:
        idle_connections.give_back(connection)


@pytest.fixture
def connection(connect: Connect) -> Connection:
    """One connection to the clean database, in autocommit."""
    return connect()


@pytest.fixture
def own_postgres(tmp_path: Path, copy_migrated_folder: CopyDataFolder) -> Iterator[EmbeddedPostgres]:
    """A server that belongs to one test alone, which may stop and restart it; migrated and empty."""
    with EmbeddedPostgres(copy_migrated_folder(tmp_path / "data"), durable=False) as postgres:
        yield postgres
