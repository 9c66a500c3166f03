"""What the person who started it all sees: short lines that stay, and one that is rewritten in place."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

PLAIN_INTERVAL = 1.0
"""Seconds between two states of the passing line where it can't be rewritten (a file, a pipe)."""

ERASE_LINE, GREEN, PLAIN = "\r\x1b[2K", "\x1b[32m", "\x1b[0m"  # ECMA-48


class Terminal:
    """Lines for `stream`; rewrites and colours only on a terminal, and without colour if NO_COLOR is set."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._rewrites = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._rewrites and not os.environ.get("NO_COLOR")
        self._passing = ""
        self._passed_at = float("-inf")

    def say(self, line: str = "") -> None:
        """A line that stays."""
        self.clear()
        self._write(line + "\n")

    def tick(self, line: str) -> None:
        """A line that says that something is done."""
        self.say(f"{GREEN}✓{PLAIN} {line}" if self._colours else line)

    def pass_by(self, line: str) -> None:
        """A line that the next one replaces. Where that can't be, one of them a second stays."""
        if line == self._passing:
            return
        if self._rewrites:
            self._write(ERASE_LINE + line[: shutil.get_terminal_size().columns - 1])
            self._passing = line
        elif time.monotonic() - self._passed_at >= PLAIN_INTERVAL:
            self._write(line + "\n")
            self._passed_at = time.monotonic()

    def clear(self) -> None:
        """Takes away the passing line."""
        passing, self._passing = self._passing, ""
        self._write(ERASE_LINE if passing else "")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except OSError:
            # Nobody reads any more (`make run | head`, a closed window); the service goes on.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def brief(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
