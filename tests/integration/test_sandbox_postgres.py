"""The embedded PostgreSQL: durable through whatever happens to it and to who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from sandbox.data_directory import create_data_directory
from sandbox.postgres import EmbeddedPostgres, StopMode, embedded_postgres
from sandbox.supervisor import ROOT
from shared.errors import ConfigurationError, GonetsError
from tests.conftest import CopyDataFolder

# Starts a server in the folder, says its pid and dies; `on_orphaned` is the signal that the server gets then.
KILLED_STARTER = """
import os, sys
from pathlib import Path
from signal import SIGKILL, Signals
from sandbox import postgres
on_orphaned, die_with_parent = Signals[sys.argv[2]], postgres.die_with_parent
postgres.die_with_parent = lambda command, _, account: die_with_parent(command, on_orphaned, account)
server = postgres.EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), SIGKILL)
"""

# Restarts its server while a child has copies of all its files, as one that is being started has for a moment.
FORKING_STARTER = """
import os, sys, time
from pathlib import Path
from signal import SIGKILL
from sandbox.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    if not (child := os.fork()):
        time.sleep(600)
    try:
        server.restart()
    finally:
        os.kill(child, SIGKILL)
"""


@pytest.fixture
def new_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server whose folder it has still to make."""
    postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    yield postgres
    postgres.stop("immediate")


@pytest.fixture
def postgres(new_postgres: EmbeddedPostgres, copy_data_folder: CopyDataFolder) -> EmbeddedPostgres:
    """A server whose folder has been made, and not used yet."""
    copy_data_folder(new_postgres.folder)
    return new_postgres


def ask(url: str, *statements: str) -> Any:
    """The first value of the last statement's answer; the statements are committed."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_server_runs_while_the_block_lasts_and_speaks_postgresql_18(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "deep" / "postgres", durable=False) as url:
        assert ask(url, "SHOW server_version").startswith("18.")
        assert url.startswith("postgresql://postgres@/postgres?host=")
    with pytest.raises(psycopg2.OperationalError):
        ask(url, "SELECT 1")


def test_it_sorts_and_folds_cyrillic_and_tells_utc_on_every_machine(new_postgres: EmbeddedPostgres) -> None:
    new_postgres.start()
    assert ask(new_postgres.url, "SELECT lower('ГОНЕЦ')") == "гонец"
    assert ask(new_postgres.url, "SHOW timezone") == "UTC"
    assert ask(new_postgres.url, "SHOW server_encoding") == "UTF8"


def test_it_is_told_none_of_its_starters_secrets(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "token-of-the-starter")
    postgres.start()
    # What it starts inherits its environment. (To read that of another user's process takes CAP_SYS_PTRACE.)
    environment = ask(
        postgres.url,
        "CREATE TEMPORARY TABLE told (line text)",
        "COPY told FROM PROGRAM 'env'",
        "SELECT string_agg(line, ' ') FROM told",
    )
    assert "PATH=" in environment
    assert "token-of-the-starter" not in environment


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_only_a_durable_server_waits_for_the_disk(postgres: EmbeddedPostgres, durable: bool, fsync: str) -> None:
    with embedded_postgres(postgres.folder, durable=durable) as url:
        assert ask(url, "SHOW fsync") == ask(url, "SHOW full_page_writes") == fsync


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_was_committed_survives_a_restart_at_the_same_url(postgres: EmbeddedPostgres, mode: StopMode) -> None:
    postgres.start()
    url, pid = postgres.url, postgres.pid
    ask(url, "CREATE TABLE kept AS SELECT 42 AS value")
    postgres.restart(mode)
    assert postgres.url == url
    assert postgres.pid not in (None, pid)
    assert ask(url, "SELECT value FROM kept") == 42


def test_a_restart_cuts_the_connections(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    connection = psycopg2.connect(postgres.url)
    postgres.restart()
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()


def test_a_restart_is_not_held_up_by_a_child_that_is_being_started(postgres: EmbeddedPostgres) -> None:
    subprocess.run([sys.executable, "-c", FORKING_STARTER, str(postgres.folder)], cwd=ROOT, check=True)


def test_starting_and_stopping_twice_is_harmless(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    postgres.start()
    pid = postgres.pid
    postgres.start()
    assert postgres.pid == pid
    postgres.stop()
    postgres.stop()
    assert postgres.pid is None


def test_a_killed_server_is_started_again_although_its_backends_are_still_busy(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    busy = psycopg2.connect(postgres.url, async_=True)
    assert eventually(lambda: busy.poll() == psycopg2.extensions.POLL_OK)
    busy.cursor().execute("SELECT count(*) FROM generate_series(1, 10000000) AS numbers")
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    assert eventually(lambda: postgres.pid is None)
    postgres.start()
    assert ask(postgres.url, "SELECT 1") == 1
    busy.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_server_shuts_down_when_its_starter_is_killed(postgres: EmbeddedPostgres) -> None:
    pid = start_and_exit(postgres.folder, signal.SIGINT)
    assert eventually(lambda: not is_alive(pid))


def test_an_orphaned_server_is_stopped_and_its_data_is_used(postgres: EmbeddedPostgres) -> None:
    leftover = start_and_exit(postgres.folder, signal.SIGCONT)
    ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value")
    postgres.start()
    assert postgres.pid != leftover
    assert eventually(lambda: not is_alive(leftover))
    assert ask(postgres.url, "SELECT value FROM kept") == 42


def start_and_exit(folder: Path, on_orphaned: signal.Signals) -> int:
    """Starts a server from a process that is killed then; returns the server's pid."""
    command = [sys.executable, "-c", KILLED_STARTER, str(folder), on_orphaned.name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        return int(starter.stdout.readline())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{os.getpid()}\n/data\n1\n5432\n/nowhere\n\n  1 2\nready   \n", id="the pid is another's now"),
        pytest.param("4194304\n/data\n1\n5432\n/nowhere\n\n  1 2\nready   \n", id="the pid is nobody's"),
        pytest.param("\0" * 60, id="zeros"),
        pytest.param("", id="empty"),
        pytest.param(f"{os.getpid()}\n", id="half written"),
    ],
)
def test_the_pid_file_that_a_power_cut_left_is_no_obstacle(postgres: EmbeddedPostgres, content: str) -> None:
    postgres.start()
    postgres.stop()
    (postgres.folder / "postmaster.pid").write_text(content)
    postgres.start()
    assert ask(postgres.url, "SELECT 1") == 1


