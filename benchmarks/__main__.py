"""`python -m benchmarks [--short]`, which is `make benchmark`: everything that the README's figures come from."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.processes import ROOT

BENCHMARKS: dict[str, str] = {
    "dispatch": "--messages 3000",
    "slow": "--seconds 3 --concurrency 16,256",
    "launch": "--audience 50000 --kill-audience 20000",
    "growth": "--rows 100000",
    "life": "--mailings 3 --messages 5000",
    "workers": "--workers 1,2,4 --seconds 3",
    "idle": "--seconds 10",
    "api": "--seconds 0.5",
    "callers": "--callers 50 --seconds 1",
    "bulk": "--rows 100000",
}
"""Each with what makes it short: to see that it works, and not for figures."""


def main() -> int:
    """Runs them one after another; the exit status is 1 when one of them found something wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute or two each, nothing is kept for the documents")
    short = parser.parse_args().short
    failed = []
    for name, how_short in BENCHMARKS.items():
        print(f"\n{name}", flush=True)
        options = [*how_short.split(), "--no-save"] if short else []
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if not short:
        print(flush=True)
        subprocess.run([sys.executable, "-m", "benchmarks.document"], cwd=ROOT, check=True)
    if failed:
        print(f"Something is wrong in: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
