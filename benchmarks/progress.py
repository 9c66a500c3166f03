"""A progress bar: one line that is rewritten in place."""

from __future__ import annotations

import time

from sandbox.terminal import Terminal

WIDTH = 24


class Progress:
    """The progress of one thing that takes a while."""

    def __init__(self, title: str, terminal: Terminal) -> None:
        self.title = title
        self._terminal = terminal
        self._began = time.monotonic()

    def show(self, done: float, total: float, unit: str) -> None:
        """How much is done of how much, and how fast."""
        share = min(1.0, done / total) if total else 1.0
        filled = int(WIDTH * share)
        elapsed = time.monotonic() - self._began
        speed = f" · {done / elapsed:,.0f}/s" if elapsed > 1 and done else ""
        bar = "█" * filled + "░" * (WIDTH - filled)
        self._terminal.pass_by(f"{bar} {self.title}: {done:,.0f} of {total:,.0f} {unit}{speed}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._terminal.say(line)
