"""Short scenes for two workers, each of which gives some faults their chance. The rig's own people speak SQL here."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.checker import check
from tests.chaos.facts import Facts, Settings, Violation
from tests.chaos.observer import Observer
from tests.chaos.rules_ledger import API
from tests.chaos.run import UNSETTLED, gather, stop
from tests.chaos.stage import Program, Stage
from tests.factories import add_clients, add_mailing, begin_launch, execute, revise_text, value
from tests.waiting import eventually

# What a worker does in chunks, at once, and with messages that become due one after another.
LAUNCH = """
INSERT INTO message (mailing_id, client_id, phone_number, due_at)
SELECT %s, id, phone_number, now() + row_number() OVER (ORDER BY id) * %s * interval '1 second'
FROM client WHERE tag = %s
"""

SET_STATUS = "UPDATE mailing SET status = %s, ended_at = CASE WHEN %s = 'cancelled' THEN now() END WHERE id = %s"

# What the API does to messages when it changes and when it removes clients.
GIVE_NEW_PHONES = """
UPDATE message SET phone_number = client.phone_number FROM client
WHERE client.id = client_id AND status = 'pending' AND attempts = 0
"""
END_MESSAGES = """
UPDATE message SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'cancelled' END::message_status, ended_at = now()
WHERE status = 'pending' AND NOT EXISTS (SELECT FROM client WHERE client.id = client_id)
"""

# What it does when messages are retried.
TRY_AGAIN = """
UPDATE message SET status = 'pending', due_at = now(), ended_at = NULL, reason_code = NULL, reason_params = NULL,
    uncounted_attempts = attempts
WHERE mailing_id = %s AND status = 'failed'
"""
RUN_AGAIN = """
UPDATE mailing SET status = CASE status WHEN 'finished' THEN 'running' ELSE status END, ended_at = NULL,
    settled_at = NULL
