"""Dispatch: messages that wait in PostgreSQL, one POST each to a local nginx, a durable record for each."""

from __future__ import annotations

import argparse
from functools import partial
from statistics import median
from typing import NamedTuple

from benchmarks.benchmark import Benchmark, Result, chosen_of, microseconds, ratio
from benchmarks.competitors import TEMPLATE, Competitor, Peer, Run, client, gonets, loop
from benchmarks.environment import QUICK, Environment
from benchmarks.gateways import Gateway
from benchmarks.peers import installed
from shared.errors import ConfigurationError

PGBOSS_DONE = "SELECT count(*) FROM pgboss.job WHERE state = 'completed'"
RIVER_DONE = "SELECT count(*) FROM river_job WHERE state = 'completed'"
PGBOSS, GRAPHILE = (lambda: installed.node("pgboss"), lambda: installed.node("graphile"))
JOBS_OF_MANY = "Jobs of 200 are recorded as a whole: when a process ends within one, all its messages are sent again."


class Entry(NamedTuple):
    """A row of the table; `slow` ones get a fifth of the messages: their speed does not depend on the number."""

    title: str
    run: Competitor
    slow: bool = False


ENTRIES: dict[str, Entry] = {
    "gonets2": Entry("Gonets, 2 workers", partial(gonets, 2)),
    "template": Entry("the same, each text with a name", partial(gonets, 2, text=TEMPLATE)),
    "gonets1": Entry("Gonets, 1 worker", partial(gonets, 1)),
    "river2": Entry("River, 2 processes", Peer(installed.river, 256, processes=2, done=RIVER_DONE)),
    "river": Entry("River, 1 process", Peer(installed.river, 256, done=RIVER_DONE)),
    "pgboss2": Entry("pg-boss, 2 processes", Peer(PGBOSS, 500, processes=2, done=PGBOSS_DONE)),
    "pgboss": Entry("pg-boss, 1 process", Peer(PGBOSS, 500, done=PGBOSS_DONE)),
    "graphile": Entry("Graphile Worker, 2 processes", Peer(GRAPHILE, 24, processes=2)),
    "graphile200": Entry("Graphile Worker, 2 processes, jobs of 200", Peer(GRAPHILE, 4, processes=2, batch=200)),
    "single": Entry("SELECT, post, UPDATE, COMMIT", partial(loop, "single"), slow=True),
    "batches": Entry("claim 500, CurlMulti, record", partial(loop, "batches")),
    "threads": Entry("libcurl handles, no database", partial(client, "threads", 2)),
    "multi": Entry("CurlMulti, no database", partial(client, "multi", 1)),
}


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Each speed, as a multiple of the fastest peer's and of libcurl's without a database."""
    chosen = chosen_of(ENTRIES, options.only)
    with environment.gateway(options.latency / 1000) as gateway:
        runs, missing = _rounds(environment, gateway, chosen, options)
    speeds = {key: median(run.speed for run in some) for key, some in runs.items()}
    peer = max((speeds[key] for key in speeds if isinstance(ENTRIES[key].run, Peer)), default=0.0)
    slow = ", ".join(ENTRIES[key].title for key in speeds if ENTRIES[key].slow) or "nobody"
    return Result.of(
        ("", "messages/s", "× fastest peer", "× libcurl", "µs CPU client", "µs PostgreSQL", "µs gateway"),
        [_row(key, speed, runs[key], peer, speeds.get("threads", 0.0)) for key, speed in speeds.items()],
        f"{options.messages:,} messages each ({slow}: a fifth of that), to nginx{_conditions(options)}, one after "
        f"another on the same PostgreSQL; the median of {options.repeat} rounds. From the first response to the last "
        "record. CPU a message, in microseconds.",
        JOBS_OF_MANY,
        f"Peers: {installed.versions() or 'none'}.",
        *missing,
    )


def _rounds(
    environment: Environment, gateway: Gateway, chosen: list[str], options: argparse.Namespace
) -> tuple[dict[str, list[Run]], list[str]]:
    """The runs of those whose programs are installed, and a sentence for each that was left out."""
    runs: dict[str, list[Run]] = {}
    missing: dict[str, str] = {}
    for _ in range(options.repeat):
        for key in (key for key in chosen if key not in missing):
            title, compete, slow = ENTRIES[key]
            messages, progress = options.messages // (5 if slow else 1), environment.progress(title)
            try:
                run = _with_concurrency(compete, options.concurrency)(environment, gateway, messages, progress)
            except ConfigurationError as error:
                missing[key] = f"{title} was left out: {error}"
                environment.say(missing[key])
                continue
            runs.setdefault(key, []).append(run)
            environment.say(f"{title}: {run.speed:,.0f} messages/s")
    return runs, list(missing.values())


def _conditions(options: argparse.Namespace) -> str:
    """What differs from the defaults, for those who read the figures."""
    late = f" that responds after {options.latency:,} ms" if options.latency else ""
    return late + (f", {options.concurrency:,} requests in flight of each process" if options.concurrency else "")


def _with_concurrency(compete: Competitor, concurrency: int) -> Competitor:
    """The same with so many requests in flight in each process, unless that is 0. Raises ConfigurationError if that
    cannot be set.
    """
    if not concurrency:
        return compete
    if isinstance(compete, Peer):
        return compete.with_concurrency(concurrency)
    if isinstance(compete, partial) and compete.func is gonets:
        return partial(compete, settings={**QUICK, "WORKER_CONCURRENCY": str(concurrency)})
    raise ConfigurationError("It has no setting for the requests in flight.")


def _row(key: str, speed: float, runs: list[Run], peer: float, libcurl: float) -> tuple[str, ...]:
    middle = sorted(runs, key=lambda run: run.speed)[len(runs) // 2]
    cpu = [microseconds(middle.cpu[group], middle.messages) for group in ("client", "PostgreSQL", "gateway")]
    return (ENTRIES[key].title, f"{speed:,.0f}", ratio(speed, peer), ratio(speed, libcurl), *cpu)


BENCHMARK = Benchmark(
    measure,
    short="--messages 3000",
    messages=(30_000, "messages of each competitor"),
    latency=(0, "milliseconds after which the gateway responds"),
    concurrency=(0, "requests in flight of each process; 0: its default"),
    repeat=(1, "rounds, of which the median counts"),
    only=("", f"some of {','.join(ENTRIES)}"),
)
