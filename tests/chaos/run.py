"""One run, from the first process to the facts."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tests.chaos import row_history
from tests.chaos.api_users import ApiUsers
from tests.chaos.driver import Driver
from tests.chaos.environment import WORKER, Environment, Program
from tests.chaos.facts import Facts, Settings
from tests.chaos.invariants_deliveries import END
from tests.chaos.observer import Observer
from tests.chaos.receipt_driver import OVERDUE
from tests.chaos.retry_on_settle import RetryOnSettle
from tests.chaos.workload import fill_directory
from tests.waiting import eventually

SETTLE_TIMEOUT = 180.0
"""Seconds after which what is not settled is taken never to be. A circuit breaker pauses for up to 30."""

WRONG_CLOCKS = {2: 39_600.0}
"""The second worker's clock is eleven hours fast."""

MESSAGES_BEFORE_PARTITION = 300
"""Messages of a run until the ledger's first partition is full, and the next one begins."""

# Mailings that are not settled; one that was cancelled before its launch has nothing to settle.
UNSETTLED = """
SELECT id, status::text FROM mailing
WHERE status IN ('scheduled', 'running', 'paused') OR launch_started_at IS NOT NULL AND settled_at IS NULL
"""


def run(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    workers: int,
    rate: float = 0.0,
    worker_command: Sequence[str] = WORKER,
    copy_migrated: Callable[[Path], object] | None = None,
) -> Facts:
    """Injects faults for so many seconds, waits until every mailing is settled, and returns the facts.

    `rate` is that of each gateway, in requests a second; 0 is no limit. `copy_migrated` is that of Environment.
    """
    settings = Settings(gateway_rate=rate)
    with Environment(
        folder,
        workers=workers,
        settings=settings,
        worker_command=worker_command,
        copy_migrated=copy_migrated,
        wrong_clocks={number: error for number, error in WRONG_CLOCKS.items() if number <= workers},
    ) as environment:
        with contextlib.closing(environment.connect()) as connection:
            fill_directory(connection)
            _leave_for_partition(connection, MESSAGES_BEFORE_PARTITION)
        gateways = environment.add_gateways()
        observer = Observer(environment.connect)
        observer.start()
        environment.start_api()
        for worker in environment.workers:
            worker.start()
        users = ApiUsers(environment.api_url)
        retries = RetryOnSettle(environment.connect, users)
        retries.start()
        driver = Driver(environment, users, observer, seed, gateways)
        driver.drive(seconds)
        retries.stop()
        driver.end_faults()
        settle(environment, users)
        users.close()
        settle_receipts(environment)
        environment.verify()
        stop(environment, environment.workers)
        observer.stop()
        return gather(environment, observer, users)


def settle(environment: Environment, users: ApiUsers) -> None:
    """Resumes what is paused, and waits until all mailings are settled and no claim is left, for SETTLE_TIMEOUT."""
    deadline = time.monotonic() + SETTLE_TIMEOUT
    with contextlib.closing(environment.connect()) as connection, connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(UNSETTLED)
            unsettled = cursor.fetchall()
            if not unsettled and not claims_left(cursor):
                return
            for mailing_id, status in unsettled:
                if status == "paused":
                    users.call("POST", f"/v1/mailing/{mailing_id}/resume/").result()
            time.sleep(0.2)


def settle_receipts(environment: Environment) -> None:
    """Waits until all receipts are taken and applied, ends the wait for those that never come, for SETTLE_TIMEOUT."""
    deadline = time.monotonic() + SETTLE_TIMEOUT
    gateways = [gateway.client for gateway in environment.gateways.values()]
    with contextlib.closing(environment.connect()) as connection, connection.cursor() as cursor:

        def is_empty(query: str) -> bool:
            cursor.execute(query)
            return cursor.fetchone() is None

        def wait(true: Callable[[], bool]) -> None:
            while not true() and time.monotonic() < deadline:
                time.sleep(0.1)

        wait(lambda: not any(gateway.callback_summary().waiting for gateway in gateways))
        wait(lambda: is_empty("SELECT FROM receipt_queue LIMIT 1"))
        environment.note("receipts overdue", detail=END)
        cursor.execute(OVERDUE)
        wait(lambda: is_empty("SELECT FROM message WHERE delivery = 'awaiting' LIMIT 1"))


def claims_left(cursor: Cursor) -> bool:
    """Whether there is a claim. That of a killed worker stays until its lease expires, also when it holds nothing."""
    cursor.execute("SELECT FROM claim LIMIT 1")
    return cursor.fetchone() is not None


def stop(environment: Environment, programs: Sequence[Program]) -> None:
    """Asks them to stop, and records their exit status."""
    for program in programs:
        _terminate(program)
    for program in programs:
        try:
            status = str(program.wait(environment.settings.stop_seconds + 10.0))
        except subprocess.TimeoutExpired:
            program.kill()
            status = "none, and had to be killed"
        environment.note("exit", program.signature, status)


def gather(environment: Environment, observer: Observer | None = None, users: ApiUsers | None = None) -> Facts:
    """The facts as they are now."""
    with contextlib.closing(environment.connect()) as connection:
        rows = row_history.read(connection)
        rows["gateways"] = [
            gateway._replace(receipt_url=environment.api_url + gateway.receipt_url) for gateway in rows["gateways"]
        ]
        return Facts(
            settings=environment.settings,
            **rows,
            reported=environment.receipts(),
            requests=environment.requests(),
            look_ups=environment.look_ups(),
            samples=observer.samples if observer else (),
            snapshots=observer.snapshots if observer else 0,
            calls=users.calls if users else (),
            events=environment.events,
        )


def _leave_for_partition(connection: Connection, messages: int) -> None:
    """Lets the ids of messages begin so many before the end of the first partition."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('message_id_seq', ledger_partition_width() - %s, false)", [messages])


def _terminate(program: Program) -> None:
    # Before it is ready, SIGTERM ends it as it ends any process.
    eventually(lambda: program.is_ready or not program.runs)
    program.terminate()
