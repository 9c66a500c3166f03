"""One run, from the first process to the verdict."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import history
from tests.chaos.driver import Driver
from tests.chaos.facts import Facts, Settings
from tests.chaos.observer import Observer
from tests.chaos.people import People
from tests.chaos.public import fill_directory
from tests.chaos.retrier import Retrier
from tests.chaos.stage import Program, Stage
from tests.waiting import eventually

SETTLE_PATIENCE = 180.0
"""Seconds after which what has no end by then is taken to have none. A breaker pauses for up to 30."""

# What has not come to rest; a mailing that was cancelled before its launch has nothing to settle.
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
    worker_command: Sequence[str] = ("-m", "worker"),
) -> Facts:
    """Drives the service for so many seconds, lets it come to rest, and answers what is known of it then.

    `rate` is the workers' GATEWAY_RATE, in requests a second; 0 is no limit.
    """
    settings = Settings(gateway_rate=rate)
    with Stage(folder, workers=workers, settings=settings, worker_command=worker_command) as stage:
        with contextlib.closing(stage.connect()) as connection:
            fill_directory(connection)
        observer = Observer(stage.connect)
        observer.start()
        stage.start_api()
        for worker in stage.workers:
            worker.start()
        people = People(stage.api_url)
        retrier = Retrier(stage.connect, people)
        retrier.start()
        driver = Driver(stage, people, observer, seed)
        driver.drive(seconds)
        retrier.stop()
        driver.calm()
        settle(stage, people)
        people.leave()
        stop(stage, stage.workers)
        observer.stop()
        return gather(stage, observer, people)


def settle(stage: Stage, people: People) -> None:
    """Resumes what is paused, and waits until every mailing has come to rest, or for as long as is reasonable."""
    deadline = time.monotonic() + SETTLE_PATIENCE
    with contextlib.closing(stage.connect()) as connection, connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(UNSETTLED)
            unsettled = cursor.fetchall()
            if not unsettled:
                return
            for mailing_id, status in unsettled:
                if status == "paused":
                    people.ask("POST", f"/v1/mailing/{mailing_id}/resume/").result()
            time.sleep(0.2)


def stop(stage: Stage, programs: Sequence[Program]) -> None:
    """Asks them to stop, and notes how they do."""
    for program in programs:
        _terminate(program)
    for program in programs:
        try:
            status = str(program.wait(stage.settings.stop_seconds + 10.0))
        except subprocess.TimeoutExpired:
            program.kill()
            status = "nothing, and had to be killed"
        stage.note("exit", program.signature, status)


def gather(stage: Stage, observer: Observer | None = None, people: People | None = None) -> Facts:
    """The facts as they are now."""
    with contextlib.closing(stage.connect()) as connection:
        return Facts(
            settings=stage.settings,
            **history.read(connection),
            requests=stage.requests(),
            samples=observer.samples if observer else (),
            looks=observer.looks if observer else 0,
            calls=people.calls if people else (),
            events=stage.events,
        )


def _terminate(program: Program) -> None:
    # Before it says that it has started, SIGTERM ends it as it ends any process.
    eventually(lambda: program.has_started or not program.runs)
    program.terminate()
