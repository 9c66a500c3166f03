"""What dispatch compares: the same messages to the same gateway, timed from the first response to the last record."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import mailings
from benchmarks.baselines import FILL, FIRST_PHONE, TABLES, TEXT
from benchmarks.benchmark import expect
from benchmarks.environment import QUICK, Api, Environment, Progress
from benchmarks.gateways import Gateway
from benchmarks.postgres import connect, row, run
from benchmarks.processes import ROOT, Child, together

Ours = tuple[Api, str, int, str]
TEMPLATE = '{{ name | default: "Friend" }}, ' + TEXT
NAMES = (
    """ALTER TABLE client ALTER attributes SET DEFAULT jsonb_build_object('name', left(gen_random_uuid()::text, 8))"""
)
SENT = "SELECT count(*) FROM task_message WHERE status = 'sent'"


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


def gonets(
    workers: int,
    environment: Environment,
    gateway: Gateway,
    messages: int,
    progress: Progress,
    text: str = TEXT,
    settings: Mapping[str, str] = QUICK,
) -> Run:
    """So many workers with default settings, on a mailing whose messages are all there; each client has a name."""
    with environment.server.database("gonets") as url, environment.api(url) as api:
        with contextlib.closing(connect(url)) as connection:
            run(connection, NAMES)
        return send_waiting(environment, gateway, (api, url, workers, text), messages, progress, settings=settings)


def send_waiting(
    environment: Environment,
    gateway: Gateway,
    ours: Ours,
    messages: int,
    progress: Progress,
    root: Path = ROOT,
    settings: Mapping[str, str] = QUICK,
) -> Run:
    """Messages that wait, sent and recorded; `ours` are the API, the database, how many workers, and the text."""
    api, url, workers, text = ours
    mailing, waiting = mailings.add_waiting_mailing(environment, api, url, messages, progress, root=root, text=text)
    with environment.workers(url, gateway, workers, settings, root=root) as pids:
        gateway.forget()
        before, meter = gateway.requests(), environment.meter(gateway, client=pids)
        mailing.act("resume")
        ended = mailing.wait_until_sent(waiting, gateway, before, progress)
        cpu = meter.read()
    return Run(waiting, ended - mailings.check(gateway, waiting), cpu)


def client(
    kind: str, processes: int, environment: Environment, gateway: Gateway, messages: int, progress: Progress
) -> Run:
    """A client of benchmarks/baselines.py, and no database."""
    share = messages // processes
    baselines = (_baseline(environment, kind, gateway.url, str(1 + n * share), str(share)) for n in range(processes))
    return _timed(environment, gateway, share * processes, progress, baselines)


def loop(kind: str, environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
    """A loop of benchmarks/baselines.py."""
    with environment.server.database("loop", root=None) as url:
        connection = _with_messages(url, messages)
        baselines = (_baseline(environment, kind, gateway.url, url) for _ in range(1))
        return _timed(environment, gateway, messages, progress, baselines, (connection, SENT))


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
    connections: int = 64
    """Requests at a time, of a process: Node's at most. Those of River are its jobs."""
    done: str = SENT
    """Asks how many messages are recorded."""

    def __call__(self, environment: Environment, gateway: Gateway, messages: int, progress: Progress) -> Run:
        """Is a Competitor."""
        command, folder = self.command(), environment.new_folder("peer")
        with environment.server.database("peer", root=None) as url:
            settings = {"PEER_DATABASE_URL": url, "PEER_GATEWAY_URL": gateway.url}
            settings["PEER_CONNECTIONS"] = str(self.connections)
            connection = _with_messages(url, messages)
            fill = [*command, "enqueue", str(messages), str(self.batch)]
            with Child("filling", fill, folder / "fill.log", settings) as filling:
                filling.wait()
            run(connection, "VACUUM ANALYZE")
            run(connection, "CHECKPOINT")
            work = [*command, "work", str(self.size), str(self.batch)]
            peers = (Child("peer", work, folder / f"{place}.log", settings) for place in range(self.processes))
            return _timed(environment, gateway, messages, progress, peers, (connection, self.done))

    def with_concurrency(self, requests: int) -> Peer:
        """The same with so many requests at a time in each process."""
        return replace(self, size=math.ceil(requests / self.batch), connections=requests)


def _timed(
    environment: Environment,
    gateway: Gateway,
    messages: int,
    progress: Progress,
    starting: Iterator[Child],
    records: tuple[Connection, str] | None = None,
) -> Run:
    """Starts the children, lets them begin, waits until all is sent and recorded, and compares the counts.

    Without records, until all is answered: nginx counts a request when it begins.
    """
    gateway.forget()
    before, sent, ended = gateway.requests(), 0, 0
    with together(children := list(starting)):
        meter = environment.meter(gateway, client=[child.pid for child in children])
        patience = mailings.Patience(progress, messages)
        for child in children:
            child.begin()
        while ended < messages:
            patience.wait()
            for child in children:
                child.check()
            sent = gateway.requests() - before
            if sent >= messages:
                ended = row(*records)[0] if records else gateway.served().requests
            patience.show(sent + ended)
        last = time.time() if records else gateway.served().last
        cpu = meter.read()
    if records:
        expect("messages recorded", ended, messages)
    return Run(messages, last - mailings.check(gateway, messages), cpu)


def _baseline(environment: Environment, *arguments: str) -> Child:
    command = [sys.executable, "-m", "benchmarks.baselines", *arguments]
    child = Child("the baseline", command, environment.new_folder("baseline") / "log")
    child.wait_for(b"ready")
    return child


def _with_messages(url: str, messages: int) -> Connection:
    connection = connect(url)
    run(connection, TABLES)
    run(connection, FILL, FIRST_PHONE, TEXT, messages)
    run(connection, "VACUUM ANALYZE task_message")
    run(connection, "CHECKPOINT")
    return connection
