"""Puts what the benchmarks found into docs/performance.md, and prints the README's table.

python -m benchmarks.document
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from benchmarks.processes import ROOT
from benchmarks.result import Result

DOCUMENT = ROOT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- figures of (\w+): .*? -->\n).*?(<!-- end of (?:\2) -->)", re.DOTALL)
"""A block of the document that is ours to write, and the benchmark it is of."""
NOT_YET = "Not measured yet."


def main() -> None:
    written = with_figures(DOCUMENT.read_text())
    DOCUMENT.write_text(written)
    results = [result for name in names(written) if (result := Result.load(name))]
    print(readme_table(results))
    if missing := [name for name in names(written) if Result.load(name) is None]:
        print(f"Not measured yet: {', '.join(missing)}.", file=sys.stderr)


def names(document: str) -> list[str]:
    """The benchmarks that the document has a block for."""
    return [match[2] for match in BLOCK.finditer(document)]


def with_figures(document: str) -> str:
    """The document with each block as its benchmark's last run has it."""
    return BLOCK.sub(lambda block: f"{block[1]}{_figures(block[2])}\n{block[3]}", document)


def readme_table(results: Iterable[Result]) -> str:
    """The rows for the README, and the machine they are of."""
    rows = ["| | |", "|---|---|"]
    machines: dict[str, str] = {}
    for result in results:
        rows += [f"| {what} | {how_much} |" for what, how_much in result.readme]
        machines.update(result.machine)
    return "\n".join([*rows, "", _machine(machines)])


def _figures(name: str) -> str:
    result = Result.load(name)
    if result is None:
        return NOT_YET
    return f"{result.as_markdown()}\n\nMeasured on {result.measured_at}. {_machine(result.machine)}"


def _machine(facts: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in facts.items()) + "."


if __name__ == "__main__":
    main()
