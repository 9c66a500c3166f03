"""A sign of life: a file that each tick touches, for a container's health check.

`python -m worker.heartbeat` exits with 0 while the file named by WORKER_HEARTBEAT_FILE is fresh, and with 1 when the
worker's loop has stood still (it also does while the database is away).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

FRESH_SECONDS = 90.0
"""Longer than the longest poll (60 s) with a slow tick after it."""


class Heartbeat:
    """Touches a file, at most once a second. Without a file it does nothing."""

    def __init__(self, file: str | None) -> None:
        self._file = Path(file) if file else None
        self._next = 0.0

    def beat(self) -> None:
        """Says that the loop is alive."""
        now = time.monotonic()
        if self._file is not None and now >= self._next:
            self._file.touch()
            self._next = now + 1.0


def is_fresh(file: Path) -> bool:
    """Whether the loop has beaten lately."""
    try:
        return time.time() - file.stat().st_mtime < FRESH_SECONDS
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_fresh(Path(os.environ.get("WORKER_HEARTBEAT_FILE", ""))) else 1)
