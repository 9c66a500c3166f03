"""Launch: an audience of a million becomes messages; how soon, how soon the first is sent, in how much memory."""

from __future__ import annotations

import argparse
import contextlib
import time

from benchmarks import mailings
from benchmarks.benchmark import Benchmark, Discrepancy, Result, expect, megabytes
from benchmarks.environment import QUICK, Environment
from benchmarks.postgres import connect, row
from benchmarks.processes import most_memory

LOOK_INTERVAL = 0.05

CITIES = "Europe/Moscow Asia/Omsk Asia/Tokyo Asia/Vladivostok Europe/Kaliningrad Europe/Paris Europe/London"
CITIES += " America/New_York America/Chicago America/Denver America/Los_Angeles America/Sao_Paulo Pacific/Honolulu"
CITIES += " Pacific/Auckland Australia/Sydney Asia/Kolkata Asia/Kathmandu Asia/Dubai Asia/Singapore Africa/Cairo"
ZONES = CITIES.split()
WINDOW = {"local_from": "00:00", "local_until": "24:00"}
"""Always open, so that as much is sent meanwhile as without it."""


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """A launch while the same workers send what is launched."""
    audience, progress = options.audience, environment.progress("launch")
    window = WINDOW if options.zones else {}
    patience, launched, first_sent = mailings.Patience(progress, audience), 0, 0.0
    with environment.server.database("launch") as url, environment.api(url) as api, environment.gateway() as gateway:
        zones = ZONES[: options.zones] or ("UTC",)
        mailings.add_clients(url, "everybody", audience, zones)
        with (
            environment.workers(url, gateway, options.workers, QUICK) as pids,
            most_memory(pids, [environment.server.pid]) as most,
        ):
            mailing, began = mailings.Mailing(api, "everybody", **window), time.monotonic()
            while launched < audience:
                found, elapsed = mailing.get(), time.monotonic() - began
                launched = found["audience"]
                first_sent = first_sent or (elapsed if found["messages"]["sent"] else 0.0)
                patience.show(launched)
                time.sleep(LOOK_INTERVAL)
        if not first_sent:
            raise Discrepancy("Not one message was sent while the audience was launched.")
        with contextlib.closing(connect(url)) as connection:
            messages, clients = row(connection, "SELECT count(*), count(DISTINCT client_id) FROM message")
        expect("messages", messages, audience)
        expect("clients with a message", clients, audience)
    return Result.of(
        ("", "launch"),
        [
            ("clients in the audience", f"{audience:,}"),
            ("seconds until all are messages", f"{elapsed:.1f}"),
            ("messages launched a second", f"{audience / elapsed:,.0f}"),
            ("seconds until the first was sent", f"{first_sent:.2f}"),
            ("a worker's memory at most", megabytes(most[0])),
            ("a PostgreSQL process' memory at most", megabytes(most[1]) if most[1] else "–"),
        ],
        f"{options.workers} workers, which launch and send at the same time; from the moment at which the mailing "
        "is added, by the API. Memory without shared buffers.",
    )


BENCHMARK = Benchmark(
    measure,
    short="--audience 50000",
    audience=(1_000_000, "clients"),
    workers=(2, "workers"),
    zones=(0, f"time zones of the clients, up to {len(ZONES)}, with a local window; 0: without"),
)
