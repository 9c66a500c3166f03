"""What a worker costs that has nothing to do.

python -m benchmarks.idle [--seconds 60]
"""

from __future__ import annotations

import argparse
import time

from benchmarks.fleet import Fleet
from benchmarks.ledger import Discrepancy
from benchmarks.processes import memory
from benchmarks.result import Result
from benchmarks.stage import Stage, command

SETTLING = 7.0
"""Seconds until a worker has started and looked for messages once more."""


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """CPU of an idle worker and of PostgreSQL beside it, in percent of a core."""
    progress = stage.progress("an idle worker")
    with stage.server.database("idle") as url, stage.gateway() as gateway:
        with Fleet(url, gateway, 1, stage.folder) as fleet:
            time.sleep(SETTLING)
            meter, began = stage.meter(gateway, worker=fleet.pids), time.monotonic()
            while (elapsed := time.monotonic() - began) < options.seconds:
                progress.show(elapsed, options.seconds, "seconds")
                time.sleep(0.5)
            cpu, held = meter.read(), memory(fleet.pids[0])
        if gateway.served().requests:
            raise Discrepancy("An idle worker sent something.")
    worker, database = cpu["worker"] / elapsed, cpu["PostgreSQL"] / elapsed
    return Result(
        "idle",
        ("", "of a core", "memory"),
        [("worker", f"{worker:.2%}", f"{held / 2**20:,.0f} MB"), ("PostgreSQL, all of it", f"{database:.2%}", "")],
        notes=[f"Default settings, over {options.seconds:.0f} seconds."],
        readme=[("an idle worker", f"{worker:.2%} of a core, {held / 2**20:,.0f} MB")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of an idle worker.")
    parser.add_argument("--seconds", type=float, default=60.0)
    command("idle", measure, parser)


if __name__ == "__main__":
    main()
