"""`make run`, from the first start to the second, and the README's own commands: real processes, what they print."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from sandbox.supervisor import ROOT
from tests.acceptance.sandbox_launcher import PATIENCE, Launch, Launcher, launching, until
from tests.required_tools import CURL, need

README = (ROOT / "README.md").read_text()
LINUX = sys.platform == "linux"
EXAMPLES = re.search(r"<!-- a test runs these commands, in this order -->\n```sh\n(.*?)```", README, re.DOTALL)


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
    mailings: list[dict[str, Any]]
    key: str
    outlived: list[str]
    """What still ran of the first start some time after its launcher had been killed."""


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
    """The start after the first has been killed; the simulated gateway is to have a port that is taken.

    Where nothing tells a child of its parent's death, the first is stopped.
    """
    mailings, key = first.get("/v1/mailing/"), first.key
    if LINUX:
        first.process.kill()
        first.process.wait()
        with suppress(AssertionError):
            until(lambda: processes_of(first.data) == [])
    else:
        first.stop()
    outlived = processes_of(first.data)
    launcher = start(WORKERS="2", SANDBOX_GATEWAY_PORT=str(taken_port))
    launcher.wait_for("Continuing with the existing data.")
    return Second(launcher, mailings, key, outlived)


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
    mailings = f"{link.partition('/login/')[0]}/v1/mailing/"
    found = [
        [browser.get(address, timeout=PATIENCE).status_code for browser in browsers] for address in (link, mailings)
    ]
    return found == [[200, 401], [200, 401]]


def test_make_run_starts_the_launcher_and_nothing_else() -> None:
    # By make itself it is not started here: make would not pass signals on.
    command = ["make", "--no-print-directory", "-n", "run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "exec .venv/bin/python -m sandbox"


def test_what_make_run_shows_is_what_the_readme_shows(first: Launcher) -> None:
    shown = [line for line in first.said().splitlines() if not line.startswith(("█", "░"))]
    for line in shown[shown.index("  stop: Ctrl-C") + 1 :]:
        # Where everything is slow, it says for some seconds what it waits for.
        waits = "is scheduled" in line or line.endswith("workers look for due messages every few seconds")
        if not line.startswith("Adding a sample") and not waits:
            assert line in README


def test_the_examples_work_and_the_message_is_delivered(first: Launcher) -> None:
    need(CURL)
    assert EXAMPLES
    commands = re.sub(r"^#.*\n", "", EXAMPLES[1], flags=re.MULTILINE).replace("8000", first.port)
    key, *calls = re.split(r"\n(?=curl )", commands.strip())
    key = key.replace(".data", str(first.data))
    answers = [run(f"{key}\n{call}") for call in calls]
    client, mailing, mailings, messages, statistics = answers
    assert client["phone_number"] == 79161234567
    assert mailing["text"] == "Your order is on its way"
    assert mailing["mark"] == client["tag"]
    assert mailing["id"] in [one["id"] for one in mailings]
    assert isinstance(messages, list)
    assert statistics["messages"]["sent"] >= 1000
    until(lambda: first.get(f"/v1/mailing/{mailing['id']}/")["status"] == "finished")
    # To the client of the example, and to nobody of the sample.
    (message,) = first.get(f"/v1/mailing/{mailing['id']}/message/")
    assert (message["client_id"], message["phone_number"]) == (client["id"], 79161234567)
    assert message["status"] == "sent"
    (attempt,) = first.get(f"/v1/message/{message['id']}/")["attempts"]
    assert attempt["result"] == "accepted"


def run(command: str) -> Any:
    """The JSON that a curl command prints."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


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


@pytest.mark.skipif(not LINUX, reason="only Linux tells a child of its parent's death")
def test_nothing_outlives_a_launcher_that_is_killed(second: Second) -> None:
    assert second.outlived == []


def test_the_second_start_goes_on_with_the_data(second: Second) -> None:
    assert "2 workers\n" in second.launcher.said()
    assert len(second.launcher.get("/v1/client/?limit=1000")) == 1000
    assert second.launcher.get("/v1/mailing/") == second.mailings
    assert second.launcher.key == second.key


def test_a_taken_port_of_the_simulated_gateway_is_not_in_the_way(second: Second, taken_port: int) -> None:
    found = re.search(r"Simulated gateway on http://127.0.0.1:(\d+)", second.launcher.said())
    assert found
    assert int(found[1]) != taken_port


def test_a_launcher_that_is_interrupted_stops_everything_in_order(second: Second) -> None:
    assert second.launcher.stop(signal.SIGINT) == 0
    assert processes_of(second.launcher.data) == []


def test_a_taken_port_is_a_sentence(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch(API_PORT=str(port))
        assert launcher.process.wait(PATIENCE) == 2
    assert launcher.said().startswith(f"API_PORT: port {port} is taken. Stop what listens there, or choose another: ")


@pytest.mark.skipif(not LINUX, reason="read from /proc")
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
        "sandbox.simulated_gateway": {"GATEWAY_TOKEN"},
        "gunicorn": {"DATABASE_URL", "API_KEY", "SECRET_KEY", "OIDC_ISSUER", "OIDC_CLIENT_SECRET"},
        "worker": {"DATABASE_URL", "GATEWAY_TOKEN", "GATEWAY_PROXY", "SMTP_PASSWORD"},
    }
    assert launcher.stop(signal.SIGTERM) == 0


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
        ({"GATEWAYS": "all"}, r"GATEWAYS: must be demo, or empty\."),
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
