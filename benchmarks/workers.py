"""Many workers against a gateway of 100 ms: near-linear until the cores are spent, and on what they are spent.

python -m benchmarks.workers [--workers 1,2,4,8,16] [--concurrency 64] [--seconds 10]
"""

from __future__ import annotations

import argparse
import os

from benchmarks import plots
from benchmarks.result import Result, microseconds
from benchmarks.stage import Stage, command
from benchmarks.steady import Pace, keep_pace


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Messages a second by workers, against a straight line through the first."""
    counts = [int(count) for count in options.workers.split(",")]
    paces = [
        keep_pace(
            stage,
            latency=options.latency,
            workers=count,
            concurrency=options.concurrency,
            seconds=options.seconds,
        )
        for count in counts
    ]
    across, speeds = [float(count) for count in counts], [pace.speed for pace in paces]
    line = [speeds[0] * count / counts[0] for count in counts]
    latency = f"{options.latency * 1000:,.0f} ms"
    fastest = max(range(len(counts)), key=lambda place: speeds[place])
    return Result(
        "workers",
        (
            "workers",
            "messages/s",
            "of linear",
            "µs workers",
            "µs PostgreSQL",
            "µs gateway",
            f"of {os.cpu_count()} cores",
        ),
        [_row(*one) for one in zip(counts, paces, line, strict=True)],
        notes=[
            f"A gateway of {latency} on the same machine, WORKER_CONCURRENCY={options.concurrency}. CPU a message, in "
            "microseconds; the last column is how many cores all of them kept busy."
        ],
        readme=[
            (
                f"workers, a gateway of {latency}, {options.concurrency} requests at a time each",
                ", ".join(f"{count}: {speed:,.0f}/s" for count, speed in zip(counts, speeds, strict=True))
                + f"; most with {counts[fastest]}",
            )
        ],
        draw=plots.lines(
            "workers",
            {"measured": (across, speeds), "linear": (across, line)},
            ("worker processes", "messages a second"),
            reference="linear",
        ),
        plot_shows="Messages a second by worker processes",
    )


def _row(count: int, pace: Pace, straight: float) -> tuple[str, ...]:
    costs = [microseconds(pace.cpu[group], pace.sent) for group in ("workers", "PostgreSQL", "gateway")]
    busy = sum(pace.cpu.values()) / pace.seconds
    return (str(count), f"{pace.speed:,.0f}", f"{pace.speed / straight:.0%}", *costs, f"{busy:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Many workers against a gateway of 100 ms.")
    parser.add_argument("--workers", default="1,2,4,8,16")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds")
    parser.add_argument("--seconds", type=float, default=10.0)
    command("workers", measure, parser)


if __name__ == "__main__":
    main()
