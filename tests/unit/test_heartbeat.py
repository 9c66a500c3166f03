"""The worker's sign of life, and the command that looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.errors import ConfigurationError
from tests.database import ROOT
from worker.telemetry.heartbeat import FRESH_SECONDS, Heartbeat, is_fresh


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def set_age(file: Path, seconds: float) -> None:
    os.utime(file, (time.time() - seconds, time.time() - seconds))


def look(file: str | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]} | ({} if file is None else {"WORKER_HEARTBEAT_FILE": file})
    command = [sys.executable, "-m", "worker.telemetry.heartbeat"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_heartbeat_updates_the_file(file: Path) -> None:
    heartbeat = Heartbeat(str(file))
    set_age(file, 2 * FRESH_SECONDS)
    assert not is_fresh(file)

    heartbeat.beat()

    assert is_fresh(file)


def test_the_file_is_touched_at_most_once_a_second(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("worker.telemetry.heartbeat.time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    heartbeat = Heartbeat(str(file))
    heartbeat.beat()
    file.unlink()

    clock.now = 100.9
    heartbeat.beat()
    assert not file.exists()

    clock.now = 101.0
    heartbeat.beat()
    assert file.exists()


def test_a_report_dated_in_the_future_does_not_make_a_worker_alive(file: Path) -> None:
    Heartbeat(str(file)).beat()
    set_age(file, -2 * FRESH_SECONDS)

    assert not is_fresh(file)


@pytest.mark.parametrize("none", [None, ""])
def test_without_a_file_nothing_is_written(none: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Heartbeat(none).beat()

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^WORKER_HEARTBEAT_FILE: cannot write .*: No such file or directory"):
        Heartbeat(str(tmp_path / "nowhere" / "heartbeat"))


def test_a_file_that_cannot_be_written_any_more_does_not_stop_the_worker(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    heartbeat = Heartbeat(str(folder / "heartbeat"))
    (folder / "heartbeat").unlink()
    folder.rmdir()

    heartbeat.beat()


@pytest.mark.parametrize(("age", "status"), [(0.0, 0), (FRESH_SECONDS / 2, 0), (FRESH_SECONDS + 1, 1)])
def test_the_health_check_tells_by_the_age_of_the_file(age: float, status: int, file: Path) -> None:
    file.touch()
    set_age(file, age)

    assert look(str(file)).returncode == status


def test_the_health_check_fails_without_a_file(file: Path) -> None:
    assert look(str(file)).returncode == 1


@pytest.mark.parametrize("none", [None, ""])
def test_the_health_check_says_when_it_does_not_know_where_to_look(none: str | None) -> None:
    done = look(none)

    assert done.returncode == 1
    assert done.stderr == "WORKER_HEARTBEAT_FILE is not set: there is no heartbeat to check.\n"
