"""`python -m tests.rig --seed N --seconds S --workers W`: one run, its report, and exit status 1 for any violation."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.rig import report
from tests.rig.checker import check
from tests.rig.run import run


def main() -> int:
    """Exit status: 0 when every invariant held, 1 when one did not."""
    options = _options()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    again = f"make torture SEED={seed} SECONDS={options.seconds:g} WORKERS={options.workers}"
    folder = Path(tempfile.mkdtemp(prefix=f"gonets-rig-{seed}-"))
    print(
        f"seed {seed}: {options.seconds:g} seconds of trouble for {options.workers} workers; logs in {folder}",
        flush=True,
    )
    command = ("-m", "tests.rig.mutants", options.mutant) if options.mutant else ("-m", "worker")
    began = time.monotonic()
    facts = run(folder, seed=seed, seconds=options.seconds, workers=options.workers, worker_command=command)
    lasted = time.monotonic() - began
    violations = check(facts)
    figures = {"seconds": round(lasted), **report.figures(facts, violations)}
    print(report.tell(figures, facts, violations, again))
    if options.json:
        report.write(options.json, figures, violations, seed=seed, seconds=options.seconds, workers=options.workers)
    if not (violations or options.keep):
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.rig", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the dice; a random one is printed")
    parser.add_argument("--seconds", type=float, default=600.0, help="of trouble, after which all comes to rest")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument(
        "--keep", action="store_true", help="keep the logs and the data also of a run without violations"
    )
    parser.add_argument("--mutant", help="the fault that the workers are given (tests/rig/mutants.py)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
