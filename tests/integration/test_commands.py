"""A forked command is what the same command is when it starts by itself."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.commands import ForkServer, RunningCommand
from tests.waiting import PATIENCE, eventually

COMMAND = ["tests.started_command", "a word"]
# With the locale C, Python itself would add LC_CTYPE to a cold start.
ENVIRONMENT = {"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """One that these tests may end."""
    server = ForkServer()
    yield server
    server.close()


def forked(server: ForkServer, log: Path, *, own_session: bool = False) -> RunningCommand:
    with log.open("wb") as output:
        outputs = output.fileno(), output.fileno()
        return server.fork(COMMAND, ENVIRONMENT, outputs, signal.SIGTERM, own_session=own_session)


def found(log: Path) -> dict[str, Any]:
    """What a command finds with that output."""
    eventually(lambda: log.read_text().endswith("an error\n"))
    state: dict[str, Any] = json.loads(log.read_text().splitlines()[0])
    return state


def test_a_forked_command_finds_and_does_what_it_would_if_it_started_by_itself(
    server: ForkServer, tmp_path: Path
) -> None:
    first, second, cold, last = (tmp_path / name for name in ("first", "second", "cold", "last"))
    killed, told = forked(server, first), forked(server, second)
    with cold.open("wb") as output:
        by_itself = commands.start_cold(COMMAND, ENVIRONMENT, output, signal.SIGTERM)

    assert found(first) == found(second) == found(cold)
    assert [command.poll() for command in (killed, told, by_itself)] == [None, None, None]
    killed.kill()
    for command in (told, by_itself):
        command.terminate()
    assert [command.wait(PATIENCE) for command in (killed, told, by_itself)] == [-signal.SIGKILL, 7, 7]

    orphaned = forked(server, last)
    found(last)
    server.close()
    orphaned.wait(PATIENCE)
    eventually(lambda: not Path(f"/proc/{orphaned.pid}").exists())


def test_a_forked_command_may_lead_a_session_of_its_own(server: ForkServer, tmp_path: Path) -> None:
    command = forked(server, tmp_path / "log", own_session=True)

    state = found(tmp_path / "log")

    assert state["session"] == state["group"] == command.pid
    command.kill()
    command.wait(PATIENCE)
