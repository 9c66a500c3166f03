"""The README's own commands, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.supervisor import ROOT
from tests.acceptance.sandbox_launcher import PATIENCE, Launcher, until
from tests.required_tools import CURL, need

README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
CALLS = (ROOT / "docs" / "api.md").read_text()
EXAMPLES = re.search(r"<!-- a test runs these commands, in this order -->\n```sh\n(.*?)```", README, re.DOTALL)
SETTING = re.compile(r"`([A-Z][A-Z_]+)`")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """`make run`, as the README says, on ports of its own."""
    folder = tmp_path_factory.mktemp("readme")
    launcher = Launcher(folder / "data", folder / "output", ("make", "run"))
    launcher.wait_for("distinct")
    yield launcher
    # make passes the signal on to nobody: at a terminal, Ctrl-C reaches the whole process group.
    os.killpg(launcher.process.pid, signal.SIGINT)
    launcher.process.wait(PATIENCE)


def test_what_make_run_shows_is_what_the_readme_shows(service: Launcher) -> None:
    shown = [line for line in service.said().splitlines() if not line.startswith(("█", "░"))]
    for line in shown[shown.index("  stop: Ctrl-C") + 1 :]:
        if not line.startswith("Adding a sample") and "is scheduled" not in line:
            assert line in README


def test_the_examples_work_and_the_message_is_delivered(service: Launcher) -> None:
    need(CURL)
    assert EXAMPLES
    commands = re.sub(r"^#.*\n", "", EXAMPLES[1], flags=re.MULTILINE).replace("8000", service.port)
    key, *calls = re.split(r"\n(?=curl )", commands.strip())
    key = key.replace(".data", str(service.data))
    answers = [run(f"{key}\n{call}") for call in calls]
    client, mailing, mailings, messages, statistics = answers
    assert client["phone_number"] == 79161234567
    assert mailing["text"] == "Your order is on its way"
    assert mailing["mark"] == client["tag"]
    assert mailing["id"] in [one["id"] for one in mailings]
    assert isinstance(messages, list)
    assert statistics["messages"]["sent"] >= 1000
    until(lambda: service.get(f"/v1/mailing/{mailing['id']}/")["status"] == "finished")
    # To the client of the example, and to nobody of the sample.
    (message,) = service.get(f"/v1/mailing/{mailing['id']}/message/")
    assert (message["client_id"], message["phone_number"]) == (client["id"], 79161234567)
    assert message["status"] == "sent"
    (attempt,) = service.get(f"/v1/message/{message['id']}/")["attempts"]
    assert attempt["result"] == "accepted"


def test_every_call_in_the_documentation_is_an_operation(service: Launcher) -> None:
    documented = {
        f"{method.upper()} {path}"
        for path, operations in service.get("/docs/openapi.json")["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "delete")
    }
    told = {
        f"{method} {path.rstrip('/')}/" for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/v1/[^`]+)`", CALLS)
    }
    named = {re.sub(r"\{\w+\}", "{id}", operation) for operation in documented}
    assert told == named


def test_every_documented_setting_is_read_and_every_setting_read_is_documented() -> None:
    told = {name for row in re.findall(r"^\| .*$", SETTINGS, re.M) for name in SETTING.findall(row.split("|")[2])}
    read: set[str] = set()
    for package in ("api", "worker", "shared", "sandbox"):
        for file in (ROOT / package).rglob("*.py"):
            read.update(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", file.read_text()))
    internal = {"SANDBOX_GATEWAY_HOST"}  # of the simulated gateway's own container
    assert told == read - internal


def test_every_setting_reaches_its_container() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^ +([A-Z][A-Z_]+):", compose, re.M))
    of_the_containers = {"API_HOST", "API_PORT", "WORKER_NAME", "WORKER_HEARTBEAT_FILE"}
    for package in ("api", "worker", "shared"):
        for file in (ROOT / package).rglob("*.py"):
            read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", file.read_text()))
            assert read - of_the_containers <= passed, file


def run(command: str) -> Any:
    """The JSON that a curl command prints."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
