"""The peers' environments, made on demand: a virtual one for Python's, a folder for Node's; and Redis."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT, Child
from sandbox.addresses import free_port
from shared.errors import ConfigurationError, GonetsError

FOLDER = ROOT / ".venv-peers"
PYTHON_PEERS = ("celery", "procrastinate", "pgqueuer")
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
NODE_FOLDER = ROOT / ".venv-peers-node"
NODE_PEERS = Path(__file__).parent / "node"
INSTALL_REDIS = "redis-server is missing; on Debian and Ubuntu: apt install redis-server"
INSTALL_NPM = "npm is missing; on Debian and Ubuntu: apt install npm"


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


def node(script: str) -> list[str]:
    """The command that runs a peer's script, by a Node of its own. Installs both first if they aren't there.

    Raises ConfigurationError when there is no npm, GonetsError with npm's own words when it fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigurationError(INSTALL_NPM)
    wanted = (NODE_PEERS / "package.json").read_bytes()
    mark = NODE_FOLDER / "ready"
    # The scripts go where the modules are: that is where Node looks for these.
    shutil.copytree(NODE_PEERS, NODE_FOLDER, dirs_exist_ok=True)
    if not mark.is_file() or mark.read_bytes() != wanted:
        print(f"Installing the peers into {NODE_FOLDER.name}; this happens once and takes a minute or so.", flush=True)
        _run([npm, "--prefix", str(NODE_FOLDER), "install", "--no-audit", "--no-fund"])
        mark.write_bytes(wanted)
    return [str(NODE_FOLDER / "node_modules" / ".bin" / "node"), str(NODE_FOLDER / script)]


def versions() -> str:
    """The peers that are installed, each with its version."""
    found = []
    if (FOLDER / "ready").is_file():
        ask = f"from importlib.metadata import version\nfor name in {PYTHON_PEERS}: print(name, version(name))"
        found += subprocess.run([python(), "-c", ask], capture_output=True, text=True, check=True).stdout.splitlines()
    for package in ("pg-boss", "graphile-worker") if (NODE_FOLDER / "ready").is_file() else ():
        told = json.loads((NODE_FOLDER / "node_modules" / package / "package.json").read_text())
        found.append(f"{package} {told['version']}")
    return ", ".join(found)


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
