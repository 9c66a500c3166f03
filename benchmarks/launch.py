"""Launch: an audience of a million becomes messages; how soon, how soon the first is sent, in how much memory."""

from __future__ import annotations

import argparse
import contextlib
import time

from benchmarks import mailings
from benchmarks.benchmark import Benchmark, Discrepancy, Result, expect, megabytes
from benchmarks.environment import QUICK, Environment
from benchmarks.postgres import connect, row
from benchmarks.processes import family, memory

PATIENCE = 900.0
"""Seconds for a launch, whatever the machine."""
LOOK_INTERVAL = 0.05


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """A launch while the same workers send what is launched."""
    audience, progress = options.audience, environment.progress("launch")
    launched, first_sent, held, server_held = 0, 0.0, 0, 0
    with environment.server.database("launch") as url, environment.api(url) as api, environment.gateway() as gateway:
        mailings.add_clients(url, "everybody", audience)
        with environment.workers(url, gateway, options.workers, QUICK) as pids:
            mailing, began = mailings.Mailing(api, "everybody"), time.monotonic()
            while launched < audience:
                found, elapsed = mailing.get(), time.monotonic() - began
                launched = found["audience"]
                first_sent = first_sent or (elapsed if found["messages"]["sent"] else 0.0)
                held = max(held, *map(memory, pids))
                if environment.server.pid:
                    server_held = max(server_held, *map(memory, family(environment.server.pid)))
                progress(launched, audience)
                if elapsed > PATIENCE:
                    raise Discrepancy(f"The launch has not come to its end in {PATIENCE:.0f} seconds.")
                time.sleep(LOOK_INTERVAL)
        if not first_sent:
            raise Discrepancy("Not one message was sent while the audience was launched.")
        with contextlib.closing(connect(url)) as connection:
            messages, clients = row(connection, "SELECT count(*), count(DISTINCT client_id) FROM message")
        expect("messages", messages, audience)
        expect("clients with a message", clients, audience)
    return Result(
        "launch",
        ("", "launch"),
        [
            ("clients in the audience", f"{audience:,}"),
            ("seconds until all are messages", f"{elapsed:.1f}"),
            ("messages launched a second", f"{audience / elapsed:,.0f}"),
            ("seconds until the first was sent", f"{first_sent:.2f}"),
            ("a worker's memory at most", megabytes(held)),
            ("a PostgreSQL process' memory at most", megabytes(server_held) if server_held else "–"),
        ],
        [
            f"{options.workers} workers, which launch and send at the same time; from the moment at which the mailing "
            "is added, by the API. Memory without shared buffers."
        ],
    )


BENCHMARK = Benchmark(
    "launch",
    "An audience of a million becomes messages.",
    measure,
    {"audience": (1_000_000, "clients"), "workers": (2, "workers")},
    short="--audience 50000",
)
