"""The API's common calls, with one caller and with many at once, beside a bare flask-smorest with one query a call.

Both on the same PostgreSQL, the bare application by gunicorn's threads, in turns: other work of the machine hits both.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import quantiles
from typing import Any, NamedTuple

import pycurl

from benchmarks.baselines import CurlMulti, Request, expect_status
from benchmarks.benchmark import Benchmark, Discrepancy, Result, ratio
from benchmarks.environment import QUICK, Api, Environment
from benchmarks.mailings import Mailing, add_clients
from benchmarks.processes import Child
from sandbox.listen_addresses import free_port

PROCESSES, THREADS = 2, 4
"""The API's defaults, and the bare application's."""
CLIENTS, MAILINGS, AUDIENCE = 10_000, 100, 10

TURN, WARM_UP = 2.0, 0.5
"""Seconds of one application's turn, and those at its beginning that do not count: the queue fills."""
NEW_PHONES = itertools.count(79_900_000_000)


class Call(NamedTuple):
    """A request to measure; `body` makes another one each time."""

    title: str
    method: str
    path: str
    status: int = 200
    body: Callable[[], dict[str, Any]] | None = None


def new_client() -> dict[str, Any]:
    """A client that there is not yet."""
    return {"phone_number": next(NEW_PHONES), "operator_code": "79", "tag": "vip", "timezone": "Europe/Moscow"}


def changed_client() -> dict[str, Any]:
    """The first client, different each time."""
    return new_client() | {"phone_number": 79_000_000_000, "tag": str(next(NEW_PHONES))}


CALLS = (
    Call("POST client/create/", "POST", "/v1/client/create/", 201, new_client),
    Call("GET client/{id}/", "GET", "/v1/client/1/"),
    Call("PUT client/{id}/", "PUT", "/v1/client/1/", 200, changed_client),
    Call("GET mailing/{id}/", "GET", "/v1/mailing/1/"),
    Call("GET mailing/ (100 of them)", "GET", "/v1/mailing/"),
)


def take_turn(port: int, headers: Mapping[str, str], call: Call, callers: int) -> list[float]:
    """Lets so many callers call for one turn; returns the seconds that each answer took which counts.

    Raises GonetsError when an answer has another status than it should, or there is none.
    """
    took: list[float] = []
    began = time.monotonic()

    def next_request() -> Request | None:
        if time.monotonic() > began + TURN:
            return None
        body = json.dumps(call.body()).encode() if call.body else None
        return Request(call.method, f"http://127.0.0.1:{port}{call.path}", body)

    def answered(curl: pycurl.Curl) -> None:
        expect_status(curl, call.status)
        if began + WARM_UP < time.monotonic() < began + TURN:
            took.append(curl.getinfo(pycurl.TOTAL_TIME))

    # Without "Expect" libcurl would ask first whether it may send a body.
    multi = CurlMulti(callers, {**headers, "Content-Type": "application/json", "Expect": ""})
    multi.send(next_request, answered)
    if not took:
        raise Discrepancy(f"{call.title}: no request was answered.")
    return took


def speed(took: list[list[float]]) -> float:
    """Requests a second of some turns."""
    return sum(map(len, took)) / (len(took) * (TURN - WARM_UP))


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Requests a second and latencies of either, call by call."""
    with (
        environment.server.database("api") as url,
        environment.api(url) as api,
        bare_server(environment, url, "baseline_api:create_app()") as (bare, _),
    ):
        fill(environment, url, api)
        ports = {api.port: api.headers, bare: {}}
        rows = [
            _row(environment, ports, call, count, options.seconds)
            for count in map(int, options.callers.split(","))
            for call in CALLS
        ]
    return Result.of(
        ("", "callers", "Gonets, requests/s", "99 % within", "bare, requests/s", "99 % within", "× bare"),
        rows,
        f"Each caller has a connection of its own; {PROCESSES} processes of {THREADS} threads. In turns of "
        f"{TURN:g} s, of which the first {WARM_UP:g} s do not count; {options.seconds:g} s for each. "
        f"{CLIENTS:,} clients, {MAILINGS} mailings to {AUDIENCE} each. The callers share the machine.",
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
        shown += [f"{speed(some):,.0f}", f"{1000 * quantiles(itertools.chain(*some), n=100)[98]:,.1f} ms"]
    return (call.title, f"{callers}", *shown, ratio(*map(speed, took.values())))


@contextlib.contextmanager
def bare_server(environment: Environment, url: str, application: str) -> Iterator[tuple[int, int]]:
    """An application of this package, served by gunicorn's threads; yields its port and its process id."""
    port = free_port(8400)
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--no-control-socket"]
    command += ["--workers", str(PROCESSES), "--threads", str(THREADS), "--keep-alive", "60"]
    command += ["--bind", f"127.0.0.1:{port}", f"benchmarks.{application}"]
    log = environment.new_folder("baseline") / "log"
    with Child("the bare application", command, log, {"DATABASE_URL": url}) as child:
        child.wait_until_it_answers(f"http://127.0.0.1:{port}/v1/mailing/")
        yield port, child.pid


BENCHMARK = Benchmark(
    measure,
    short="--callers 1,50 --seconds 2",
    callers=("1,200", "callers at once"),
    seconds=(12.0, "for each call, number of callers and application"),
)
