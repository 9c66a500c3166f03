"""What the peers need, installed on demand into a folder for Node and one for Go."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.processes import ROOT, program
from shared.errors import GonetsError

HERE = Path(__file__).parent
NODE_FOLDER, GO_FOLDER = ROOT / ".venv-peers-node", ROOT / ".venv-peers-go"


def node(peer: str) -> list[str]:
    """The command of a peer of Node's, with a Node of its own.

    Raises ConfigurationError when there is no npm, GonetsError with npm's own words when it fails.
    """
    npm, wanted = program("npm", "on Debian and Ubuntu: apt install npm"), HERE / "node" / "package.json"
    ready = (mark := NODE_FOLDER / "ready").is_file() and mark.read_bytes() == wanted.read_bytes()
    # The scripts go where the modules are: that is where Node looks for these.
    shutil.copytree(HERE / "node", NODE_FOLDER, dirs_exist_ok=True)
    if not ready:
        _run([npm, "--prefix", str(NODE_FOLDER), "install", "--no-audit", "--no-fund"])
        shutil.copy(wanted, mark)
    return [str(NODE_FOLDER / "node_modules" / ".bin" / "node"), str(NODE_FOLDER / "peer.mjs"), peer]


def river() -> list[str]:
    """The command of River's program, which Go builds when it has changed.

    Raises ConfigurationError when there is no Go, GonetsError with Go's own words when it fails.
    """
    go, built = program("go", "see https://go.dev/doc/install", "/usr/local/go/bin"), str(GO_FOLDER / "river_peer")
    modules, cache = str(GO_FOLDER / "modules"), str(GO_FOLDER / "cache")
    _run([go, "build", "-modcacherw", "-o", built, "."], HERE / "river", GOMODCACHE=modules, GOCACHE=cache)
    return [built]


def versions() -> str:
    """The peers that are installed, each with its version."""
    found = []
    for package in ("pg-boss", "graphile-worker"):
        if (path := NODE_FOLDER / "node_modules" / package / "package.json").exists():
            found.append(f"{package} {json.loads(path.read_text())['version']}")
    modules = (HERE / "river" / "go.mod").read_text()
    if (GO_FOLDER / "river_peer").exists() and (told := re.search(r"riverqueue/river v(\S+)", modules)):
        found.append(f"river {told[1]}")
    return ", ".join(found)


def _run(command: list[str], folder: Path = ROOT, **settings: str) -> None:
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GonetsError(f"A peer could not be installed: {(done.stderr or done.stdout).strip()}")
