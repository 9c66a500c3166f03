"""A slow gateway: how much one worker holds at 100 ms and at 1 s, and in how much memory.

python -m benchmarks.slow [--seconds 10] [--latencies 0.1,1] [--concurrency 16,64,256,1024]
"""

from __future__ import annotations

import argparse

from benchmarks import plots
from benchmarks.result import Result, microseconds
from benchmarks.stage import Stage, command
from benchmarks.steady import WARM_UP, Pace, keep_pace


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Messages a second and memory, for each latency and concurrency."""
    latencies = [float(latency) for latency in options.latencies.split(",")]
    sizes = [int(size) for size in options.concurrency.split(",")]
    paces = {
        latency: [
            keep_pace(stage, latency=latency, workers=1, concurrency=size, seconds=options.seconds) for size in sizes
        ]
        for latency in latencies
    }
    across = [float(size) for size in sizes]
    curves = {_named(latency): (across, [pace.speed for pace in some]) for latency, some in paces.items()}
    fastest = {latency: max(some, key=lambda pace: pace.speed) for latency, some in paces.items()}
    return Result(
        "slow",
        ("latency", "WORKER_CONCURRENCY", "messages/s", "of concurrency ÷ latency", "memory", "µs CPU worker"),
        [_row(latency, size, pace) for latency, some in paces.items() for size, pace in zip(sizes, some, strict=True)],
        notes=[f"One worker, {options.seconds:.0f} seconds of it, after {WARM_UP:.0f} for its concurrency to adapt."],
        readme=[
            (f"a gateway of {_named(latency)}, one worker", f"{pace.speed:,.0f} messages/s in {_megabytes(pace)}")
            for latency, pace in fastest.items()
        ],
        draw=plots.lines("slow", curves, ("WORKER_CONCURRENCY", "messages a second"), logarithmic=True),
        plot_shows="Messages a second of one worker by its concurrency",
    )


def _row(latency: float, size: int, pace: Pace) -> tuple[str, ...]:
    share = f"{pace.speed * latency / size:.0%}"
    cpu = microseconds(pace.cpu["workers"], pace.sent)
    return (_named(latency), f"{size:,}", f"{pace.speed:,.0f}", share, _megabytes(pace), cpu)


def _named(latency: float) -> str:
    return f"{latency * 1000:,.0f} ms"


def _megabytes(pace: Pace) -> str:
    return f"{pace.memory / 2**20:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description="One worker against a slow gateway.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--latencies", default="0.1,1", help="seconds")
    parser.add_argument("--concurrency", default="16,64,256,1024")
    command("slow", measure, parser)


if __name__ == "__main__":
    main()
