"""The launcher as tests run it, with a data folder and ports of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from sandbox.supervisor import ROOT
from tests.ports import free_port

PATIENCE = 120.0
"""Seconds for anything here: it takes some ten where nobody else is at work."""


class Launcher:
    """A launcher with a data folder and ports of its own; what it prints is read line by line."""

    def __init__(
        self,
        data: Path,
        output: Path,
        command: Sequence[str] = (sys.executable, "-m", "sandbox"),
        **environment: str,
    ) -> None:
        self.data = data
        self.output = output
        self.port = environment.get("API_PORT") or str(free_port())
        own = {"DATA_DIR": str(data), "API_PORT": self.port, "SANDBOX_GATEWAY_PORT": str(free_port())}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GATEWAY_", "DATABASE_", "API_", "OIDC_"))
        }
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**inherited, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said() or self.process.poll() is not None)
        assert words in self.said(), self.said()

    @property
    def key(self) -> str:
        """The API's key, as it is kept."""
        return (self.data / "api-key").read_text().strip()

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=PATIENCE) as response:
            return json.load(response)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


Launch = Callable[..., Launcher]


@contextmanager
def launching(folder: Path) -> Iterator[Launch]:
    """Starts launchers on one data folder in `folder`, and ends them whatever happens."""
    launched: list[Launcher] = []

    def launch(**environment: str) -> Launcher:
        launched.append(Launcher(folder / "data", folder / f"output-{len(launched)}", **environment))
        return launched[-1]

    yield launch
    for launcher in launched:
        launcher.process.kill()
        launcher.process.wait()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
