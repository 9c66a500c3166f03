"""A heartbeat: a file that each tick touches, for a container's health check.

`python -m worker.telemetry.heartbeat` exits with 0 while the file named by WORKER_HEARTBEAT_FILE is fresh, and with 1
when the worker's loop has stalled (which it also does while the database is unavailable).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from shared.errors import ConfigurationError

FRESH_SECONDS = 90.0
"""Longer than the longest poll (60 s) followed by a slow tick."""


class Heartbeat:
    """Touches a file, at most once a second. Without a file it does nothing."""

    def __init__(self, file: str | None) -> None:
        """Raises ConfigurationError when the file can't be written."""
        self._file = Path(file) if file else None
        self._next = 0.0
        if self._file is not None:
            try:
                self._file.touch()
            except OSError as error:
                raise ConfigurationError(f"WORKER_HEARTBEAT_FILE: cannot write {file}: {error.strerror}") from error

    def beat(self) -> None:
        """Touches the file, at most once a second."""
        now = time.monotonic()
        if self._file is not None and now >= self._next:
            # A full disk shows in the age of the file, and is no reason to stop sending.
            with contextlib.suppress(OSError):
                self._file.touch()
            self._next = now + 1.0


def is_fresh(file: Path) -> bool:
    """Whether the file was touched in the last FRESH_SECONDS."""
    try:
        # A time in the future is from before the clock was set back.
        return abs(time.time() - file.stat().st_mtime) < FRESH_SECONDS
    except OSError:
        return False


def main() -> int:
    """Exit status: 0 while the worker is alive, 1 if it has stalled or the file is not set."""
    file = os.environ.get("WORKER_HEARTBEAT_FILE")
    if not file:
        print("WORKER_HEARTBEAT_FILE is not set: there is no heartbeat to check.", file=sys.stderr)  # noqa: T201
        return 1
    return 0 if is_fresh(Path(file)) else 1


if __name__ == "__main__":
    sys.exit(main())
