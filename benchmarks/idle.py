"""What a worker costs that has nothing to do."""

from __future__ import annotations

import argparse
import time

from benchmarks.benchmark import Benchmark, Result, expect, megabytes
from benchmarks.environment import Environment
from benchmarks.processes import memory

SETTLING = 7.0
"""Seconds until a worker has started and looked for messages once more."""


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """CPU of an idle worker and of PostgreSQL beside it, in percent of a core."""
    with environment.server.database("idle") as url, environment.gateway() as gateway:
        with environment.workers(url, gateway, 1) as pids:
            time.sleep(SETTLING)
            meter, began = environment.meter(gateway, worker=pids), time.monotonic()
            time.sleep(options.seconds)
            elapsed, cpu, held = time.monotonic() - began, meter.read(), memory(pids[0])
        expect("messages sent by an idle worker", gateway.served().requests, 0)
    return Result.of(
        ("", "of a core", "memory"),
        [
            ("worker", f"{cpu['worker'] / elapsed:.2%}", megabytes(held)),
            ("PostgreSQL, all of it", f"{cpu['PostgreSQL'] / elapsed:.2%}", ""),
        ],
        f"Default settings, over {options.seconds:.0f} seconds.",
    )


BENCHMARK = Benchmark(measure, short="--seconds 10", seconds=(60.0, "of looking"))
