"""`make run`, from the first start to the second: real processes, what they print, how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.acceptance.launcher import PATIENCE, Launcher, until


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


def test_the_first_start_shows_a_mailing_from_beginning_to_end_and_the_second_goes_on(
    launch: Callable[..., Launcher], tmp_path: Path
) -> None:
    first = launch()
    first.wait_for("distinct")
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
    key = first.key
    assert (first.data / "api-key").stat().st_mode & 0o777 == 0o600
    assert key not in said
    assert key not in all_logs(first.data)
    assert signs_in(re.findall(r"open: (\S+)", said)[0])
    assert first.stop() == 0

    second = launch(WORKERS="2")
    second.wait_for("Going on with the data of before.")
    assert "2 workers\n" in second.said()
    assert len(second.get("/v1/client/?limit=1000")) == 1000
    assert second.get("/v1/mailing/") == [mailing]
    assert second.key == key
    assert second.stop(signal.SIGTERM) == 0
    assert processes_of(tmp_path / "data") == []


def all_logs(data: Path) -> str:
    return "".join(log.read_text() for log in (data / "logs").iterdir())


def signs_in(link: str) -> bool:
    """Whether a browser that follows the link is let in, and another one that follows it later is not."""
    browsers = [requests.Session(), requests.Session()]
    where = [browser.get(link, timeout=10).status_code for browser in browsers]
    mailings = f"{link.partition('/login/')[0]}/v1/mailing/"
    return (where, [browser.get(mailings, timeout=10).status_code for browser in browsers]) == ([200, 401], [200, 401])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_nothing_outlives_a_launcher_that_is_killed_and_the_next_one_starts(
    launch: Callable[..., Launcher], tmp_path: Path
) -> None:
    first = launch()
    first.wait_for("A sample to look at")
    first.process.kill()
    first.process.wait()
    until(lambda: processes_of(tmp_path / "data") == [])
    second = launch()
    second.wait_for("Going on with the data of before.")
    assert second.stop() == 0


def test_what_dies_comes_back_while_the_launcher_runs(launch: Callable[..., Launcher], tmp_path: Path) -> None:
    launcher = launch()
    launcher.wait_for("distinct")
    postmaster = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    launcher.wait_for("PostgreSQL ended; it starts again.")
    until(lambda: answers(launcher))
    assert launcher.get("/v1/mailing/1/")["messages"]["sent"] == 1000
    assert launcher.stop() == 0


def answers(launcher: Launcher) -> bool:
    try:
        launcher.get("/readyz")
    except OSError:
        return False
    return True


def test_a_taken_port_is_a_sentence(launch: Callable[..., Launcher]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch(API_PORT=str(port))
        assert launcher.process.wait(PATIENCE) == 2
    assert launcher.said().startswith(f"API_PORT: port {port} is taken. Stop what listens there, or choose another: ")


def test_a_taken_port_of_the_simulated_gateway_is_not_in_the_way(launch: Callable[..., Launcher]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch(SANDBOX_GATEWAY_PORT=str(port), WORKERS="0")
        launcher.wait_for("API on")
    found = re.search(r"Simulated gateway on http://127.0.0.1:(\d+)", launcher.said())
    assert found
    assert int(found[1]) != port
    assert launcher.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_each_child_is_told_the_secrets_that_it_needs_and_no_others(
    launch: Callable[..., Launcher], clean_database: str
) -> None:
    mine = {"GATEWAY_TOKEN": "secret-1", "API_KEY": "secret-2-of-16-and-more", "SECRET_KEY": "secret-3-of-16-and-more"}
    mine |= {
        "SMTP_PASSWORD": "secret-4",
        "GATEWAY_PROXY": "http://secret:5@127.0.0.1:9",
        "DATABASE_URL": clean_database,
    }
    mine |= {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_SECRET": "secret-6"}
    launcher = launch(**mine, OIDC_CLIENT_ID="gonets")
    launcher.wait_for("stop: Ctrl-C")
    assert {module: set(told) & mine.keys() for module, told in told_to_children(launcher.process.pid).items()} == {
        "sandbox.gateway": {"GATEWAY_TOKEN"},
        "gunicorn": {"DATABASE_URL", "API_KEY", "SECRET_KEY", "OIDC_ISSUER", "OIDC_CLIENT_SECRET"},
        "worker": {"DATABASE_URL", "GATEWAY_TOKEN", "GATEWAY_PROXY", "SMTP_PASSWORD"},
    }


def told_to_children(parent: int) -> dict[str, list[str]]:
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
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:9/x"}, r"DATABASE_URL: the database can't be reached: .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_a_sentence(
    launch: Callable[..., Launcher], environment: dict[str, str], sentence: str
) -> None:
    launcher = launch(**environment)
    assert launcher.process.wait(PATIENCE) == 2
    assert re.fullmatch(sentence + "\n", launcher.said())
    assert "secret" not in launcher.said()
