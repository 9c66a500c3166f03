"""Everything a benchmark stands on: a folder, a PostgreSQL, a gateway, a terminal; and how one is run as a command."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import machine, nginx, postgres
from benchmarks.gateways import Gateway
from benchmarks.nginx import Nginx
from benchmarks.processes import ROOT, Meter
from benchmarks.progress import Progress
from benchmarks.result import Result
from benchmarks.slow_gateway import SlowGateway
from sandbox.terminal import Terminal
from shared.errors import GonetsError

FOLDER = ROOT / ".data" / "benchmarks"
"""On a real disk: a temporary folder may lie in memory, where nothing is durable."""


class Stage:
    """What a benchmark is given; all of it is gone when it ends."""

    def __init__(self, folder: Path, server: postgres.Server, terminal: Terminal) -> None:
        self.folder = folder
        self.server = server
        self.terminal = terminal

    def progress(self, title: str) -> Progress:
        """A progress bar."""
        return Progress(title, self.terminal)

    def say(self, line: str = "") -> None:
        """A line that stays."""
        self.terminal.say(line)

    @contextlib.contextmanager
    def gateway(self, latency: float = 0.0) -> Iterator[Gateway]:
        """A gateway of that latency in seconds: nginx when there is none to keep, if it is installed."""
        folder = Path(tempfile.mkdtemp(prefix="gateway-", dir=self.folder))
        if latency or nginx.program() is None:
            if not latency:
                self.say(f"{nginx.INSTALL}. Until then a slower gateway answers, and every figure is smaller.")
            with SlowGateway(folder, latency) as slow:
                yield slow
        else:
            with Nginx(folder / "nginx") as fast:
                yield fast

    def meter(self, gateway: Gateway, **groups: list[int]) -> Meter:
        """Measures the CPU time of groups of processes, and of PostgreSQL (if it is ours) and the gateway."""
        server = [self.server.pid] if self.server.pid else []
        return Meter({**groups, "PostgreSQL": server, "gateway": [gateway.pid]})


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Sets the stage, and clears it away."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
    folder.chmod(0o755)  # nginx's and PostgreSQL's processes are other users when root starts them
    terminal = Terminal()
    try:
        with postgres.server(folder) as server:
            yield Stage(folder, server, terminal)
            terminal.clear()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def command(name: str, measure: Callable[[Stage, argparse.Namespace], Result], parser: argparse.ArgumentParser) -> None:
    """Runs a benchmark as a command: prints its table, keeps its result, exits with 1 when something is not right."""
    parser.prog = f"python -m benchmarks.{name}"
    parser.add_argument("--no-save", action="store_true", help="show the result, and don't keep it for the documents")
    options = parser.parse_args()
    try:
        with stage() as set_up:
            result = measure(set_up, options)
            result.machine = machine.facts(set_up.server.url)
        print(result.as_text())
        if not options.no_save:
            result.save()
    except KeyboardInterrupt:
        sys.exit(130)
    except GonetsError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)
