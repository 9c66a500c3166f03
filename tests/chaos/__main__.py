"""`python -m tests.chaos --seed N --seconds S --workers W`: one run, its report, exit status 1 for any violation."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import report
from tests.chaos.checker import check
from tests.chaos.facts_files import load_facts, save_facts
from tests.chaos.run import run


def main() -> int:
    """Exit status: 0 when every invariant held, 1 when one did not."""
    options = _options()
    if options.check:
        return _check(options.check)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    rerun_command = f"make chaos SEED={seed} SECONDS={options.seconds:g} WORKERS={options.workers}"
    if options.rate:
        rerun_command += f" RATE={options.rate:g}"
    folder = Path(tempfile.mkdtemp(prefix=f"gonets-chaos-{seed}-"))
    print(
        f"seed {seed}: {options.seconds:g} seconds of faults for {options.workers} workers; logs in {folder}",
        flush=True,
    )
    command = ("tests.chaos.mutants", options.mutant)
    size = {"seconds": options.seconds, "workers": options.workers, "rate": options.rate}
    began = time.monotonic()
    facts = run(folder, seed=seed, worker_command=command, **size)
    lasted = time.monotonic() - began
    save_facts(facts, folder / "facts")
    violations = check(facts)
    figures = {"seconds": round(lasted), **report.figures(facts, violations)}
    print(report.as_text(figures, facts, violations, rerun_command))
    if violations:
        print(f"  facts and logs: {folder}; after a change of the checker: python -m tests.chaos --check {folder}")
    if options.json:
        report.write(options.json, figures, violations, seed=seed, **size)
    if not (violations or options.keep):
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if violations else 0


def _check(folder: Path) -> int:
    facts = load_facts(folder / "facts")
    violations = check(facts)
    print(
        report.as_text(report.figures(facts, violations), facts, violations, f"python -m tests.chaos --check {folder}")
    )
    return 1 if violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="the seed of the random choices; without it, a random one is used and printed"
    )
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="how long faults are injected; then the service finishes its work"
    )
    parser.add_argument("--workers", type=int, default=4, help="how many workers run")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="the rate limit of each gateway in messages per second; 0 is no limit"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file, as JSON")
    parser.add_argument(
        "--keep", action="store_true", help="keep the logs and the facts also if there are no violations"
    )
    parser.add_argument(
        "--check", type=Path, metavar="FOLDER", help="run nothing; check the facts of an earlier run again"
    )
    parser.add_argument(
        "--mutant", default="unmodified", help="the deliberate bug of the workers (tests/chaos/mutants.py)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
