"""The launcher's output: lines that stay, and a status line that is rewritten in place."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

STATUS_INTERVAL = 1.0
"""Seconds between two status lines where they cannot be rewritten (a file, a pipe)."""

ERASE_LINE, GREEN, PLAIN = "\r\x1b[2K", "\x1b[32m", "\x1b[0m"  # ECMA-48


class Terminal:
    """Writes lines to `stream`; rewrites and colours only on a terminal, and no colours if NO_COLOR is set."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._rewrites = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._rewrites and not os.environ.get("NO_COLOR")
        self._status = ""
        self._status_at = float("-inf")

    def say(self, line: str = "") -> None:
        """Writes a line that stays."""
        self.clear()
        self._write(line + "\n")

    def done(self, line: str) -> None:
        """Writes a line for a completed step."""
        self.say(f"{GREEN}✓{PLAIN} {line}" if self._colours else line)

    def status_line(self, line: str) -> None:
        """Writes a line that the next one replaces. Where that is not possible, at most one a second is written."""
        if line == self._status:
            return
        if self._rewrites:
            self._write(ERASE_LINE + line[: shutil.get_terminal_size().columns - 1])
            self._status = line
        elif time.monotonic() - self._status_at >= STATUS_INTERVAL:
            self._write(line + "\n")
            self._status_at = time.monotonic()

    def clear(self) -> None:
        """Erases the status line."""
        status, self._status = self._status, ""
        self._write(ERASE_LINE if status else "")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except OSError:
            # The reader is gone (`make run | head`, a closed window); the service keeps running.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def display_path(path: Path) -> str:
    """The path relative to the working directory, if it is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
