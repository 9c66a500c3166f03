"""Growth: what a message costs, and how long the API takes, as messages and clients become many; with JIT on and off.

A snapshot is held open from the beginning, as a report or a forgotten psql does: nothing dead can be removed. Workers
turn JIT off, which a pooler may ignore; so here their connections turn it off, and on. The embedded server has no JIT:
name one that has with BENCHMARK_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from statistics import quantiles

from benchmarks.benchmark import Benchmark, Result, ratio
from benchmarks.environment import QUICK, Api, Environment
from benchmarks.mailings import Mailing, add_waiting_mailing
from benchmarks.postgres import NO_JIT, ask, connect, row, with_options

SMALLEST, SHARE = 10_000, 5
"""The smallest size; and of the new messages one in so many is sent, for each setting of JIT, to measure a message."""
CALLS = 40
"""Calls of the API for each figure, which is what a tenth of them keeps within."""
TOLD = 1.5
"""Seconds after which PostgreSQL's processes have certainly told what they did: they do so once a second."""
ACTIVE = "SELECT sum(active_time) FROM pg_stat_database"
"""Milliseconds that statements have run (PostgreSQL manual, 28.2)."""
LAST = "SELECT (SELECT max(id) FROM client), (SELECT max(id) FROM message)"
DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables"
JIT = {"off": "-c jit=off", "on": "-c jit=on"}


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Each size's costs, as a multiple of the smallest's."""
    settings = list(JIT) if environment.server.has_jit else ["off"]
    sizes: dict[int, dict[str, float]] = {}
    table: list[tuple[str, ...]] = []
    with (
        environment.server.database("growth") as url,
        environment.api(with_options(url, JIT[settings[-1]])) as api,
        contextlib.closing(connect(url)) as connection,
        contextlib.closing(connect(url)) as snapshot,
    ):
        snapshot.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        ask(snapshot, "SELECT count(*) FROM client")
        for rows in sorted({options.rows, *(SMALLEST * 10**power for power in range(4))}):
            if rows > options.rows:
                break
            progress, new = environment.progress(f"{rows:,} pending"), rows - max(sizes, default=0)
            mailing, _ = add_waiting_mailing(environment, api, url, new, progress, tag=f"of {rows}")
            sizes[rows] = {
                f"a message, JIT {one}, µs": _message(environment, with_options(url, JIT[one]), mailing, new // SHARE)
                for one in settings
            }
            sizes[rows] |= {f"{name}, ms": _time(api, path) for name, path in _pages(mailing, *row(connection, LAST))}
            costs = [f"{cost:.1f} ({ratio(cost, sizes[min(sizes)][name])})" for name, cost in sizes[rows].items()]
            table.append((f"{rows:,}", *costs, f"{ask(connection, DEAD):,}"))
            environment.say(f"{rows:,}: " + "; ".join(f"{name} {cost:.1f}" for name, cost in sizes[rows].items()))
    return Result.of(
        ("pending messages", *sizes[min(sizes)], "dead rows"),
        table,
        "In brackets, the ratio to the smallest. As many clients as messages; a snapshot held open since before "
        "the first. A message: how long PostgreSQL works for a worker that claims and records it, with its other "
        f"statements. Pages: of {CALLS} calls of the API over a kept connection, what a tenth keeps within.",
        "The API's connections have JIT on." if environment.server.has_jit else NO_JIT,
    )


def _message(environment: Environment, url: str, mailing: Mailing, messages: int) -> float:
    """Microseconds of PostgreSQL's for a message, from claim to record."""
    with environment.gateway() as gateway, contextlib.closing(connect(environment.server.url)) as connection:
        time.sleep(TOLD)
        before: float = ask(connection, ACTIVE)
        with environment.workers(url, gateway, 1, QUICK):
            began = gateway.requests()
            mailing.act("resume")
            while gateway.requests() - began < messages:
                time.sleep(0.01)
            mailing.act("pause")
        time.sleep(TOLD)
        active: float = ask(connection, ACTIVE)
        return 1000 * (active - before) / gateway.served().requests


def _pages(mailing: Mailing, last_client: int, last_message: int) -> list[tuple[str, str]]:
    """What people look at."""
    return [
        ("GET mailing", mailing.path),
        ("GET mailings", "/v1/mailing/"),
        ("first clients", "/v1/client/"),
        ("last clients", f"/v1/client/?after={last_client - 101}"),
        ("middle messages", f"/v1/message/?after={last_message // 2}"),
        ("last of mailing", f"{mailing.path}message/?after={last_message - 101}"),
    ]


def _time(api: Api, path: str) -> float:
    """Milliseconds of a call."""
    times = []
    for _ in range(CALLS):
        began = time.monotonic()
        api.send("GET", path)
        times.append(1000 * (time.monotonic() - began))
    return quantiles(times, n=10)[0]  # what a neighbour's load has not touched


BENCHMARK = Benchmark(measure, short="--rows 100000", rows=(10_000_000, "the largest size"))
