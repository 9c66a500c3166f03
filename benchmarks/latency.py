"""A gateway that takes its time: what one worker holds by its concurrency, in how much memory, and many workers."""

from __future__ import annotations

import argparse
import os
import time
from typing import NamedTuple

from benchmarks import mailings
from benchmarks.benchmark import Benchmark, Discrepancy, Result, expect, megabytes, microseconds
from benchmarks.environment import QUICK, Environment
from benchmarks.processes import most_memory

WARM_UP = 5.0
"""Seconds for the workers' concurrency to adapt."""
FASTEST = 12_000
"""Messages a second for which there are enough, whatever the case's ideal."""
CASES = "0.1:1x16,0.1:1x64,0.1:1x256,0.1:1x1024,1:1x16,1:1x64,1:1x256,1:1x1024,0.1:2x64,0.1:4x64,0.1:8x64,0.1:16x64"
COLUMNS = ("latency", "workers", "WORKER_CONCURRENCY", "messages/s", "of concurrency ÷ latency", "memory of a worker")
COSTS = ("µs workers", "µs PostgreSQL", "µs gateway", f"of {os.cpu_count()} cores")


class Case(NamedTuple):
    """So many workers, each with so many requests at a time, and a gateway that answers after some seconds."""

    latency: float
    workers: int
    concurrency: int

    @property
    def ideal(self) -> float:
        """Messages a second if a message cost nothing but its latency."""
        return self.workers * self.concurrency / self.latency


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Messages a second and what they cost, case by case."""
    cases = [_case(text) for text in options.cases.split(",")]
    return Result.of(
        (*COLUMNS, *COSTS),
        [_row(environment, case, options.seconds) for case in cases],
        f"{options.seconds:.0f} seconds each, after {WARM_UP:.0f} for the concurrency to adapt. CPU a message, in "
        "microseconds; the last column is how many cores all of them kept busy, the gateway too.",
    )


def _case(text: str) -> Case:
    latency, _, rest = text.partition(":")
    workers, _, concurrency = rest.partition("x")
    return Case(float(latency), int(workers), int(concurrency))


def _row(environment: Environment, case: Case, seconds: float) -> tuple[str, ...]:
    """Workers for some seconds in the middle of a mailing. Raises Discrepancy if it ends meanwhile."""
    clients = int(1.1 * min(case.ideal, FASTEST) * (WARM_UP + seconds + case.latency)) + 1000
    progress = environment.progress(f"{case.latency:g} s, {case.workers} × {case.concurrency}")
    settings = {**QUICK, "WORKER_CONCURRENCY": str(case.concurrency)}
    with environment.server.database("latency") as url, environment.api(url) as api:
        mailing, waiting = mailings.add_waiting_mailing(environment, api, url, clients, progress)
        with environment.gateway(case.latency) as gateway:
            with environment.workers(url, gateway, case.workers, settings) as pids:
                mailing.act("resume")
                time.sleep(WARM_UP)
                before = gateway.requests()
                meter, began = environment.meter(gateway, workers=pids), time.monotonic()
                with most_memory(pids) as most:
                    time.sleep(seconds)
                elapsed = time.monotonic() - began
                sent, cpu = gateway.requests() - before, meter.read()
                if not mailing.get()["messages"]["pending"]:
                    raise Discrepancy("the messages ran out before the time did.")
            # Told to stop in the middle, the workers have recorded what was in flight, and given back the rest.
            served, messages = gateway.served(), mailing.get()["messages"]
        expect("requests", served.requests, served.distinct)
        expect("messages recorded as sent", messages["sent"], served.distinct + clients - waiting)
        expect("messages in all", sum(messages.values()), clients)
    speed = sent / elapsed
    return (
        f"{case.latency * 1000:,.0f} ms",
        f"{case.workers}",
        f"{case.concurrency:,}",
        f"{speed:,.0f}",
        f"{speed / case.ideal:.0%}",
        megabytes(*most),
        *(microseconds(cpu[group], sent) for group in ("workers", "PostgreSQL", "gateway")),
        f"{sum(cpu.values()) / elapsed:.2f}",
    )


BENCHMARK = Benchmark(
    measure,
    short="--cases 0.1:1x256,1:1x64,0.1:4x64 --seconds 3",
    cases=(CASES, "LATENCY:WORKERSxCONCURRENCY, the latency in seconds"),
    seconds=(10.0, "of each case"),
)
