"""How a benchmark is defined, run as a command, printed, stored, and written into docs/performance.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pycurl

from benchmarks.environment import Environment, environment
from benchmarks.gateways import nginx_version
from benchmarks.postgres import ask, connect
from benchmarks.processes import ROOT
from shared.errors import ConfigurationError, GonetsError

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


Measure = Callable[[Environment, argparse.Namespace], "Result"]


@dataclass
class Result:
    """A table, with its cells as they are to be shown."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    machine: dict[str, str] = field(default_factory=dict)
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d"))
    name: str = ""

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[str]], *notes: str) -> Self:
        """A new one, with notes below the table."""
        return cls(columns, rows, notes)

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


class Benchmark:
    """One benchmark: `python -m benchmarks NAME`, which is its module's, whose first line says what it is about."""

    def __init__(self, measure: Measure, *, short: str, stored: bool = True, **options: tuple[object, str]) -> None:
        """`short`: options that make it short, to see that it works; `stored`: whether the document has its figures.

        `options` are the command's, by name: the default, whose type is the option's, and what it is.
        """
        self.name = measure.__module__.rpartition(".")[2]
        self.about = (sys.modules[measure.__module__].__doc__ or "").partition("\n")[0]
        self.options = options
        self._measure, self._short, self._stored = measure, short, stored

    def main(self, arguments: Sequence[str]) -> int:
        """Runs the command: prints the table and stores it; the exit status is 1 when something is wrong."""
        options = self._parse(arguments)
        try:
            with environment() as prepared:
                result = self._measure(prepared, options)
                result.name, result.machine = self.name, facts(prepared.server.url)
        except KeyboardInterrupt:
            return 130
        except GonetsError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        print(result.as_text(), flush=True)
        if self._stored and not (options.no_save or options.short):
            result.save()
        return 0

    def _parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks {self.name}", description=self.about)
        for name, (default, what) in self.options.items():
            parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} (default: {default})")
        parser.add_argument("--short", action="store_true", help=f"{self._short}, and store nothing")
        parser.add_argument("--no-save", action="store_true", help="store nothing")
        return parser.parse_args([*(self._short.split() if "--short" in arguments else []), *arguments])


def with_figures(document: str) -> str:
    """A document with each block as the last run of its benchmark has it."""
    return BLOCK.sub(lambda block: f"{block[1]}{_figures(block[2])}\n{block[3]}", document)


def chosen_of(names: Iterable[str], only: str) -> list[str]:
    """All names, or only those. Raises ConfigurationError when there is no such name."""
    chosen = only.split(",") if only else list(names)
    if unknown := set(chosen) - set(names):
        raise ConfigurationError(f"--only: there is no {', '.join(unknown)}; there are {', '.join(names)}.")
    return chosen


def ratio(value: float, reference: float) -> str:
    """A figure as a multiple of another one of the same run."""
    return f"{value / reference:.2f}×" if reference else "–"


def microseconds(seconds: float, messages: int) -> str:
    """CPU time a message."""
    return f"{seconds / messages * 1e6:,.0f}"


def megabytes(size: float) -> str:
    """Bytes of memory."""
    return f"{size / 2**20:,.0f} MB"


def facts(database_url: str) -> dict[str, str]:
    """The machine and the versions, by what a reader would call them."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    with contextlib.closing(connect(database_url)) as connection:
        names = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "jit")
        settings = [f"{name} {ask(connection, f'SHOW {name}')}" for name in names]
        postgresql = ", ".join([str(ask(connection, "SHOW server_version")), *settings])
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, {_python_build()}",
        "PostgreSQL": postgresql,
        "nginx": nginx_version(),
        "libcurl": pycurl.version_info()[1],
    }


def _python_build() -> str:
    """Which build of Python this is: one without profile-guided optimisation takes about twice the time."""
    if sys.base_prefix == "/usr":  # what Debian's package was built with can't be asked; it is optimised
        return "the distribution's"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"built {'with' if optimised else 'without'} --enable-optimizations"


def _figures(name: str) -> str:
    path = FOLDER / f"{name}.json"
    return Result(**json.loads(path.read_text())).as_markdown() if path.exists() else NOT_YET


def _aligned(cell: str, width: int, place: int) -> str:
    return cell.rjust(width) if place else cell.ljust(width)
