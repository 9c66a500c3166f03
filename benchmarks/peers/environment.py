"""The peers' virtual environment, made on demand, and Redis."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT, Child
from sandbox.addresses import free_port
from shared.errors import ConfigurationError, GonetsError

FOLDER = ROOT / ".venv-peers"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
INSTALL_REDIS = "redis-server is missing; on Debian and Ubuntu: apt install redis-server"


def python() -> str:
    """The Python that has the peers: the same as ours, in a virtual environment of its own.

    Installs them first if they aren't there, or others than are wanted. Raises GonetsError with pip's own words.
    """
    path = FOLDER / "bin" / "python"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    mark = FOLDER / "ready"
    if not mark.is_file() or mark.read_text() != wanted:
        print(f"Installing the peers into {FOLDER.name}; this happens once and takes a minute or so.", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
        _run([str(path), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "-r", str(REQUIREMENTS)])
        mark.write_text(wanted)
    return str(path)


def version(package: str) -> str:
    """The version of a peer."""
    question = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python(), "-c", question], capture_output=True, text=True, check=True).stdout.strip()


def redis_program() -> str | None:
    """Redis' path; none when it isn't installed."""
    return shutil.which("redis-server")


def start_redis(folder: Path) -> tuple[Child, str]:
    """A Redis that keeps nothing on disk, as fast as it gets; and its URL. To be stopped by the caller.

    Raises ConfigurationError when it isn't installed.
    """
    path = redis_program()
    if path is None:
        raise ConfigurationError(INSTALL_REDIS)
    port = free_port(6390)
    command = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    child = Child("redis", [*command, "--dir", str(folder)], folder / "redis.log")
    child.wait_for(b"Ready to accept connections")
    return child, f"redis://127.0.0.1:{port}/0"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GonetsError(f"The peers could not be installed: {(done.stderr or done.stdout).strip()}")
