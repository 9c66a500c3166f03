"""Launch: an audience of a million becomes messages; how soon, how soon the first is sent, in how much memory.

    python -m benchmarks.launch [--audience 1000000] [--workers 2] [--no-kill] [--kill-audience 100000]

The first run measures a launch that is left alone, until the last message is launched. The second kills a worker with
SIGKILL in the middle of a launch, starts another, and waits until everything is sent: no client may have two messages,
and none may be missing.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger, plots
from benchmarks.fleet import Fleet
from benchmarks.ledger import Discrepancy, ask
from benchmarks.postgres import connect
from benchmarks.processes import family, memory
from benchmarks.result import Result
from benchmarks.stage import Stage, command

LEASE_SECONDS = 15
"""The shortest that goes with the default deadline: what a killed worker held is free again after it."""
PATIENCE = 900.0
"""Seconds for a launch, whatever the machine."""


class Launched(NamedTuple):
    """Seconds by the database's clock; memory in megabytes."""

    begun_after: float
    """From the start: a worker looks every WORKER_POLL_SECONDS."""
    launched_in: float
    """From then on."""
    first_sent_after: float
    """From the start."""
    memory: dict[str, tuple[list[float], list[float]]]
    """By process: seconds since the start, and megabytes."""

    def peak(self, role: str) -> float:
        """The most megabytes that any process of a role had."""
        return max((max(held) for name, (_, held) in self.memory.items() if name.startswith(role)), default=0.0)


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """The launch left alone, then one with a kill in the middle."""
    launched = _launch(stage, options.audience, options.workers)
    rows = [
        ("clients in the audience", f"{options.audience:,}"),
        ("seconds until a worker looked", f"{launched.begun_after:.1f}"),
        ("seconds from then until all are messages", f"{launched.launched_in:.1f}"),
        ("messages launched a second", f"{options.audience / launched.launched_in:,.0f}"),
        ("seconds until the first was sent", f"{launched.first_sent_after:.2f}"),
        ("a worker's memory at most", f"{launched.peak('worker'):,.0f} MB"),
        ("a PostgreSQL process' memory at most", f"{launched.peak('PostgreSQL'):,.0f} MB"),
    ]
    if not options.no_kill:
        repeats, explained = _kill_in_the_middle(stage, options.kill_audience)
        rows += [
            ("killed in the middle: messages", f"{options.kill_audience:,}, one a client"),
            ("killed in the middle: sent twice", f"{repeats} (attempts in doubt that explain it: {explained})"),
        ]
    return Result(
        "launch",
        ("", "launch"),
        rows,
        notes=[f"{options.workers} workers, which launch and send at the same time; memory without shared buffers."],
        readme=[
            (
                f"launching an audience of {options.audience:,}",
                f"{launched.launched_in:.1f} s, the first sent after {launched.first_sent_after:.2f} s; "
                f"a worker's memory {launched.peak('worker'):,.0f} MB at most",
            )
        ],
        draw=plots.lines("launch", launched.memory, ("seconds since the start", "megabytes")),
        plot_shows="Memory of each process while an audience is launched and sent",
    )


def _launch(stage: Stage, audience: int, workers: int) -> Launched:
    progress = stage.progress(f"launching {audience:,}")
    with stage.server.database("launch") as url, stage.gateway() as gateway:
        connection = connect(url)
        ledger.add_clients(connection, "everybody", audience, progress)
        held: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        with Fleet(url, gateway, workers, stage.folder) as fleet:
            mailing_id = ledger.add_due_mailing(connection, "everybody")
            began = time.monotonic()
            while not _is_launched(connection, mailing_id):
                _look_at_memory(stage, fleet, time.monotonic() - began, held)
                progress.show(_audience(connection, mailing_id), audience, "messages")
                _give_up_after(began, PATIENCE)
                time.sleep(0.25)
        ledger.expect("audience", _audience(connection, mailing_id), audience)
        _check_one_message_each(connection, mailing_id, audience)
        moments = _moments(connection, mailing_id)
        connection.close()
    return Launched(*moments, dict(held))


