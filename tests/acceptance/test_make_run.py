"""`make run`, from the first start to the second: real processes, what they print, how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.acceptance.sandbox_launcher import PATIENCE, Launch, Launcher, launching, until


def processes_of(data: Path) -> list[str]:
    """The command lines of the processes whose environment or command names the data folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command, environment = ((process / name).read_bytes() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if os.fsencode(data) in command + environment:
                found.append(command.replace(b"\0", b" ").decode())
    return found


class Second(NamedTuple):
    """The second start, and what there was before it."""

    launcher: Launcher
    mailing: dict[str, Any]
    key: str


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Starts the launcher again and again on one data folder: a start takes long, and each shows several things."""
    with launching(tmp_path_factory.mktemp("make_run")) as launch:
        yield launch


@pytest.fixture(scope="module")
def first(start: Launch) -> Launcher:
    """The first start, when it has shown what it shows."""
    launcher = start()
    launcher.wait_for("distinct")
    return launcher


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """Somebody else listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture(scope="module")
def second(start: Launch, first: Launcher, taken_port: int) -> Second:
    """The start after the first has been stopped; the simulated gateway is to have a port that is taken."""
    mailing, key = first.get("/v1/mailing/1/"), first.key
    assert first.stop() == 0
    launcher = start(WORKERS="2", SANDBOX_GATEWAY_PORT=str(taken_port))
    launcher.wait_for("Continuing with the existing data.")
    return Second(launcher, mailing, key)


def test_the_first_start_shows_a_mailing_from_beginning_to_end(first: Launcher) -> None:
    said = first.said()
    for words in (
        "PostgreSQL 18 in ",
        "Simulated gateway on http://127.0.0.1:",
        f"API on http://127.0.0.1:{first.port}",
        "1 worker\n",
        f"docs: http://127.0.0.1:{first.port}/docs/",
        "1,000 of 1,000 sent",
        "ledger:  1,000 sent",
        "gateway: 1,000 accepted, 1,000 distinct",
    ):
        assert words in said
    assert "Traceback" not in said
    mailing = first.get("/v1/mailing/1/")
    assert (mailing["status"], mailing["audience"], mailing["messages"]["sent"]) == ("finished", 1000, 1000)


def test_the_first_start_makes_a_key_that_is_only_where_it_is_kept(first: Launcher) -> None:
    assert (first.data / "api-key").stat().st_mode & 0o777 == 0o600
    assert first.key not in first.said()
    assert first.key not in all_logs(first.data)


def test_the_first_start_shows_a_link_that_signs_one_browser_in(first: Launcher) -> None:
    assert signs_in(re.findall(r"open: (\S+)", first.said())[0])


def all_logs(data: Path) -> str:
    return "".join(log.read_text() for log in (data / "logs").iterdir())


def signs_in(link: str) -> bool:
    """Whether a browser that follows the link is let in, and another one that follows it later is not."""
    browsers = [requests.Session(), requests.Session()]
    where = [browser.get(link, timeout=10).status_code for browser in browsers]
    mailings = f"{link.partition('/login/')[0]}/v1/mailing/"
    return (where, [browser.get(mailings, timeout=10).status_code for browser in browsers]) == ([200, 401], [200, 401])


def test_what_dies_comes_back_while_the_launcher_runs(first: Launcher) -> None:
    postmaster = int((first.data / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    first.wait_for("PostgreSQL stopped unexpectedly; restarting it.")
    until(lambda: answers(first))
    assert first.get("/v1/mailing/1/")["messages"]["sent"] == 1000


def answers(launcher: Launcher) -> bool:
    try:
        launcher.get("/readyz")
    except OSError:
        return False
    return True


def test_the_second_start_goes_on_with_the_data(second: Second) -> None:
    launcher, mailing, key = second
    assert "2 workers\n" in launcher.said()
    assert len(launcher.get("/v1/client/?limit=1000")) == 1000
    assert launcher.get("/v1/mailing/") == [mailing]
    assert launcher.key == key


def test_a_taken_port_of_the_simulated_gateway_is_not_in_the_way(second: Second, taken_port: int) -> None:
    found = re.search(r"Simulated gateway on http://127.0.0.1:(\d+)", second.launcher.said())
    assert found
    assert int(found[1]) != taken_port


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_no_process_remains_of_a_launcher_that_is_killed_and_the_next_one_starts(start: Launch, second: Second) -> None:
    second.launcher.process.kill()
    second.launcher.process.wait()
    until(lambda: processes_of(second.launcher.data) == [])
    third = start()
    third.wait_for("Continuing with the existing data.")
    assert third.stop(signal.SIGTERM) == 0
    assert processes_of(third.data) == []


def test_a_taken_port_is_a_sentence(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch(API_PORT=str(port))
        assert launcher.process.wait(PATIENCE) == 2
    assert launcher.said().startswith(f"API_PORT: port {port} is taken. Stop what listens there, or choose another: ")


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_each_child_is_told_the_secrets_that_it_needs_and_no_others(launch: Launch, clean_database: str) -> None:
    mine = {"GATEWAY_TOKEN": "secret-1", "API_KEY": "secret-2-of-16-and-more", "SECRET_KEY": "secret-3-of-16-and-more"}
    mine |= {
        "SMTP_PASSWORD": "secret-4",
        "GATEWAY_PROXY": "http://secret:5@127.0.0.1:9",
        "DATABASE_URL": clean_database,
    }
    mine |= {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_SECRET": "secret-6"}
    launcher = launch(**mine, OIDC_CLIENT_ID="gonets")
    launcher.wait_for("stop: Ctrl-C")
    assert {
        module: set(told) & mine.keys() for module, told in environment_of_children(launcher.process.pid).items()
    } == {
        "sandbox.gateway": {"GATEWAY_TOKEN"},
        "gunicorn": {"DATABASE_URL", "API_KEY", "SECRET_KEY", "OIDC_ISSUER", "OIDC_CLIENT_SECRET"},
        "worker": {"DATABASE_URL", "GATEWAY_TOKEN", "GATEWAY_PROXY", "SMTP_PASSWORD"},
    }


def environment_of_children(parent: int) -> dict[str, list[str]]:
    """The names in the environment of each child, by the module that it runs."""
    told = {}
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        command, environment = (Path(f"/proc/{pid}/{name}").read_text().split("\0") for name in ("cmdline", "environ"))
        told[command[command.index("-m") + 1]] = [variable.partition("=")[0] for variable in environment]
    return told


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WORKERS": "many"}, r"WORKERS: Not a valid integer\."),
        ({"API_PORT": "80", "WORKERS": "-1"}, r"WORKERS: must be from 0 to 64\."),
        ({"API_HOST": "192.0.2.1"}, r"API_HOST=192\.0\.2\.1 .*: Cannot assign requested address\."),
        (
            {"GATEWAY_URL": "http://127.0.0.1:9"},
            r".*set GATEWAY_TOKEN or GATEWAY_TOKEN_FILE, or start at a terminal\.?",
        ),
        ({"DATABASE_URL": "mysql://127.0.0.1/x"}, r"DATABASE_URL must begin with postgresql://.*"),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:9/x"}, r"DATABASE_URL: the database cannot be reached: .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_a_sentence(launch: Launch, environment: dict[str, str], sentence: str) -> None:
    launcher = launch(**environment)
    assert launcher.process.wait(PATIENCE) == 2
    assert re.fullmatch(sentence + "\n", launcher.said())
    assert "secret" not in launcher.said()
