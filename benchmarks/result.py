"""What a benchmark found: a table, a few figures for the README, a plot. Kept as JSON, of which documents are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parent / "results"


@dataclass
class Result:
    """Cells are as they are to be shown; `readme` is a row for the README: what, and how much."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: list[str] = field(default_factory=list)
    readme: list[tuple[str, str]] = field(default_factory=list)
    draw: Callable[[Path], str] | None = None
    """Draws the plot into a folder, and answers the file's name."""
    plot: str | None = None
    """The plot's file, once it is drawn, beside the JSON."""
    plot_shows: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d"))

    def save(self) -> None:
        """Writes the result beside those of the other benchmarks."""
        FOLDER.mkdir(exist_ok=True)
        if self.draw:
            self.plot = self.draw(FOLDER)
        kept = {name: value for name, value in asdict(self).items() if name != "draw"}
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        (FOLDER / f"{self.name}.json").write_text(text + "\n")

    @classmethod
    def load(cls, name: str) -> Self | None:
        """The result of a benchmark's last run; none when it has not been run."""
        try:
            return cls(**json.loads((FOLDER / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def as_text(self) -> str:
        """The table for a terminal, and the machine it is of."""
        cells = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.columns))]
        lines = ["  ".join(_aligned(row, widths)) for row in cells]
        lines.insert(1, "  ".join("─" * width for width in widths))
        lines += ["", *self.notes, ""]
        return "\n".join(lines + [f"{name}: {value}" for name, value in self.machine.items()])

    def as_markdown(self) -> str:
        """The table, the notes and the plot, for a document in docs/."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in [self.columns, rule, *self.rows]]
        for note in self.notes:
            lines += ["", note]
        if self.plot:
            lines += ["", f"![{self.plot_shows}](../benchmarks/results/{self.plot})"]
        return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, what follows to the right."""
    return [
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def ratio(value: float, reference: float) -> str:
    """A figure as a multiple of another one of the same run."""
    return f"{value / reference:.2f}×" if reference else "–"


def microseconds(seconds: float, messages: int) -> str:
    """CPU time a message."""
    return f"{seconds / messages * 1e6:,.0f}"
