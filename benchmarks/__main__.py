"""`python -m benchmarks [NAME] [--short] …`: one benchmark, or all of them, which is `make benchmark`."""

from __future__ import annotations

import importlib
import subprocess
import sys

from benchmarks.benchmark import Benchmark
from benchmarks.processes import ROOT

BENCHMARKS = ("dispatch", "latency", "launch", "growth", "idle", "api", "receipts", "bulk")
"""In the order of docs/performance.md."""


def main(arguments: list[str]) -> int:
    """Runs one, or each after the other; the exit status is 1 when something was wrong."""
    if arguments and arguments[0] in (*BENCHMARKS, "compare"):
        found: Benchmark = importlib.import_module(f"benchmarks.{arguments[0]}").BENCHMARK
        return found.main(arguments[1:])
    if arguments not in ([], ["--short"]):
        print(f"usage: python -m benchmarks [{'|'.join(BENCHMARKS)}|compare] [--short | --help | …]", file=sys.stderr)
        return 2
    failed = []
    for name in BENCHMARKS:
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, "-m", "benchmarks", name, *arguments], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nSomething is wrong in: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
