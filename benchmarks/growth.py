"""Growth: what a claim costs, and how long the API takes, as the ledger and the directory grow.

    python -m benchmarks.growth [--rows 10000000]

At 10,000, 100,000, … pending messages and as many clients. A claim's cost is how long a worker's own queue waits for
it; a page's is what a client of the API waits.
"""

from __future__ import annotations

import argparse
import threading
import time
from random import Random
from statistics import median, quantiles
from typing import NamedTuple

import requests
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger, plots
from benchmarks.apis import Api
from benchmarks.ledger import Discrepancy, ask
from benchmarks.postgres import connect
from benchmarks.progress import Progress
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command
from shared.domain.results import Result as SubmissionResult
from shared.gateways.base import SubmitResult
from worker.database import Database
from worker.delivery import AttemptResult, Retries
from worker.queue import Queue

SMALLEST = 10_000
ACCEPTED = SubmitResult(SubmissionResult.ACCEPTED, "200")

BATCH, CLAIMS = 500, 9
"""Messages in a claim, and claims at each size: few beside the smallest, so that it stays what it is."""
CALLS = 40
"""Calls of the API for each figure, which is what a tenth of them keeps within."""


class Size(NamedTuple):
    """What was found at one size: microseconds a message for claims, milliseconds for each page of the API."""

    rows: int
    claim: float
    pages: dict[str, float]


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Each size's costs, as a multiple of the smallest's."""
    sizes = []
    with stage.server.database("growth") as url, Api(url, stage.folder) as api:
        connection = connect(url)
        mailing_id = ledger.add_waiting_mailing(connection, 0)
        have = 0
        for rows in _sizes(options.rows):
            progress = stage.progress(f"{rows:,} pending")
            ledger.add_clients(connection, f"of {rows}", rows - have, progress)
            ledger.extend(connection, mailing_id, have, rows, progress)
            have = rows
            pages = _pages(connection, api, mailing_id)
            sizes.append(Size(rows, _claim(url, connection, mailing_id, progress), pages))
            stage.say(f"{rows:,}: a claim {sizes[-1].claim:.1f} µs a message")
        connection.close()
    first, last = sizes[0], sizes[-1]
    columns = {
        "claim": [size.claim for size in sizes],
        **{name: [size.pages[name] for size in sizes] for name in first.pages},
    }
    across = [float(size.rows) for size in sizes]
    curves = {name: (across, [one / values[0] for one in values]) for name, values in columns.items()}
    return Result(
        "growth",
        ("pending messages", "claim, µs a message", *(f"{name}, ms" for name in first.pages)),
        [
            (
                f"{size.rows:,}",
                f"{size.claim:.1f} ({ratio(size.claim, first.claim)})",
                *(f"{size.pages[name]:.1f} ({ratio(size.pages[name], first.pages[name])})" for name in first.pages),
            )
            for size in sizes
        ],
        notes=[
            f"In brackets, the ratio to the smallest. As many clients as messages; the median of {CLAIMS} claims of "
            f"{BATCH} messages; of {CALLS} calls of the API over a kept connection, what a tenth keeps within."
        ],
        readme=[
            (
                f"a claim with {last.rows:,} pending messages",
                f"{ratio(last.claim, first.claim)} what it costs with {first.rows:,}; pages of the API at most "
                f"{max(last.pages[name] / first.pages[name] for name in first.pages):.2f}×",
            )
        ],
        draw=plots.lines(
            "growth", curves, ("pending messages, and clients", f"× the cost at {first.rows:,}"), logarithmic=True
        ),
        plot_shows="Cost of a claim and of the API's pages as the ledger grows",
    )


def _sizes(largest: int) -> list[int]:
    sizes = [SMALLEST]
    while sizes[-1] * 10 <= largest:
        sizes.append(sizes[-1] * 10)
    return sizes if sizes[-1] == largest else [*sizes, largest]


def _pages(connection: Connection, api: Api, mailing_id: int) -> dict[str, float]:
    """Milliseconds for what people look at."""
    last_client = ask(connection, "SELECT max(id) FROM client")
    last_message = ask(connection, "SELECT max(id) FROM message")
    return {
        "GET mailing": _time(api, f"/v1/mailing/{mailing_id}/"),
        "GET mailings": _time(api, "/v1/mailing/"),
        "first clients": _time(api, "/v1/client/"),
        "last clients": _time(api, f"/v1/client/?after={last_client - 101}"),
        "middle messages": _time(api, f"/v1/message/?after={last_message // 2}"),
        "last of mailing": _time(api, f"/v1/mailing/{mailing_id}/message/?after={last_message - 101}"),
    }


def _time(api: Api, path: str) -> float:
    times = []
    with requests.Session() as session:
        for _ in range(CALLS):
            began = time.monotonic()
            answer = session.get(api.url + path, headers=api.headers, timeout=60)
            times.append(1000 * (time.monotonic() - began))
            if answer.status_code != 200:
                raise Discrepancy(f"GET {path} answered {answer.status_code}: {answer.text[:200]}")
    return quantiles(times, n=10)[0]  # what a neighbour's load has not touched


def _claim(url: str, connection: Connection, mailing_id: int, progress: Progress) -> float:
    """Microseconds of a claim, a message: of some claims of the same size, one after another, the one in the middle."""
    ledger.release(connection, mailing_id)
    database = Database(url, threading.Event(), "gonets benchmark")
    queue = Queue(
        database,
        worker="benchmark",
        lease_seconds=600.0,
        delivery_seconds=10.0,
        retries=Retries(5, 30.0, 3600.0),
        random=Random(1),
    )
    costs = []
    for done in range(CLAIMS + 1):  # the first one connects, and finds its place
        began = time.monotonic()
        claimed = queue.claim(BATCH)
        costs.append(1e6 * (time.monotonic() - began) / BATCH)
        ledger.expect("messages claimed", len(claimed), BATCH)
        now = time.monotonic()
        queue.record([AttemptResult(one, ACCEPTED, one.claim.database_time(now), 0.0, now) for one in claimed])
        progress.show(done + 1, CLAIMS + 1, "claims")
    database.close()
    ledger.hold(connection, mailing_id)
    return median(costs[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description="What a claim and a page cost as the ledger grows.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="the largest size")
    command("growth", measure, parser)


if __name__ == "__main__":
    main()
