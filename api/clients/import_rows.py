"""A row of an import file, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UnparsableRow:
    """A row that can't be parsed into fields, and why."""

    reason: str


Row = tuple[int, Any, Sequence[str] | None]
"""The number of the line where a row begins, counted from 1; its fields by name, or another JSON value; and its
cells as they are in the file, if it has cells."""
