"""Growth: what a claim costs, and how long the API takes, as the ledger and the directory grow.

    python -m benchmarks.growth [--rows 10000000]

At 10,000, 100,000, … pending messages and as many clients. A claim's cost is PostgreSQL's own time for the statement,
from its log, while a real worker sends a few thousand of the messages; a page's is what a client of the API waits.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import requests
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger, plots
from benchmarks.apis import Api
from benchmarks.fleet import Fleet
from benchmarks.gateways import Gateway
from benchmarks.ledger import Discrepancy, ask
from benchmarks.postgres import connect
from benchmarks.progress import Progress
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command
from shared.errors import ConfigurationError

SMALLEST = 10_000
CLAIMED = 5_000
"""Messages that are claimed at each size: few beside the smallest, so that it stays what it is."""
CALLS = 40
"""Calls of the API for each figure, which is what a tenth of them keeps within."""
LOGGED = re.compile(
    rb"duration: ([\d.]+) ms  (?:statement|execute [^:]*): (.*?)(?=^\d{4}-\d\d-\d\d |\Z)", re.DOTALL | re.M
)
CLAIMS = (b"SKIP LOCKED", b"lease_until", b"UPDATE message", b"RETURNING")
"""What the text of a claim holds, and no other statement's."""


class Size(NamedTuple):
    """What was found at one size: microseconds a message for claims, milliseconds for each page of the API."""

    rows: int
    claim: float
    pages: dict[str, float]


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Each size's costs, as a multiple of the smallest's."""
    if stage.server.log is None:
        raise ConfigurationError(
            "This one reads PostgreSQL's log: unset DATABASE_URL, and it starts a server of its own."
        )
    sizes = []
    with stage.server.database("growth") as url, stage.gateway() as gateway, Api(url, stage.folder) as api:
        connection = connect(url)
        mailing_id = ledger.add_waiting_mailing(connection, 0)
        have = 0
        for rows in _sizes(options.rows):
            progress = stage.progress(f"{rows:,} pending")
            ledger.add_clients(connection, f"of {rows}", rows - have, progress)
            ledger.extend(connection, mailing_id, have, rows, progress)
            have = rows
            pages = _pages(connection, api, mailing_id)
            sizes.append(Size(rows, _claim(stage, url, connection, mailing_id, gateway, progress), pages))
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
            "In brackets, the ratio to the smallest. As many clients as messages; of "
            f"{CALLS} calls of the API over a kept connection, what a tenth keeps within."
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


def _claim(
    stage: Stage, url: str, connection: Connection, mailing_id: int, gateway: Gateway, progress: Progress
) -> float:
    """Microseconds of PostgreSQL's time for claims, a message, while a worker sends some."""
    log = stage.server.log
    assert log
    name = ask(connection, "SELECT current_database()")
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET log_min_duration_statement = 0')
    gateway.forget()
    before, began = gateway.requests(), time.monotonic()
    with Fleet(url, gateway, 1, stage.folder, {"WORKER_POLL_SECONDS": "0.05"}):
        ledger.release(connection, mailing_id)
        logged_from = log.stat().st_size
        while (sent := gateway.requests() - before) < CLAIMED:
            progress.show(sent, CLAIMED, "messages claimed")
            if time.monotonic() - began > ledger.PATIENCE:
                raise Discrepancy(f"In a minute {sent} messages were sent.")
            time.sleep(0.02)
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" RESET log_min_duration_statement')
    ledger.hold(connection, mailing_id)
    served = gateway.served()
    ledger.expect("requests", served.requests, served.distinct)
    return 1000 * sum(_claims(log, logged_from)) / served.requests


def _claims(log: Path, logged_from: int) -> Iterator[float]:
    """Milliseconds of each claim in PostgreSQL's log from there on."""
    with log.open("rb") as file:
        file.seek(logged_from)
        for milliseconds, statement in LOGGED.findall(file.read()):
            if all(word in statement for word in CLAIMS):
                yield float(milliseconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a claim and a page cost as the ledger grows.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="the largest size")
    command("growth", measure, parser)


if __name__ == "__main__":
    main()
