"""The log files of the child processes: begun anew at each start, and asked why a child has ended."""

from __future__ import annotations

from pathlib import Path

TAIL = 64 * 1024
"""Bytes of a log that are looked at: the last traceback is in them."""


def begin_log(log: Path) -> None:
    """Makes room for a log file; that of the run before stays beside it as NAME.log.1."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def reason_in(log: Path) -> str:
    """Why the process that wrote the log has ended: the error of its last traceback, or else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        lines = [line.rstrip() for line in file.read().decode(errors="replace").split("\n") if line.strip()]
    if not lines:
        return "it said nothing."
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[starts[-1] + 1 :] if starts else []
    # The frames are indented; the error is not, and may go on in lines of its own.
    return next((line for line in after if not line.startswith(" ")), lines[-1].strip())