WHERE id = %s
"""
COUNT_FAILED = "SELECT count(*) FROM message WHERE mailing_id = %s AND status = 'failed'"

QUICK = Settings(
    gateway_timeout=0.6,
    lease_seconds=1.0,
    poll_seconds=0.05,
    retry_base_seconds=0.1,
    retry_max_seconds=0.2,
    retry_after_max_seconds=0.3,
    stop_seconds=2.0,
    max_attempts=4,
    concurrency=4,
    launch_chunk=4,
)
"""For workers in a hurry (tests/chaos/mutants.py)."""

SETTINGS = {
    "pace": replace(QUICK, gateway_rate=60.0, lease_seconds=2.0),
    "change in hand": replace(QUICK, gateway_timeout=6.0, lease_seconds=12.0),
}
"""Of the scenes that are not played with QUICK. Slots are taken half a second ahead: the lease must allow for it. And
what waits for a slow gateway must be able to wait for longer than a change takes to reach it."""


class Scene:
    """Two workers that run one mutant, and a person who acts as the API does."""

    def __init__(self, stage: Stage, mutant: str, settings: Settings, patience: float) -> None:
        self.stage = stage
        self._settings = settings
        self.first, self.second = stage.make_workers(["-m", "tests.chaos.mutants", mutant, "--hurry"], settings)
        self.person = stage.connect(API)
        self._patience = patience
        self._tags = itertools.count(1)

    def start(self, *workers: Program) -> None:
        """Starts these workers; returns when they are at work."""
        for worker in workers:
            worker.start()
        for worker in workers:
            _until_at_work(worker)

    def add_mailing(self, messages: int, **given: Any) -> int:
        """A mailing whose time has come, to so many new clients of its own."""
        mark = self.add_audience(messages)
        with self.at_once() as connection:
            return add_mailing(connection, mark=mark, **given)

    def add_launched(self, messages: int, seconds: float, *, paused: bool = False, **given: Any) -> int:
        """A mailing that is launched already, whose messages become due one after another for so many seconds."""
        mark = self.add_audience(messages)
        with self.at_once() as connection:
            mailing_id = add_mailing(connection, mark=mark, **given)
            begin_launch(connection, mailing_id)
            execute(connection, LAUNCH, mailing_id, seconds / messages, mark)
            execute(
                connection, "UPDATE mailing SET launched_at = now(), audience = %s WHERE id = %s", messages, mailing_id
            )
            if paused:
                execute(connection, "UPDATE mailing SET status = 'paused' WHERE id = %s", mailing_id)
        return mailing_id

    def add_audience(self, clients: int) -> str:
        """So many new clients; answers their tag."""
        tag = f"tag {next(self._tags)}"
        add_clients(self.person, clients, tag=tag)
        return tag

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """A connection whose statements become visible together, at the end of the block."""
        with contextlib.closing(self.stage.connect(API)) as connection:
            connection.autocommit = False
            with connection:
                yield connection

    def set_status(self, mailing_id: int, status: str) -> None:
        """Pauses, resumes or cancels."""
        execute(self.person, SET_STATUS, status, status, mailing_id)

    def until_requests(self, count: int) -> None:
        """Waits until so many requests have come to the gateway, or as many as will ever come."""
        self.until(lambda: len(self.stage.requests()) >= count)

    def until(self, true: Callable[[], object]) -> None:
        """Waits until that is so, or everything has come to rest: a busy machine may have let the moment pass."""
        eventually(lambda: true() or not self._unsettled())

    def end(self) -> Facts:
        """Lets everything come to rest for a while, stops the workers, and gathers the facts."""
        deadline = time.monotonic() + self._patience
        workers = [worker for worker in (self.first, self.second) if worker.runs or worker.ended_by_itself is not None]
        while time.monotonic() < deadline and self._unsettled() and all(worker.runs for worker in workers):
            time.sleep(0.02)
        for worker in workers:
            if (status := worker.ended_by_itself) is not None:
                self.stage.note("died", worker.signature, f"exit status {status}")
        stop(self.stage, [worker for worker in workers if worker.runs])
        facts = gather(self.stage)
        facts.settings = self._settings
        return facts

    def close(self) -> None:
        """Ends whatever is left."""
        for worker in (self.first, self.second):
            worker.kill()
        self.person.close()

    def _unsettled(self) -> bool:
        with self.person.cursor() as cursor:
            cursor.execute(UNSETTLED)
            return cursor.fetchone() is not None


def rush(scene: Scene) -> None:
    """Both workers reach for the same messages, which somebody has locked for a moment; then there are many."""
    scene.start(scene.first, scene.second)
    mailing_id = scene.add_launched(8, 0.0, ends_in=60.0, paused=True)
    with scene.at_once() as connection:
        execute(connection, "SELECT FROM message FOR UPDATE")
        scene.set_status(mailing_id, "running")
        time.sleep(0.3)
    scene.add_mailing(80)


def stall(scene: Scene) -> None:
    """A worker hangs with requests in flight; another sends them again; the first one comes to, meanwhile."""
    scene.stage.gateway.faults(latency=0.5)
    scene.start(scene.first)
    scene.add_mailing(4)
    scene.until_requests(4)
    _freeze(scene, scene.first)
    scene.start(scene.second)
    scene.until_requests(8)
    _thaw(scene, scene.first)


def death(scene: Scene) -> None:
    """A worker dies with requests in flight, beside another one."""
    scene.stage.gateway.faults(latency=0.5)
    scene.start(scene.first, scene.second)
    _freeze(scene, scene.second)
    scene.add_mailing(4)
    scene.until_requests(4)
    _thaw(scene, scene.second)
    time.sleep(0.3)
    scene.stage.note("kill", scene.first.signature)
    scene.first.kill()
    scene.stage.gateway.faults()


def late_answer(scene: Scene) -> None:
    """A worker has its answers in hand and can't reach the database before its leases have run out."""
    scene.stage.gateway.faults(latency=0.3)
    scene.start(scene.first, scene.second)
    _freeze(scene, scene.second)
    scene.add_mailing(4, on_unknown="hold")
    scene.until_requests(4)
    scene.stage.proxies[0].swallow("questions")
    _thaw(scene, scene.second)
    scene.until(lambda: value(scene.person, "SELECT count(*) FROM attempt") == 4)
    scene.stage.proxies[0].mend()
    time.sleep(0.5)


def window(scene: Scene) -> None:
    """A window closes while messages wait in hand for a slow gateway, and while others become due."""
    scene.stage.gateway.faults(latency=1.2)
    scene.start(scene.first)
    scene.add_launched(40, 2.0, ends_in=1.0)


def change_in_hand(scene: Scene) -> None:
    """A mailing is cancelled, and another one's window ends, while messages wait in hand for a slow gateway."""
    scene.stage.gateway.faults(latency=3.0)
    scene.start(scene.first)
    cancelled, ended = (scene.add_launched(20, 0.0) for _ in range(2))
    scene.until_requests(4)
    scene.set_status(cancelled, "cancelled")
    execute(scene.person, "UPDATE mailing SET end_datetime = now() WHERE id = %s", ended)
    scene.stage.gateway.faults()


def pause(scene: Scene) -> None:
    """Two mailings are paused and cancelled while their messages become due."""
    scene.start(scene.first, scene.second)
    paused, cancelled = (scene.add_launched(40, 1.0) for _ in range(2))
    scene.until_requests(5)
    scene.set_status(paused, "paused")
    scene.set_status(cancelled, "cancelled")
    time.sleep(0.5)
    scene.set_status(paused, "running")


