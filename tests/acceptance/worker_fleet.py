"""Worker processes as tests run them: real ones, on a database and a gateway of the test's own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import commands
from tests.acceptance.worker_process import QUICK
from tests.commands import RunningCommand, Start
from tests.database import ROOT
from tests.waiting import PATIENCE, eventually


class WorkerProcess:
    """A worker that can be killed, stopped, frozen and started again. Its output is added to one log."""

    def __init__(self, module: str, root: Path, start: Start, environment: dict[str, str], log: Path) -> None:
        self._module = module
        self._root = root
        self._start = start
        self._environment = environment
        self._log = log
        self._process: RunningCommand | None = None

    def start(self) -> None:
        """Starts it, or starts it again. To be called by a thread that stays: the process may end with it."""
        with self._log.open("ab") as log:
            self._process = self._start([self._module], self._environment, log, signal.SIGKILL, folder=self._root)

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; none while it runs."""
        assert self._process
        return self._process.poll()

    def said(self) -> str:
        """All that it has logged."""
        return self._log.read_text()

    def wait_until_it_says(self, words: str, within: float = PATIENCE) -> None:
        eventually(lambda: words in self.said(), within)

    def stop(self) -> int:
        """Asks it to stop and answers its exit status."""
        assert self._process
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it here and now, frozen or not."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stops it as a machine that hangs does: it knows nothing of it."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


class Fleet:
    """Workers on one database and one gateway; as a context manager, it ends them all."""

    def __init__(self, folder: Path, database_url: str, gateway_url: str, token: str) -> None:
        """The logs go to `folder`."""
        self._folder = folder
        self._settings = {
            "PATH": os.environ["PATH"],
            **QUICK,
            "WORKER_CONCURRENCY": "4",
            "DATABASE_URL": database_url,
            "GATEWAY_URL": gateway_url,
            "GATEWAY_TOKEN": token,
        }
        self.workers: list[WorkerProcess] = []

    def start(self, module: str = "worker", root: Path = ROOT, /, **settings: str | float) -> WorkerProcess:
        """Starts a worker: `python -m module` in the folder `root`. A setting that is empty is not set."""
        return self._start(module, root, commands.start, settings)

    def start_cold(self, module: str, /, **settings: str | float) -> WorkerProcess:
        """Starts a worker before whose module nothing has been imported."""
        return self._start(module, ROOT, commands.start_cold, settings)

    def _start(self, module: str, root: Path, start: Start, settings: Mapping[str, str | float]) -> WorkerProcess:
        given = {name: str(value) for name, value in settings.items()}
        environment = {name: value for name, value in {**self._settings, **given}.items() if value != ""}
        log = self._folder / f"worker-{len(self.workers)}.log"
        self.workers.append(WorkerProcess(module, root, start, environment, log))
        self.workers[-1].start()
        return self.workers[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