def test_a_folder_left_by_an_interrupted_initdb_is_made_anew(new_postgres: EmbeddedPostgres) -> None:
    unfinished = new_postgres.folder.with_name("postgres.unfinished")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    new_postgres.start()
    assert ask(new_postgres.url, "SELECT 1") == 1
    assert not unfinished.exists()


@pytest.mark.parametrize("name", ["with spaces, a comma, 'quotes\" and гонец", "x" * 150])
def test_the_folder_may_have_any_path(tmp_path: Path, name: str) -> None:
    with embedded_postgres(tmp_path / name / "postgres", durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_folder_with_a_long_path_may_have_been_filled_by_root(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150) / "postgres"
    create_data_directory(folder, durable=False)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, os.geteuid(), -1)

    with embedded_postgres(folder, durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_two_never_run_in_one_folder(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    with pytest.raises(ConfigurationError, match=r"Another process runs PostgreSQL in .*postgres"):
        EmbeddedPostgres(postgres.folder, durable=False).start()
    assert ask(postgres.url, "SELECT 1") == 1


def test_data_of_another_major_version_is_refused_with_what_to_do(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        ConfigurationError, match=r"PostgreSQL 16, and this is PostgreSQL 18: move .* or set DATABASE_URL"
    ):
        postgres.start()


def test_a_folder_of_something_else_is_refused_and_not_touched(new_postgres: EmbeddedPostgres) -> None:
    new_postgres.folder.mkdir()
    (new_postgres.folder / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError, match="not a PostgreSQL data directory"):
        new_postgres.start()
    assert [path.name for path in new_postgres.folder.iterdir()] == ["letter.txt"]


def test_the_error_of_a_server_that_does_not_start_is_shown(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    with (postgres.folder / "postgresql.auto.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(GonetsError, match=r"does not start in .*: .*FATAL: .*contains errors"):
        postgres.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_runs_it_as_somebody_else_even_in_a_folder_that_is_closed_to_him(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    with postgres:
        assert postgres.pid
        assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
    for path in (postgres.folder, *postgres.folder.rglob("*")):  # as after cp -r
        os.chown(path, 0, 0)
    with postgres:
        assert ask(postgres.url, "SELECT 1") == 1
