"""Puts what the benchmarks found into docs/performance.md and the README.

python -m benchmarks.document
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.result import Result

DOCUMENT, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
BLOCK = re.compile(r"(<!-- figures of (\w+): .*? -->\n).*?(<!-- end of (?:\2) -->)", re.DOTALL)
"""A block of a document that is ours to write, and the benchmark it is of; the README has one, of everything."""
NOT_YET = "Not measured yet."


def main() -> None:
    missing = [name for name in names(DOCUMENT.read_text()) if Result.load(name) is None]
    for path, text in written().items():
        path.write_text(text)
    if missing:
        print(f"Not measured yet: {', '.join(missing)}.", file=sys.stderr)


def written() -> dict[Path, str]:
    """Both documents with each block as its benchmark's last run has it."""
    document = DOCUMENT.read_text()
    return {
        DOCUMENT: with_figures(document, figures),
        README: with_figures(README.read_text(), lambda _: summary(names(document))),
    }


def names(document: str) -> list[str]:
    """The benchmarks that a document has a block for."""
    return [match[2] for match in BLOCK.finditer(document)]


def with_figures(document: str, write: Callable[[str], str]) -> str:
    """A document with each block as `write` has it for the block's name."""
    return BLOCK.sub(lambda block: f"{block[1]}{write(block[2])}\n{block[3]}", document)


def figures(name: str) -> str:
    """A benchmark's table, and the machine it is of."""
    result = Result.load(name)
    return NOT_YET if result is None else f"{result.as_markdown()}\n\nMeasured on {_where(result)}"


def summary(names: Iterable[str]) -> str:
    """The README's rows of the benchmarks that were run, and the machines they are of."""
    results = [result for name in names if (result := Result.load(name))]
    rows = [f"| {what} | {how_much} |" for result in results for what, how_much in result.readme]
    return "\n".join(["| | |", "|---|---|", *rows, "", _measured(results)]) if rows else NOT_YET


def _measured(results: list[Result]) -> str:
    """Where all were measured, or which where: figures of two machines do not compare."""
    places: dict[str, list[str]] = {}
    for result in results:
        places.setdefault(_where(result), []).append(result.name)
    if len(places) == 1:
        return f"Measured on {_where(results[0])}"
    return "\n".join(f"- {', '.join(some)}: measured on {place}" for place, some in places.items())


def _where(result: Result) -> str:
    """The day, the machine and the versions."""
    return f"{result.measured_at}. {'; '.join(f'{name} {value}' for name, value in result.machine.items())}."


if __name__ == "__main__":
    main()
