"""A long life: mailing after mailing while somebody holds a snapshot open, so that nothing dead can be removed.

python -m benchmarks.life [--mailings 20] [--messages 100000] [--pairs 3] [--no-snapshot]

What a machine can do changes in the minutes that this takes. So at the end more mailings follow, in turns with the
first mailing of a fresh database: pairs of neighbours, whose ratio says what age costs.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from statistics import mean
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger, plots
from benchmarks.fleet import Fleet
from benchmarks.gateways import Gateway
from benchmarks.ledger import ask
from benchmarks.postgres import connect
from benchmarks.progress import Progress
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command

TABLES = ("message", "attempt", "message_count_delta", "mailing")
SIZE = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s) AS name"
DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname = ANY(%s)"


class Past(NamedTuple):
    """What one mailing came to, and what it left."""

    speed: float
    dead: int
    megabytes: float


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Each mailing's speed, launch and all, as a multiple of the first's."""
    with (
        _peopled(stage, "life", options) as url,
        stage.gateway() as gateway,
        _snapshot(url, taken=not options.no_snapshot),
    ):
        pasts = _live(stage, url, gateway, options, [f"mailing {number + 1}" for number in range(options.mailings)])
        pairs = [_pair(stage, url, gateway, options) for _ in range(options.pairs)]
    speeds = [past.speed for past in pasts]
    across = [float(number + 1) for number in range(len(pasts))]
    fresh, aged = (mean(one) for one in zip(*pairs, strict=True)) if pairs else (speeds[0], mean(speeds[-3:]))
    snapshot = "no snapshot held" if options.no_snapshot else "a snapshot held open since before the first"
    return Result(
        "life",
        ("mailing", "messages/s", "× the first", "dead rows", "tables and indexes, MB"),
        [
            (
                str(number),
                f"{past.speed:,.0f}",
                ratio(past.speed, speeds[0]),
                f"{past.dead:,}",
                f"{past.megabytes:,.0f}",
            )
            for number, past in enumerate(pasts, 1)
        ],
        notes=[
            f"{options.mailings} mailings of {options.messages:,}, launched and sent by {options.workers} workers; "
            f"{snapshot}.",
            f"Then {len(pairs)} more, each after the first mailing of a fresh database: "
            + "; ".join(f"{now:,.0f}/s after {first:,.0f}/s" for first, now in pairs)
            + f"; {ratio(aged, fresh)} in all.",
        ],
        readme=[
            (
                f"after {options.mailings} mailings of {options.messages:,}, {snapshot}",
                f"{ratio(aged, fresh)} the {fresh:,.0f} messages/s of a fresh database beside it",
            )
        ],
        draw=plots.lines(
            "life",
            {"measured": (across, speeds), "the first": (across, [speeds[0]] * len(speeds))},
            ("mailing", "messages a second"),
            reference="the first",
            second={"dead rows": (across, [float(past.dead) for past in pasts])},
            second_label="rows",
        ),
        plot_shows="Messages a second, mailing after mailing, and the dead rows that pile up",
    )


@contextlib.contextmanager
def _peopled(stage: Stage, name: str, options: argparse.Namespace) -> Iterator[str]:
    """A database with an audience in it."""
    with stage.server.database(name) as url:
        connection = connect(url)
        ledger.add_clients(connection, "everybody", options.messages)
        connection.close()
        yield url


def _pair(stage: Stage, url: str, gateway: Gateway, options: argparse.Namespace) -> tuple[float, float]:
    """Messages a second of the first mailing of a fresh database, and of one more on the old one, right after it."""
    with _peopled(stage, "fresh", options) as fresh_url:
        [fresh] = _live(stage, fresh_url, gateway, options, ["a fresh database"])
    [aged] = _live(stage, url, gateway, options, ["one more"])
    return fresh.speed, aged.speed


def _live(stage: Stage, url: str, gateway: Gateway, options: argparse.Namespace, names: list[str]) -> list[Past]:
    """One mailing after the other, by the same workers."""
    connection = connect(url)
    with Fleet(url, gateway, options.workers, stage.folder, {"WORKER_POLL_SECONDS": "0.05"}):
        pasts = [_mail(connection, gateway, options.messages, stage.progress(name)) for name in names]
    connection.close()
    return pasts


def _mail(connection: Connection, gateway: Gateway, messages: int, progress: Progress) -> Past:
    gateway.forget()
    before = gateway.requests()
    mailing_id = ledger.add_due_mailing(connection, "everybody")
    ledger.wait_until_sent(connection, mailing_id, messages, gateway, progress, before)
    recorded = ledger.recorded(connection, mailing_id)
    ledger.check(recorded, gateway.served(), messages)
    began = ask(connection, "SELECT extract(epoch FROM created_at)::float8 FROM mailing WHERE id = %s", mailing_id)
    return Past(
        messages / (recorded.last - began),
        int(ask(connection, DEAD, list(TABLES))),
        float(ask(connection, SIZE, list(TABLES))) / 2**20,
    )


@contextlib.contextmanager
def _snapshot(url: str, *, taken: bool) -> Iterator[None]:
    """A transaction that sees the database as it is now for as long as the block lasts, as a report or a dump does."""
    connection = psycopg2.connect(url)
    if taken:
        connection.set_session(isolation_level="REPEATABLE READ")
        ask(connection, "SELECT count(*) FROM client")
    try:
        yield
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Mailing after mailing, with a snapshot held open.")
    parser.add_argument("--mailings", type=int, default=20)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3, help="mailings after those, each beside a fresh database's")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-snapshot", action="store_true", help="for comparison")
    command("life", measure, parser)


if __name__ == "__main__":
    main()
