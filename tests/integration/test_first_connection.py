"""The first time that Gonets meets a database: any password works, and what does not is said in one sentence."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from subprocess import CompletedProcess
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from sandbox.data_directory import socket_folder
from sandbox.postgres import EmbeddedPostgres
from shared.database import libpq_url
from tests import commands
from tests.compose_file import services
from tests.conftest import CopyDataFolder, MakeDatabase
from tests.database import connected, migrate
from tests.factories import execute, value
from tests.integration.api.calls import caller
from tests.long_variations import few_of
from worker.database import Database

PASSWORDS = [
    "Zq8+/x==",
    "p@ss",
    "100%sure",
    "p%41ss",
    "$HOME${x}$$",
    "it's",
    'say "hi"',
    "a # b",
    "two words ",
    "a:b",
    "a?b=c&d",
    "back\\slash",
    "пароль-Ω",
    "postgresql://u:p@h/d",
]


class Server:
    """A PostgreSQL that asks for passwords."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres

    def set_password(self, password: str) -> None:
        """Gives the role of docker-compose.yml this password."""
        with connected(libpq_url(self._postgres.url)) as administration, administration.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER ROLE gonets PASSWORD {}").format(sql.Literal(password)))

    def environment(self, password: str) -> dict[str, str]:
        """What docker-compose.yml tells its containers of the database, with this server in the place of `db`."""
        told = services({"POSTGRES_PASSWORD": password})["api"]["environment"]
        found = {name: told[name] for name in ("DATABASE_URL", "PGPASSWORD") if name in told}
        here = quote(str(socket_folder(self._postgres.folder)), safe="")
        return {**found, "DATABASE_URL": found["DATABASE_URL"].replace("@db:5432/gonets", f"@/gonets?host={here}")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, copy_data_folder: CopyDataFolder) -> Iterator[Server]:
    folder = copy_data_folder(tmp_path_factory.mktemp("passwords") / "data")
    (folder / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    with EmbeddedPostgres(folder, durable=False) as postgres:
        with connected(libpq_url(postgres.url)) as administration:
            execute(administration, "CREATE ROLE gonets LOGIN PASSWORD 'first'")
            execute(administration, "CREATE DATABASE gonets OWNER gonets")
        yield Server(postgres)


def upgrade(**environment: str) -> CompletedProcess[str]:
    """`flask db upgrade` in a process of its own."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | environment
    return commands.run(["flask", "--app", "api", "db", "upgrade"], given)


@pytest.mark.parametrize(
    "password", few_of(PASSWORDS, "Zq8+/x==", "p%41ss", "$HOME${x}$$", "two words ", "пароль-Ω", "postgresql://u:p@h/d")
)
def test_any_password_opens_the_database_for_migration_api_and_worker(
    password: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set_password(password)
    for name, setting in server.environment(password).items():
        monkeypatch.setenv(name, setting)
    url = os.environ["DATABASE_URL"]

    migrate(url)
    ready = caller(create_app(ApiSettings(database_url=database_url(url)))).get("/readyz")
    with closing(Database(libpq_url(url), threading.Event(), "gonets test")) as worker:
        role = worker.transaction(_role)

    assert ready.status_code == 200
    assert role == "gonets"


def _role(cursor: psycopg2.extensions.cursor) -> str:
    cursor.execute("SELECT current_user")
    (role,) = cursor.fetchone() or ("",)
    return str(role)


def test_a_password_that_was_changed_later_is_said_with_what_repairs_it_and_not_shown(server: Server) -> None:
    server.set_password("first")

    done = upgrade(**server.environment("s3cret@/later"))

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert 'password authentication failed for user "gonets"' in last
    assert "POSTGRES_PASSWORD sets it at the first start only" in last
    assert "docker compose exec db psql --username=gonets --command='ALTER ROLE gonets PASSWORD $$" in last
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


UNREACHABLE = [
    ("postgresql://gonets:s3cret@127.0.0.1:1/gonets", "Check the host and port in DATABASE_URL"),
    ("postgresql://gonets:s3cret@nowhere.invalid/gonets", "Check the host and port in DATABASE_URL"),
    ("postgresql://gonets:s3cret@pass@127.0.0.1/gonets", "In the password, write @ as %40"),
    ("postgresql://gonets:s3cret/pass@127.0.0.1/gonets", "In the password, write @ as %40"),
]


@pytest.mark.parametrize(("given", "said"), few_of(UNREACHABLE, UNREACHABLE[0], UNREACHABLE[2]))
def test_a_database_that_cannot_be_reached_is_one_sentence_without_the_password(given: str, said: str) -> None:
    done = upgrade(DATABASE_URL=given)

    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert "pass@" not in done.stderr


def test_a_database_that_is_not_there_is_named(server_url: str) -> None:
    url = database_url(server_url).set(drivername="postgresql", database="gonets_typo")

    done = upgrade(DATABASE_URL=url.render_as_string(hide_password=False))

    assert done.returncode == 1
    assert 'database "gonets_typo" does not exist. Correct the name' in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_role_that_may_not_create_tables_is_told_what_it_needs(make_database: MakeDatabase) -> None:
    url = make_database()
    with connected(url) as administration:
        execute(administration, "DROP ROLE IF EXISTS gonets_guest")
        execute(administration, "CREATE ROLE gonets_guest LOGIN PASSWORD 'guest'")
    try:
        guest = database_url(url).set(drivername="postgresql", username="gonets_guest", password="guest")
        done = upgrade(DATABASE_URL=guest.render_as_string(hide_password=False))
    finally:
        with connected(url) as administration:
            execute(administration, "DROP ROLE gonets_guest")

    assert done.returncode == 1
    assert "permission denied for schema public. The role of DATABASE_URL needs" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_tables_of_a_later_version_are_left_as_they_are(migrated: str, make_database: MakeDatabase) -> None:
    url = make_database(migrated)
    with connected(url) as connection:
        execute(connection, "UPDATE alembic_version SET version_num = '9999'")

        done = upgrade(DATABASE_URL=url)

        assert value(connection, "SELECT version_num FROM alembic_version") == "9999"
    # The version before may be started again (docs/upgrading.md): Compose waits for this to succeed.
    assert done.returncode == 0
    assert "The tables are of a later version of Gonets (revision 9999" in done.stderr.splitlines()[-1]


def test_tables_of_another_application_are_refused(make_database: MakeDatabase) -> None:
    url = make_database()
    with connected(url) as connection:
        execute(connection, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        execute(connection, "INSERT INTO alembic_version VALUES ('1f2e3d4c5b6a')")

    done = upgrade(DATABASE_URL=url)

    assert done.returncode == 1
    assert "tables of another application (revision 1f2e3d4c5b6a)" in done.stderr.splitlines()[-1]


API = "gunicorn --config python:api.gunicorn api:create_app()"
MIGRATION = "flask --app api db upgrade"
WRONG = [
    (API, "API_PORT", "eighty"),
    (API, "OIDC_ISSUER", "https://[::1"),
    (MIGRATION, "API_RATE", "-1"),
    ("worker", "DAILY_REPORT_TIMEZONE", "Mars/Olympus"),
    ("worker", "SMTP_PASSWORD", "пароль"),
    ("worker", "WORKER_METRICS_HOST", "no.such.host.invalid"),
]


@pytest.mark.parametrize(("command", "name", "setting"), few_of(WRONG, WRONG[0], WRONG[2], WRONG[4], WRONG[5]))
def test_a_wrong_setting_ends_the_start_with_a_sentence_that_names_it(command: str, name: str, setting: str) -> None:
    environment = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/gonets",
        "GATEWAY_URL": "http://127.0.0.1:1",
        "GATEWAY_TOKEN": "token",
        "DAILY_REPORT_TO": "ops@example.com",
        "SMTP_HOST": "mail.example",
        "SMTP_USER": "gonets",
        "SMTP_PASSWORD": "word",
        "WORKER_METRICS_PORT": "9",
        "OIDC_CLIENT_ID": "gonets",
        "OIDC_CLIENT_SECRET": "secret",
        "PATH": os.environ["PATH"],
        name: setting,
    }
    done = commands.run(command.split(), environment)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"{name}: ")
    assert "Traceback" not in done.stderr
