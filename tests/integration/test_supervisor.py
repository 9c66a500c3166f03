"""The supervisor with real children: started, started again, stopped in order, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import supervisor as module
from sandbox.supervisor import ROOT, Job, Supervisor
from shared.errors import ConfigurationError

SHELL = "/bin/sh"
OBEDIENT = "trap 'echo stopping >&2; exit 0' TERM; echo started; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo started; while :; do sleep 0.05; done"
WITH_A_CHILD = "sleep 600 & echo $!; exec sleep 600"

KILLED_SUPERVISOR = """
import os, sys, time
from pathlib import Path
from signal import SIGKILL
from sandbox.supervisor import Job, Supervisor
supervisor = Supervisor(Path(sys.argv[1]), print)
supervisor.start(Job("worker", "worker-1", ["/bin/sh", "-c", "echo $$; exec sleep 600"], os.environ))
while not (Path(sys.argv[1]) / "worker-1.log").read_text():
    time.sleep(0.05)
os.kill(os.getpid(), SIGKILL)
"""


class Messages(list[str]):
    """What the supervisor messages."""


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def supervisor(tmp_path: Path, messages: Messages, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(module, "MIN_RESTART_DELAY", 0.1)
    supervisor = Supervisor(tmp_path, messages.append)
    yield supervisor
    supervisor.kill()
    supervisor.stop()


def job(name: str, script: str) -> Job:
    return Job(name.partition("-")[0], name, [SHELL, "-c", script], dict(os.environ))


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def until(condition: Callable[[], object], supervisor: Supervisor | None = None) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        if supervisor:
            supervisor.supervise()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_output_of_each_child_goes_to_its_own_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(job("api", "echo out; echo err >&2; exec sleep 600"))
    supervisor.start(job("worker-1", OBEDIENT))
    until(lambda: lines(tmp_path / "api.log") == ["out", "err"])
    until(lambda: lines(tmp_path / "worker-1.log") == ["started"])


def test_the_log_of_the_run_before_is_kept(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text("before")
    supervisor.start(job("api", OBEDIENT))
    until(lambda: lines(tmp_path / "api.log") == ["started"])
    assert (tmp_path / "api.log.1").read_text() == "before"


def test_a_child_leads_a_session_of_its_own(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(job("worker-1", "echo $$; exec sleep 600"))
    until(lambda: lines(tmp_path / "worker-1.log"))
    pid = int(lines(tmp_path / "worker-1.log")[0])
    assert os.getsid(pid) == os.getpgid(pid) == pid


@pytest.mark.parametrize(
    ("death", "words"), [("exit 3", "ended with exit code 3"), ("kill -KILL $$", "was killed by SIGKILL")]
)
def test_what_dies_is_started_again_and_it_is_said(
    supervisor: Supervisor, messages: Messages, tmp_path: Path, death: str, words: str
) -> None:
    supervisor.start(
        job("worker-1", f"echo started; test -e {tmp_path}/once && exec sleep 600; : > {tmp_path}/once; {death}")
    )
    until(lambda: lines(tmp_path / "worker-1.log") == ["started", "started"], supervisor)
    assert len(messages) == 1
    assert messages[0].startswith(f"worker-1 {words}; restarting in ")


def test_a_crash_loop_slows_down(supervisor: Supervisor, messages: Messages) -> None:
    supervisor.start(job("worker-1", "exit 1"))
    began = time.monotonic()
    until(lambda: len(messages) == 4, supervisor)
    assert time.monotonic() - began >= 0.1 + 0.2 + 0.4


def test_the_error_of_a_child_that_refuses_its_settings_is_shown_and_it_is_not_started_again(
    supervisor: Supervisor,
) -> None:
    supervisor.start(job("worker-1", "echo 'GATEWAY_URL: must be an address.' >&2; exit 2"))
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_URL: must be an address\.$"):
        until(lambda: False, supervisor)


def test_it_tells_why_a_child_has_ended(supervisor: Supervisor) -> None:
    supervisor.start(job("api", "echo 'no such module'; exit 3"))
    until(lambda: supervisor.ended("api"))
    assert str(supervisor.ended("api")).startswith("api ended with exit code 3: no such module (More in ")


def test_the_last_started_role_stops_first_and_the_next_waits_for_it(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "order"
    stops = "trap 'sleep {pause}; echo {name} >> {log}; exit 0' TERM; echo started; while :; do sleep 0.02; done"
    names = ["gateway", "api", "worker-1", "worker-2"]
    for name, pause in zip(names, (0, 0.1, 0.3, 0.2), strict=True):
        supervisor.start(job(name, stops.format(name=name, pause=pause, log=log)))
        until(lambda name=name: lines(tmp_path / f"{name}.log"))  # type: ignore[misc]
    supervisor.stop()
    assert lines(log) == ["worker-2", "worker-1", "api", "gateway"]


def test_what_does_not_stop_is_killed(
    supervisor: Supervisor, messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.3)
    supervisor.start(job("worker-1", STUBBORN))
    until(lambda: lines(tmp_path / "worker-1.log"))
    supervisor.stop()
    assert messages == ["worker-1 did not stop in time and was killed."]


def test_a_kill_ends_the_children_of_the_children_too(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(job("api", WITH_A_CHILD))
    until(lambda: lines(tmp_path / "api.log"))
    grandchild = int(lines(tmp_path / "api.log")[0])
    supervisor.kill()
    until(lambda: not is_alive(grandchild))


def test_what_a_dead_child_leaves_behind_is_ended_before_it_starts_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(job("api", "sleep 600 & echo $!; exit 1"))
    until(lambda: lines(tmp_path / "api.log"))
    grandchild = int(lines(tmp_path / "api.log")[0])
    until(lambda: not is_alive(grandchild), supervisor)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_children_of_a_killed_supervisor_stop(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_SUPERVISOR, str(tmp_path)], cwd=ROOT, check=False)
    pid = int(lines(tmp_path / "worker-1.log")[0])
    until(lambda: not is_alive(pid))


def test_what_can_not_be_run_says_so_in_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Job("api", "api", ["/no/such/program"], {}))
    until(lambda: supervisor.ended("api"))
    assert (tmp_path / "api.log").read_text() == "/no/such/program cannot be started: No such file or directory.\n"


def test_a_child_receives_the_signals_that_its_starter_has_blocked(
    supervisor: Supervisor, messages: Messages, tmp_path: Path
) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        supervisor.start(job("worker-1", OBEDIENT))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    until(lambda: lines(tmp_path / "worker-1.log"))
    supervisor.stop()
    assert lines(tmp_path / "worker-1.log") == ["started", "stopping"]
    assert messages == []
