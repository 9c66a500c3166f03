"""The API, with one caller and with many at once, beside a bare flask-smorest with one query a call.

Both over HTTP on the same PostgreSQL: the API as `make run` serves it, the bare application by gunicorn's own threads,
with as many processes and threads. They take turns, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from itertools import chain
from statistics import quantiles

from benchmarks.benchmark import Benchmark, Result, ratio
from benchmarks.callers import CALLS, TURN, WARM_UP, Call, speed, take_turn
from benchmarks.environment import QUICK, Api, Environment
from benchmarks.mailings import Mailing, add_clients
from benchmarks.processes import Child
from sandbox.listen_addresses import free_port

PROCESSES, THREADS = 2, 4
"""The API's defaults, and the bare application's."""
CLIENTS, MAILINGS, AUDIENCE = 10_000, 100, 10


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Requests a second and latencies of either, call by call."""
    with environment.server.database("api") as url, environment.api(url) as api, _baseline(environment, url) as bare:
        fill(environment, url, api)
        ports = {api.port: api.headers, bare: {}}
        rows = [
            _row(environment, ports, call, count, options.seconds)
            for count in map(int, options.callers.split(","))
            for call in CALLS
        ]
    return Result(
        "api",
        ("", "callers", "Gonets, requests/s", "99 % within", "bare, requests/s", "99 % within", "× bare"),
        rows,
        [
            f"Each caller has a connection of its own; {PROCESSES} processes of {THREADS} threads. In turns of "
            f"{TURN:g} s, of which the first {WARM_UP:g} s do not count; {options.seconds:g} s for each. "
            f"{CLIENTS:,} clients, {MAILINGS} mailings to {AUDIENCE} each. The callers share the machine."
        ],
    )


def fill(environment: Environment, url: str, api: Api) -> None:
    """A directory, and mailings with messages that are sent."""
    progress = environment.progress("filling the tables")
    add_clients(url, "few", AUDIENCE)
    add_clients(url, "vip", CLIENTS - AUDIENCE)
    with environment.gateway() as gateway, environment.workers(url, gateway, 1, QUICK):
        for mailing in [Mailing(api, "few") for _ in range(MAILINGS)]:
            mailing.wait_until_launched(AUDIENCE, progress)
            mailing.wait_until_sent(0, gateway, gateway.requests(), progress)


def _row(
    environment: Environment, ports: dict[int, dict[str, str]], call: Call, callers: int, seconds: float
) -> tuple[str, ...]:
    """Lets both applications take turns, each for so many seconds in all."""
    turns, took = max(1, round(seconds / TURN)), {port: list[list[float]]() for port in ports}
    progress = environment.progress(f"{call.title}, callers: {callers}")
    for turn in range(turns):
        for port in ports if turn % 2 else reversed(ports):
            took[port].append(take_turn(port, ports[port], call, callers))
        progress(turn + 1, turns)
    shown: list[str] = []
    for some in took.values():
        shown += [f"{speed(some):,.0f}", f"{1000 * quantiles(chain(*some), n=100)[98]:,.1f} ms"]
    return (call.title, f"{callers}", *shown, ratio(*map(speed, took.values())))


@contextlib.contextmanager
def _baseline(environment: Environment, url: str) -> Iterator[int]:
    """The bare application, served by gunicorn's threads; yields its port."""
    port = free_port(8400)
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--no-control-socket"]
    command += ["--workers", str(PROCESSES), "--threads", str(THREADS), "--keep-alive", "60"]
    command += ["--bind", f"127.0.0.1:{port}", "benchmarks.baseline_api:create_app()"]
    log = environment.new_folder("baseline") / "log"
    with Child("the bare application", command, log, {"DATABASE_URL": url}) as child:
        child.wait_until_it_answers(f"http://127.0.0.1:{port}/v1/mailing/")
        yield port


BENCHMARK = Benchmark(
    "api",
    "The API's common calls, beside a bare flask-smorest.",
    measure,
    {"callers": ("1,200", "callers at once"), "seconds": (12.0, "for each call, number of callers and application")},
    short="--callers 1,50 --seconds 2",
)