def retry(scene: Scene) -> None:
    """What failed is tried again while workers look whether its mailing is over."""
    scene.stage.gateway.faults(statuses={400: 1.0})
    scene.start(scene.first, scene.second)
    mailing_id = scene.add_launched(20, 0.1)
    scene.until(lambda: value(scene.person, COUNT_FAILED, mailing_id) == 20)
    scene.stage.gateway.faults()
    with scene.at_once() as connection:
        execute(connection, "SELECT FROM mailing WHERE id = %s FOR UPDATE", mailing_id)
        execute(connection, TRY_AGAIN, mailing_id)
        execute(connection, RUN_AGAIN, mailing_id)
        time.sleep(0.6)  # longer than an maintenance's round


def mixed_answers(scene: Scene) -> None:
    """The gateway refuses, garbles and breaks off; between the attempts the text is edited, and some clients leave."""
    scene.stage.gateway.faults(
        bodies={"refused": 0.25, "garbage": 0.1},
        reset_before_accept=0.25,
        reset_after_accept=0.2,
        statuses={429: 0.1},
        retry_after="1",
        latency=0.1,
        seed=7,
    )
    scene.start(scene.first, scene.second)
    mailings = [scene.add_mailing(25), scene.add_mailing(12, on_unknown="hold")]
    scene.until_requests(10)
    for mailing_id in mailings:
        with scene.at_once() as connection:
            revise_text(connection, mailing_id, "Another text")
    with scene.at_once() as connection:
        execute(connection, "DELETE FROM client WHERE id %% 2 = 0")
        execute(connection, END_MESSAGES)
    time.sleep(0.3)


def launch(scene: Scene) -> None:
    """A launch in several chunks is held up while somebody joins the directory."""
    scene.start(scene.first, scene.second)
    clients = add_clients(scene.person, 14, tag="crowd")
    with scene.at_once() as connection:
        execute(connection, "SELECT FROM client WHERE id = %s FOR UPDATE", clients[6])
        with scene.at_once() as another:
            mailing_id = add_mailing(another, mark="crowd")
        eventually(lambda: value(scene.person, "SELECT audience FROM mailing WHERE id = %s", mailing_id))
        add_clients(scene.person, 3, tag="crowd")


def stop_in_flight(scene: Scene) -> None:
    """A worker is asked to stop while requests are on their way and others wait, the text and the phone numbers of
    which people have just changed; then another one starts.
    """
    scene.stage.gateway.faults(latency=0.5)
    scene.start(scene.first)
    mailing_id = scene.add_mailing(12)
    scene.until(
        lambda: value(scene.person, "SELECT count(*) FROM message WHERE status = 'sending'") > QUICK.concurrency
    )
    with scene.at_once() as connection:
        revise_text(connection, mailing_id, "Another text")
        execute(connection, "UPDATE client SET phone_number = phone_number + 1000")
        execute(connection, GIVE_NEW_PHONES)
    scene.first.terminate()
    scene.stage.note("exit", scene.first.signature, str(scene.first.wait(10)))
    scene.start(scene.second)


def keep_pace(scene: Scene) -> None:
    """The whole fleet may send so many messages a second, and there is more to send than that."""
    scene.start(scene.first, scene.second)
    scene.add_mailing(150)


SCENES: dict[str, Callable[[Scene], None]] = {
    "rush": rush,
    "stall": stall,
    "death": death,
    "late answer": late_answer,
    "window": window,
    "change in hand": change_in_hand,
    "pause": pause,
    "retry": retry,
    "answers": mixed_answers,
    "launch": launch,
    "stop": stop_in_flight,
    "pace": keep_pace,
}
"""By name."""


def play(stage: Stage, name: str, mutant: str, patience: float) -> tuple[Facts, list[Violation]]:
    """Plays a scene on an emptied stage, watched, for so many seconds at the most, and judges it."""
    stage.forget()
    observer = Observer(stage.connect)
    observer.start()
    scene = Scene(stage, mutant, SETTINGS.get(name, QUICK), patience)
    try:
        SCENES[name](scene)
        facts = scene.end()
    finally:
        scene.close()
        observer.stop()
    facts.samples, facts.looks = observer.samples, observer.looks
    return facts, check(facts)


def _until_at_work(worker: Program) -> None:
    eventually(lambda: worker.has_started or not worker.runs)


def _freeze(scene: Scene, worker: Program) -> None:
    scene.stage.note("stop", worker.signature)
    worker.freeze()


def _thaw(scene: Scene, worker: Program) -> None:
    scene.stage.note("continue", worker.signature)
    worker.thaw()
