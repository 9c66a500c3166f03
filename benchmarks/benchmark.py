"""How a benchmark is defined, run as a command, printed, stored, and written into docs/performance.md."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.environment import Environment, environment
from benchmarks.processes import ROOT
from shared.errors import GonetsError

FOLDER = Path(__file__).parent / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- figures of (\w+) -->\n).*?(<!-- end of (?:\2) -->)", re.DOTALL)
"""A block of the document that is written here, and the benchmark that it is of."""
NOT_YET = "Not measured yet."


class Discrepancy(GonetsError):
    """What was measured is not what should have been: the figure is worth nothing."""


def expect(what: str, found: int, expected: int) -> None:
    """Raises Discrepancy unless the two are equal."""
    if found != expected:
        raise Discrepancy(f"{what}: {found:,}, and {expected:,} were expected.")


@dataclass
class Result:
    """A table, with its cells as they are to be shown."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    machine: dict[str, str] = field(default_factory=dict)
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d"))

    def save(self) -> None:
        """Stores it as JSON, and writes it into the document."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (FOLDER / f"{self.name}.json").write_text(text + "\n")
        DOCUMENT.write_text(with_figures(DOCUMENT.read_text()))

    def as_text(self) -> str:
        """The table for a terminal, and the machine."""
        cells = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        lines = ["  ".join(map(_aligned, row, widths, range(len(row)))) for row in cells]
        lines.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join([*lines, "", *self.notes, "", *(f"{name}: {one}" for name, one in self.machine.items())])

    def as_markdown(self) -> str:
        """The table, the notes and the machine, for the document."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [self.columns, rule, *self.rows])
        where = "; ".join(f"{name} {value}" for name, value in self.machine.items())
        return "\n\n".join([table, *self.notes, f"Measured on {self.measured_at}. {where}."])


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: `python -m benchmarks NAME`."""

    name: str
    about: str
    measure: Callable[[Environment, argparse.Namespace], Result]
    options: dict[str, tuple[object, str]]
    """By name, of the command: the default, whose type is the option's, and what it is."""
    short: str
    """Options that make it short: to see that it works, and not for figures."""
    stored: bool = True
    """Whether the document has a block for its result."""

    def main(self, arguments: Sequence[str]) -> int:
        """Runs the command: prints the table and stores it; the exit status is 1 when something is wrong."""
        options = self._parse(arguments)
        try:
            with environment() as prepared:
                result = self.measure(prepared, options)
                result.machine = machine.facts(prepared.server.url)
        except KeyboardInterrupt:
            return 130
        except GonetsError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        print(result.as_text(), flush=True)
        if self.stored and not (options.no_save or options.short):
            result.save()
        return 0

    def _parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks {self.name}", description=self.about)
        for name, (default, what) in self.options.items():
            parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} (default: {default})")
        parser.add_argument("--short", action="store_true", help=f"{self.short}, and store nothing")
        parser.add_argument("--no-save", action="store_true", help="store nothing")
        return parser.parse_args([*(self.short.split() if "--short" in arguments else []), *arguments])


def with_figures(document: str) -> str:
    """A document with each block as the last run of its benchmark has it."""
    return BLOCK.sub(lambda block: f"{block[1]}{_figures(block[2])}\n{block[3]}", document)


def ratio(value: float, reference: float) -> str:
    """A figure as a multiple of another one of the same run."""
    return f"{value / reference:.2f}×" if reference else "–"


def microseconds(seconds: float, messages: int) -> str:
    """CPU time a message."""
    return f"{seconds / messages * 1e6:,.0f}"


def megabytes(size: float) -> str:
    """Bytes of memory."""
    return f"{size / 2**20:,.0f} MB"


def _figures(name: str) -> str:
    path = FOLDER / f"{name}.json"
    return Result(**json.loads(path.read_text())).as_markdown() if path.exists() else NOT_YET


def _aligned(cell: str, width: int, place: int) -> str:
    return cell.rjust(width) if place else cell.ljust(width)