def _kill_in_the_middle(stage: Stage, audience: int) -> tuple[int, int]:
    """Messages that were sent twice, and attempts of which nobody knows what came, each of which explains one."""
    progress = stage.progress(f"launching {audience:,} with a kill")
    settings = {"LEASE_SECONDS": str(LEASE_SECONDS), "WORKER_POLL_SECONDS": "0.5"}
    with stage.server.database("launch") as url, stage.gateway() as gateway:
        connection = connect(url)
        ledger.add_clients(connection, "everybody", audience, progress)
        with Fleet(url, gateway, 1, stage.folder / "killed", settings) as fleet:
            mailing_id = ledger.add_due_mailing(connection, "everybody")
            began = time.monotonic()
            while _audience(connection, mailing_id) < audience / 3:
                _give_up_after(began, PATIENCE)
                time.sleep(0.005)
            _kill(fleet)
        if _is_launched(connection, mailing_id):
            progress.say("The launch was over before the kill: a larger --kill-audience would show more.")
        with Fleet(url, gateway, 2, stage.folder, settings):
            ledger.wait_until_sent(connection, mailing_id, audience, gateway, progress, 0)
        served, recorded = gateway.served(), ledger.recorded(connection, mailing_id)
        in_doubt = ask(connection, "SELECT count(*) FROM attempt WHERE result = 'ambiguous'")
        ledger.check(recorded, served, audience, repeats_explained_by=in_doubt)
        _check_one_message_each(connection, mailing_id, audience)
        connection.close()
    return served.requests - served.distinct, in_doubt


def _kill(fleet: Fleet) -> None:
    for worker in fleet.workers:
        worker.kill()
    fleet.workers.clear()


def _look_at_memory(
    stage: Stage, fleet: Fleet, elapsed: float, held: dict[str, tuple[list[float], list[float]]]
) -> None:
    """Adds each worker's memory, and that of the largest of PostgreSQL's processes."""
    sizes = {f"worker {number}": memory(pid) for number, pid in enumerate(fleet.pids, 1)}
    if stage.server.pid:
        sizes["PostgreSQL, its largest process"] = max(memory(pid) for pid in family(stage.server.pid))
    for name, size in sizes.items():
        held[name][0].append(elapsed)
        held[name][1].append(size / 2**20)


def _is_launched(connection: Connection, mailing_id: int) -> bool:
    return bool(ask(connection, "SELECT launched_at IS NOT NULL FROM mailing WHERE id = %s", mailing_id))


def _audience(connection: Connection, mailing_id: int) -> int:
    return int(ask(connection, "SELECT audience FROM mailing WHERE id = %s", mailing_id))


def _moments(connection: Connection, mailing_id: int) -> tuple[float, float, float]:
    """Seconds until the launch began, that it took, and until the first success; its start came with its creation."""
    question = """
    SELECT ARRAY[launch_started_at - created_at, launched_at - launch_started_at,
        (SELECT min(sent_at) FROM message WHERE mailing_id = mailing.id) - created_at]
    FROM mailing WHERE id = %s
    """
    begun, launched, sent = ask(connection, question, mailing_id)
    if sent is None:
        raise Discrepancy("Not one message was sent while the audience was launched.")
    return begun.total_seconds(), launched.total_seconds(), sent.total_seconds()


def _check_one_message_each(connection: Connection, mailing_id: int, audience: int) -> None:
    question = "SELECT count(DISTINCT client_id) FROM message WHERE mailing_id = %s"
    ledger.expect("clients with a message", ask(connection, question, mailing_id), audience)
    question = "SELECT count(*) FROM message WHERE mailing_id = %s"
    ledger.expect("messages", ask(connection, question, mailing_id), audience)


def _give_up_after(began: float, seconds: float) -> None:
    if time.monotonic() - began > seconds:
        raise Discrepancy(f"The launch has not come to its end in {seconds:.0f} seconds.")


def main() -> None:
    parser = argparse.ArgumentParser(description="An audience of a million becomes messages.")
    parser.add_argument("--audience", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-kill", action="store_true", help="without the run that kills a worker")
    parser.add_argument("--kill-audience", type=int, default=100_000)
    command("launch", measure, parser)


if __name__ == "__main__":
    main()
