"""Those who are compared: each sends the same messages to the same gateway, and says how long it took.

A bout lasts from the first request, as the gateway's log has it, to the last record in the database (or the last
request, where there is none): starting processes and filling queues is not counted, for anybody.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import quote

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger
from benchmarks.fleet import Fleet
from benchmarks.gateways import Gateway, Served
from benchmarks.ledger import Discrepancy, expect
from benchmarks.messages import FILL, FIRST_PHONE, TABLE, TEXT
from benchmarks.peers import environment
from benchmarks.postgres import connect
from benchmarks.processes import Child
from benchmarks.progress import Progress
from benchmarks.stage import Stage

PROCESSES, THREADS = 2, 16
"""Of the clients that are measured with no database."""
SENT = "SELECT count(*), coalesce(extract(epoch FROM max(sent_at)), 0)::float8 FROM task_message WHERE status = 'sent'"


class Bout(NamedTuple):
    """What one contestant's run came to. CPU in seconds, by group of processes."""

    messages: int
    seconds: float
    cpu: dict[str, float]

    @property
    def speed(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


Contestant = Callable[[Stage, Gateway, int, Progress], Bout]
"""Sends so many messages. Raises Discrepancy when the gateway and the records disagree."""


def gonets(processes: int, *, server_options: str = "") -> Contestant:
    """So many workers with default settings, on a mailing whose messages are all there.

    `server_options` are options of their connections, such as `-c jit=on`.
    """

    def run(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
        with stage.server.database("gonets") as url:
            connection = connect(url)
            mailing_id = ledger.add_waiting_mailing(connection, messages, progress)
            settings = {"WORKER_POLL_SECONDS": "0.05"}
            mark = "&" if "?" in url else "?"
            workers_url = f"{url}{mark}options={quote(server_options)}" if server_options else url
            with Fleet(workers_url, gateway, processes, stage.folder, settings) as fleet:
                gateway.forget()
                before = gateway.requests()
                meter = stage.meter(gateway, client=fleet.pids)
                ledger.release(connection, mailing_id)
                ledger.wait_until_sent(connection, mailing_id, messages, gateway, progress, before)
                cpu = meter.read()
            served, recorded = gateway.served(), ledger.recorded(connection, mailing_id)
            ledger.check(recorded, served, messages)
            connection.close()
            return Bout(messages, recorded.last - served.first, cpu)

    return run


def bare(client: str) -> Contestant:
    """An HTTP client of benchmarks/bare.py, and no database."""

    def run(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
        share = messages // PROCESSES
        children = [
            _module(
                "bare",
                stage,
                client,
                "--url",
                gateway.url,
                "--threads",
                str(THREADS),
                "--first",
                str(1 + number * share),
                "--count",
                str(share),
                number=number,
            )
            for number in range(PROCESSES)
        ]
        return _race(stage, gateway, share * PROCESSES, progress, children, None)

    return run


def naive(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
    """One process that selects, posts, updates and commits."""
    with stage.server.database("naive", migrated=False) as url:
        connection = _task_messages(url, messages)
        child = _module("naive", stage, "--database-url", url, "--url", gateway.url)
        return _race(stage, gateway, messages, progress, [child], lambda: _moment(connection, SENT))


def postgres_alone(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
    """One connection that claims and completes in batches of 500, and sends nothing."""
    with stage.server.database("alone", migrated=False) as url:
        connection = _task_messages(url, messages)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE task_attempt (message_id bigint, started_at timestamptz DEFAULT now())")
        child = _module("bare_postgres", stage, "--database-url", url)
        meter = stage.meter(gateway, client=[child.pid])
        began = time.time()
        with child:
            child.tell(b"go")
            child.wait_for(b"done", seconds=600)
            cpu = meter.read()
        sent, last = _moment(connection, SENT)
        expect("messages completed", sent, messages)
        return Bout(messages, last - began, cpu)


def celery(batch: int, concurrency: int) -> Contestant:
    """Celery with Redis: so many processes, so many messages in a task, each message's status in PostgreSQL."""

    def run(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
        with stage.server.database("celery", migrated=False) as url, ExitStack() as stack:
            connection = _task_messages(url, messages)
            redis, redis_url = environment.start_redis(stage.folder)
            stack.push(redis)
            settings = {"PEER_DATABASE_URL": url, "PEER_GATEWAY_URL": gateway.url, "PEER_REDIS_URL": redis_url}
            python, module = environment.python(), "benchmarks.peers.celery_peer"
            _fill([python, "-m", module, str(messages), str(batch)], stage, settings)
            # A few hundred messages ahead, whatever a task holds; one-message tasks wait for Redis otherwise.
            ahead = max(2, 64 // batch)
            options = ["worker", "--pool=prefork", f"--concurrency={concurrency}", f"--prefetch-multiplier={ahead}"]
            options += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
            child = Child(
                "celery", [python, "-m", "celery", "--app", module, *options], stage.folder / "celery.log", settings
            )
            return _race(
                stage, gateway, messages, progress, [child], lambda: _moment(connection, SENT), Redis=[redis.pid]
            )

    return run


def procrastinate(processes: int, concurrency: int) -> Contestant:
    """Procrastinate: so many processes, each with so many messages at a time; a job's status is the message's."""
    succeeded = """
    SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'),
        (SELECT coalesce(extract(epoch FROM max(at)), 0)::float8 FROM procrastinate_events WHERE type = 'succeeded')
    """
    return _queue_of_jobs(_python("procrastinate"), processes, concurrency, succeeded)


def pgqueuer(processes: int, batch: int) -> Contestant:
    """PgQueuer: so many processes, each of which takes so many messages in a batch; the log of jobs is the ledger."""
    successful = """
    SELECT count(DISTINCT job_id), coalesce(extract(epoch FROM max(created)), 0)::float8
    FROM pgqueuer_log WHERE status = 'successful'
    """
    return _queue_of_jobs(_python("pgqueuer"), processes, batch, successful)


def pgboss(processes: int, batch: int) -> Contestant:
    """pg-boss: so many processes, two batches of so many messages at a time in each; a job's state is the message's."""
    completed = """
    SELECT count(*), coalesce(extract(epoch FROM max(completed_on)), 0)::float8
    FROM pgboss.job WHERE state = 'completed'
    """
    return _queue_of_jobs(lambda: environment.node("pgboss_peer.mjs"), processes, batch, completed)


def graphile(processes: int, concurrency: int) -> Contestant:
    """Graphile Worker: so many processes, each with so many messages at a time, each message's status in our table."""
    return _queue_of_jobs(lambda: environment.node("graphile_peer.mjs"), processes, concurrency, SENT)


def _python(peer: str) -> Callable[[], list[str]]:
    return lambda: [environment.python(), "-m", f"benchmarks.peers.{peer}_peer"]


def _queue_of_jobs(command: Callable[[], list[str]], processes: int, size: int, done: str) -> Contestant:
    def run(stage: Stage, gateway: Gateway, messages: int, progress: Progress) -> Bout:
        with stage.server.database("peer", migrated=False) as url:
            settings = {"PEER_DATABASE_URL": url, "PEER_GATEWAY_URL": gateway.url}
            connection = connect(url)
            _make_task_messages(connection, messages)
            peer = command()
            _fill([*peer, "enqueue", str(messages)], stage, settings)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
                cursor.execute("CHECKPOINT")
            children = [
                Child("peer", [*peer, "work", str(size)], stage.folder / f"peer-{number}.log", settings)
                for number in range(processes)
            ]
            return _race(stage, gateway, messages, progress, children, lambda: _moment(connection, done))

    return run


def _race(
    stage: Stage,
    gateway: Gateway,
    messages: int,
    progress: Progress,
    children: Sequence[Child],
    recorded: Callable[[], tuple[int, float]] | None,
    **others: list[int],
) -> Bout:
    """Lets the children go, waits until all is sent and recorded, and compares the counts."""
    with ExitStack() as stack:
        for child in children:
            stack.push(child)
        gateway.forget()
        before = gateway.requests()
        meter = stage.meter(gateway, client=[child.pid for child in children], **others)
        for child in children:
            child.tell(b"go")
        _wait(gateway, messages, progress, children, recorded, before)
        cpu = meter.read()
        served = gateway.served()
        last = served.last if recorded is None else recorded()[1]
        for child in children:
            child.terminate()
    _check(served, messages)
    return Bout(messages, last - served.first, cpu)


def _wait(
    gateway: Gateway,
    messages: int,
    progress: Progress,
    children: Sequence[Child],
    recorded: Callable[[], tuple[int, float]] | None,
    before: int,
) -> None:
    seen, seen_at = 0, time.monotonic()
    while True:
        for child in children:
            child.check()
        count = gateway.requests() - before
        if count != seen:
            seen, seen_at = count, time.monotonic()
        progress.show(min(count, messages), messages, "messages")
        if count >= messages and (recorded is None or recorded()[0] >= messages):
            return
        if time.monotonic() - seen_at > ledger.PATIENCE:
            raise Discrepancy(f"{progress.title}: {seen} of {messages} messages, and for a minute no more.")
        time.sleep(ledger.LOOK_INTERVAL)


def _check(served: Served, messages: int) -> None:
    expect("messages that the gateway got", served.distinct, messages)
    expect("requests", served.requests, messages)


def _module(name: str, stage: Stage, *arguments: str, number: int = 0) -> Child:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    child = Child(name, command, stage.folder / f"{name}-{number}.log")
    child.wait_for(b"ready")
    return child


def _make_task_messages(connection: Connection, messages: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute(FILL, (FIRST_PHONE, TEXT, messages))


def _task_messages(url: str, messages: int) -> Connection:
    connection = connect(url)
    _make_task_messages(connection, messages)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE task_message")
        cursor.execute("CHECKPOINT")
    return connection


def _fill(command: Sequence[str], stage: Stage, settings: dict[str, str]) -> None:
    with Child("filling the queue", command, stage.folder / "fill.log", settings) as child:
        while not child.ended():
            time.sleep(0.1)
        child.check()


def _moment(connection: Connection, question: str) -> tuple[int, float]:
    """How many messages are recorded, and the moment of the last record in seconds since the epoch."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    assert row
    return int(row[0]), float(row[1])
