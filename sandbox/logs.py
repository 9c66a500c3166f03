"""The log files of the child processes: rotated at each start, and searched for the reason when a child exits."""

from __future__ import annotations

from pathlib import Path

TAIL = 64 * 1024
"""Bytes at the end of a log that are searched: they contain the last traceback."""


def rotate_log(log: Path) -> None:
    """Moves the log of the previous run to NAME.log.1; creates the folder if needed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def reason_in(log: Path) -> str:
    """Why the process that wrote the log exited: the error of its last traceback, or else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        lines = [line.rstrip() for line in file.read().decode(errors="replace").split("\n") if line.strip()]
    if not lines:
        return "it wrote nothing."
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[starts[-1] + 1 :] if starts else []
    # The frames are indented; the error is not, and may continue on further lines.
    return next((line for line in after if not line.startswith(" ")), lines[-1].strip())
