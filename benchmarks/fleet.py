"""Real workers, `python -m worker`, as many as a benchmark wants."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.gateways import Gateway
from benchmarks.processes import Child

COMMAND = (sys.executable, "-m", "worker")


class Fleet:
    """Worker processes with default settings but for those given; a context manager, which stops them."""

    def __init__(
        self,
        database_url: str,
        gateway: Gateway,
        workers: int,
        folder: Path,
        settings: Mapping[str, str] = {},
    ) -> None:
        """`settings` are environment variables."""
        environment = {
            "DATABASE_URL": database_url,
            "GATEWAY_URL": gateway.url,
            "GATEWAY_TOKEN": gateway.token,
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "text",
            **settings,
        }
        self.workers = [
            Child(f"worker {number}", COMMAND, folder / f"worker-{number}.log", environment)
            for number in range(1, workers + 1)
        ]
        for worker in self.workers:
            worker.wait_for(b"worker.started")

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [worker.pid for worker in self.workers]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.stop()
            if kind is None:
                worker.check()
