"""The leash: what it starts is the command itself, as the right user, with no more rights than needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.parent_death_signal import CAP_DAC_READ_SEARCH, Account, die_with_parent

root_on_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can become somebody else so"
)


def run(command: list[str], account: Account | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        die_with_parent(command, signal.SIGTERM, account), capture_output=True, text=True, cwd="/", check=False
    )


def nobody(folder: Path) -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid, str(folder))


def effective_capabilities(status: str) -> int:
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))


def own_capabilities() -> int:
    """Of the process that runs the tests; none where the system does not tell."""
    status = Path("/proc/self/status")
    return effective_capabilities(status.read_text()) if status.exists() else 0


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    """A folder inside one that only root may enter, as in root's home or in what mktemp -d made."""
    (tmp_path / "closed").mkdir(mode=0o700)
    folder = tmp_path / "closed" / "folder"
    folder.mkdir(mode=0o755)
    return folder


def test_the_command_keeps_its_process_id_its_arguments_and_its_exit_status() -> None:
    leash = die_with_parent(["/bin/sh", "-c", 'echo $$ "$1"; exit 7', "sh", "a b"], signal.SIGTERM)
    with subprocess.Popen(leash, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.read() == f"{process.pid} a b\n"
    assert process.returncode == 7


def test_a_program_that_is_not_there_is_a_sentence() -> None:
    done = run(["/no/such/program"])
    assert (done.returncode, done.stderr) == (1, "/no/such/program cannot be started: No such file or directory.\n")


@root_on_linux
def test_root_switches_to_the_user_without_any_capability() -> None:
    done = run(["/bin/sh", "-c", "id -u; id -G; cat /proc/self/status"], nobody(Path("/")))
    account = pwd.getpwnam("nobody")
    assert done.stdout.splitlines()[:2] == [str(account.pw_uid), str(account.pw_gid)]
    assert effective_capabilities(done.stdout) == 0


@root_on_linux
def test_the_user_gets_at_a_folder_that_is_closed_to_him(closed_folder: Path) -> None:
    (closed_folder / "letter.txt").write_text("dear")
    assert run(["/bin/cat", f"{closed_folder}/letter.txt"], nobody(closed_folder)).stdout == "dear"


@root_on_linux
@pytest.mark.skipif(
    not own_capabilities() & 1 << CAP_DAC_READ_SEARCH, reason="root has no CAP_DAC_READ_SEARCH here, as in a container"
)
def test_who_gets_at_a_closed_folder_still_can_not_write_there(closed_folder: Path) -> None:
    done = run(["/usr/bin/touch", f"{closed_folder}/new"], nobody(closed_folder))
    assert "Permission denied" in done.stderr


@root_on_linux
def test_the_user_may_run_and_find_a_program_in_a_closed_folder(closed_folder: Path) -> None:
    shell = shutil.copy(Path("/bin/sh").resolve(), closed_folder / "sh")
    done = run([str(shell), "-c", f"test -x {shell} && {shell} -c 'id -u'"], nobody(Path("/")))
    assert done.stdout == f"{pwd.getpwnam('nobody').pw_uid}\n"
