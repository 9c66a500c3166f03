"""What dispatch compares: each sends the same messages to the same gateway, and is timed.

From the first request, as the gateway's log has it, to the last record in the database (or the last request, where
there is none): starting processes and filling queues is not counted, for anybody.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import mailings
from benchmarks.benchmark import expect
from benchmarks.environment import QUICK, Environment, Progress
from benchmarks.gateways import Gateway
from benchmarks.messages import FILL, FIRST_PHONE, TABLES, TEXT
from benchmarks.postgres import connect, row, run
from benchmarks.processes import Child

SENT = "SELECT count(*), extract(epoch FROM max(sent_at))::float8 FROM task_message WHERE status = 'sent'"


class Run(NamedTuple):
    """What one run came to. CPU in seconds, by group of processes."""

    messages: int
    seconds: float
    cpu: dict[str, float]

    @property
    def speed(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


Competitor = Callable[[Environment, Gateway, int, Progress], Run]
"""Sends so many messages. Raises Discrepancy when the gateway and the records disagree, and ConfigurationError when
what it needs is not installed."""


def gonets(workers: int) -> Competitor:
    """So many workers with default settings, on a mailing whose messages are all there."""

    def compete(environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
        with environment.server.database("gonets") as url, environment.api(url) as api:
            mailing, waiting = mailings.add_waiting_mailing(environment, api, url, messages, progress)
            with environment.workers(url, gateway, workers, QUICK) as pids:
                gateway.forget()
                before, meter = gateway.requests(), environment.meter(gateway, client=pids)
                mailing.act("resume")
                ended = mailing.wait_until_sent(waiting, gateway, before, progress)
                cpu = meter.read()
            return Run(waiting, ended - mailings.check(gateway, waiting), cpu)

    return compete


def client(kind: str, processes: int) -> Competitor:
    """A client of benchmarks/baseline_clients.py, and no database."""

    def compete(environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
        share = messages // processes
        children = [
            _baseline(environment, "baseline_clients", kind, gateway.url, str(1 + place * share), str(share))
            for place in range(processes)
        ]
        return _timed(environment, gateway, share * processes, progress, children)

    return compete


def loop(kind: str) -> Competitor:
    """A loop of benchmarks/baseline_loop.py."""

    def compete(environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
        with environment.server.database("loop", root=None) as url:
            connection = _with_messages(url, messages)
            child = _baseline(environment, "baseline_loop", kind, gateway.url, url)
            return _timed(environment, gateway, messages, progress, [child], (connection, SENT))

    return compete


@dataclass(frozen=True)
class Peer:
    """A task queue: `COMMAND enqueue MESSAGES BATCH` fills it, `COMMAND work SIZE BATCH` works until it is ended."""

    command: Callable[[], list[str]]
    """Installs it first, if need be."""
    size: int
    """Jobs at a time, of a process."""
    processes: int = 1
    batch: int = 1
    """Messages in one job."""
    done: str = SENT
    """Asks for the messages recorded, and the moment of the last record."""

    def __call__(self, environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
        """Is a Competitor."""
        command, folder = self.command(), environment.new_folder("peer")
        with environment.server.database("peer", root=None) as url:
            settings = {"PEER_DATABASE_URL": url, "PEER_GATEWAY_URL": gateway.url}
            connection = _with_messages(url, messages)
            fill = [*command, "enqueue", str(messages), str(self.batch)]
            with Child("filling", fill, folder / "fill.log", settings) as filling:
                filling.wait()
            run(connection, "VACUUM ANALYZE")
            run(connection, "CHECKPOINT")
            work = [*command, "work", str(self.size), str(self.batch)]
            children = [Child("peer", work, folder / f"{place}.log", settings) for place in range(self.processes)]
            records = (connection, self.done)
            return _timed(environment, gateway, messages, progress, children, records)


def _timed(
    environment: Environment,
    gateway: Gateway,
    messages: int,
    progress: Progress,
    children: Sequence[Child],
    records: tuple[Connection, str] | None = None,
) -> Run:
    """Lets the children begin, waits until all is sent and recorded, and compares the counts."""
    with ExitStack() as stack:
        for child in children:
            stack.enter_context(child)
        gateway.forget()
        before, sent, recorded, last = gateway.requests(), 0, 0, 0.0
        meter = environment.meter(gateway, client=[child.pid for child in children])
        patience = mailings.Patience(progress, messages)
        for child in children:
            child.begin()
        while sent < messages or (records and recorded < messages):
            time.sleep(mailings.LOOK_INTERVAL)
            for child in children:
                child.check()
            sent = gateway.requests() - before
            if records and sent >= messages:
                recorded, last = row(*records)
            patience.show(sent + recorded)
        cpu = meter.read()
        last = last or gateway.served().last
        for child in children:  # all at once: leaving the stack waits for one after another
            child.terminate()
    if records:
        expect("messages recorded", recorded, messages)
    return Run(messages, last - mailings.check(gateway, messages), cpu)


def _baseline(environment: Environment, module: str, *arguments: str) -> Child:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    child = Child(module, command, environment.new_folder("baseline") / "log")
    child.wait_for(b"ready")
    return child


def _with_messages(url: str, messages: int) -> Connection:
    connection = connect(url)
    run(connection, TABLES)
    run(connection, FILL, FIRST_PHONE, TEXT, messages)
    run(connection, "VACUUM ANALYZE task_message")
    run(connection, "CHECKPOINT")
    return connection
