"""JIT: whether workers are as fast on a server that compiles what it takes for dear (PostgreSQL's default, `jit = on`).

    python -m benchmarks.jit [--messages 200000] [--repeat 3]

Workers turn JIT off, and a pooler may ignore that: so here their DATABASE_URL turns it on again, or off, and what is
measured is whether the planner takes their statements for dear. A server without JIT (the embedded one) shows nothing:
name another one with BENCHMARK_DATABASE_URL.
"""

from __future__ import annotations

import argparse
from statistics import median

from benchmarks.contestants import gonets
from benchmarks.ledger import ask
from benchmarks.postgres import connect
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command
from shared.errors import ConfigurationError

SETTINGS = ("off", "on")


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Messages a second with JIT on, as a multiple of those with JIT off. Raises ConfigurationError without JIT."""
    connection = connect(stage.server.url)
    available = ask(connection, "SELECT pg_jit_available()")
    connection.close()
    if not available:
        raise ConfigurationError("This PostgreSQL has no JIT: name one that has with BENCHMARK_DATABASE_URL.")
    speeds: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    with stage.gateway() as gateway:
        for turn in range(options.repeat):
            for setting in SETTINGS if turn % 2 else reversed(SETTINGS):
                contest = gonets(options.workers, server_options=f"-c jit={setting}")
                bout = contest(stage, gateway, options.messages, stage.progress(f"JIT {setting}"))
                speeds[setting].append(bout.speed)
                stage.say(f"JIT {setting}: {bout.speed:,.0f} messages/s")
    middle = {setting: median(runs) for setting, runs in speeds.items()}
    return Result(
        "jit",
        ("", "messages/s", "× JIT off"),
        [(f"JIT {one}", f"{middle[one]:,.0f}", ratio(middle[one], middle["off"])) for one in SETTINGS],
        notes=[
            f"{options.messages:,} messages waiting, {options.workers} workers; the median of {options.repeat} rounds, "
            "by turns."
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Workers on a server with JIT on, and off.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    command("jit", measure, parser)


if __name__ == "__main__":
    main()
