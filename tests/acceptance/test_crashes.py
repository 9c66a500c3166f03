"""Workers that die or stand still at the worst moments: real processes, ended by SIGKILL or held by SIGSTOP."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from random import Random

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet, WorkerProcess
from tests.acceptance.worker_process import disagreements
from tests.factories import (
    FIRST_PHONE,
    add_running_mailing,
    attempts_of,
    counted,
    execute,
    expire_leases,
    mailing,
    message,
    message_counts,
    rows,
    value,
)
from tests.integration.worker.leases import reclaim
from tests.long_variations import few_of
from tests.raw_server import Peer, RawServer, response
from tests.waiting import PATIENCE, eventually
from worker.attempt_decision import Retries
from worker.database import Database
from worker.queue import Queue

LOST = ("ambiguous", None)
"""The result and the code of an attempt whose worker recorded none."""

ACCEPTED = ("accepted", "200")


def start_until_crash(fleet: Fleet, moment: str, phones: str = "any", **settings: str | float) -> WorkerProcess:
    """A worker that has got to one of these phones, and died of it."""
    worker = fleet.start("tests.crashing_worker", CRASH_PHONES=phones, CRASH_MOMENT=moment, **settings)
    eventually(lambda: worker.status is not None)
    assert worker.status == -signal.SIGKILL
    return worker


def results(connection: Connection, message_id: int) -> list[tuple[str, str | None]]:
    return [(attempt["result"], attempt["provider_code"]) for attempt in attempts_of(connection, message_id)]


def expire_leases_twice(connection: Connection, url: str, messages: int) -> None:
    """Two workers one after the other claim so many messages, and die."""
    database = Database(url, threading.Event(), "gonets test")
    queue = Queue(
        database,
        worker="victim",
        lease_seconds=30.0,
        request_timeout=10.0,
        retries=Retries(10, base=0.0, cap=1.0),
        random=Random(1),
    )
    for _ in range(2):
        assert len(queue.claim(messages)) == messages
        expire_leases(connection)
        assert reclaim(queue) == messages
    database.close()


def expire_leases_of(connection: Connection, worker: WorkerProcess) -> None:
    """Lets the time of the leases of a dead worker pass, and of no other."""
    names = [json.loads(line)["worker"] for line in worker.said().splitlines() if '"worker.started"' in line]
    execute(connection, "UPDATE claim SET lease_until = now() - interval '1 s' WHERE worker = %s", names[-1])


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def ambiguous_attempts(connection: Connection) -> list[tuple[int, int]]:
    """The messages with such attempts, and how many each has."""
    return rows(connection, "SELECT message_id, count(*) FROM attempt WHERE result = 'ambiguous' GROUP BY 1")


def in_state(connection: Connection, status: str) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = %s", status))


def test_a_crash_before_the_send_costs_an_attempt_and_the_message_is_delivered_once(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection)
    start_until_crash(fleet, "before the send")
    assert message(connection, 1)["status"] == "sending"
    expire_leases(connection)

    fleet.start()

    eventually(lambda: settled(connection, mailing_id))
    assert message(connection, 1)["status"] == "sent"
    assert results(connection, 1) == [LOST, ACCEPTED]
    assert (gateway.summary().accepted, gateway.summary().repeats) == (1, 0)


def test_after_a_crash_between_accept_and_record_the_repeat_has_the_same_id_and_the_same_body(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection, text="Привет")
    start_until_crash(fleet, "after the answer")
    expire_leases(connection)

    fleet.start()

    eventually(lambda: settled(connection, mailing_id))
    assert message(connection, 1)["status"] == "sent"
    assert results(connection, 1) == [LOST, ACCEPTED]
    first, second = gateway.ledger_of(1)
    assert first.body_hash == second.body_hash


@pytest.mark.parametrize("moment", few_of(["before the send", "after the answer"], "after the answer"))
def test_a_mailing_that_holds_repeats_nothing_after_a_crash(
    moment: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection, on_unknown="hold")
    start_until_crash(fleet, moment)
    expire_leases(connection)

    fleet.start()

    eventually(lambda: settled(connection, mailing_id))
    assert message(connection, 1)["status"] == "unknown"
    assert results(connection, 1) == [LOST]
    assert gateway.summary().accepted == (moment == "after the answer")


def test_a_worker_that_was_frozen_for_longer_than_its_lease_sends_nothing_afterwards(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    # A minute or seven seconds: what matters is that it wakes when its requests may no longer start, which is
    # GATEWAY_TIMEOUT before the lease ends, and when its leases are no longer its own.
    gateway.faults(latency=0.4)
    mailing_id = add_running_mailing(connection, 60)
    sleeper = fleet.start(LEASE_SECONDS=16, GATEWAY_TIMEOUT=10)
    eventually(lambda: gateway.summary().in_flight == 4)
    sleeper.freeze()
    gateway.faults()

    time.sleep(7)
    # By now the database and the gateway have read what it sent before.
    held = {id_ for (id_,) in rows(connection, "SELECT id FROM message WHERE status = 'sending'")}
    begun = {entry.id for entry in gateway.ledger()}
    expire_leases(connection)
    rescuer = fleet.start()
    eventually(lambda: settled(connection, mailing_id))
    sleeper.thaw()
    eventually(lambda: in_state(connection, "sending") == 0)
    assert [rescuer.stop(), sleeper.stop()] == [0, 0]

    assert held
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 60}
    # What was in flight when it was frozen may have been delivered, and was repeated; it submitted nothing afterwards.
    sent = Counter(entry.id for entry in gateway.ledger())
    assert set(sent) == {id_ for (id_,) in rows(connection, "SELECT id FROM message")}
    assert {id_ for id_, times in sent.items() if times > 1} <= begun & held
    assert max(sent.values()) <= 2
    assert all(len({entry.body_hash for entry in gateway.ledger_of(id_)}) == 1 for id_ in held)
    assert value(connection, "SELECT count(*) FROM attempt WHERE result = 'ambiguous'") == len(held)


@pytest.mark.parametrize("first_to_answer", few_of(["the late worker", "the rescuer"], "the late worker"))
def test_a_late_success_is_recorded_although_another_worker_sends_the_message_again(
    first_to_answer: str, connection: Connection, fleet: Fleet
) -> None:
    may_answer = [threading.Event(), threading.Event()]
    in_turn = iter(may_answer)

    def serve(peer: Peer) -> None:
        while peer.read_request():
            next(in_turn).wait(PATIENCE)
            peer.send(response())

    mailing_id = add_running_mailing(connection)
    with RawServer(serve) as server:
        long: dict[str, str | float] = {"GATEWAY_URL": server.url, "GATEWAY_TIMEOUT": 100, "LEASE_SECONDS": 300}
        fleet.start(**long, WORKER_POLL_SECONDS=60)
        eventually(lambda: len(server.requests) == 1)
        # The lease ends while the request runs, and the second worker sends the message again.
        expire_leases(connection)
        fleet.start(**long)
        eventually(lambda: len(server.requests) == 2)
        for answer in may_answer if first_to_answer == "the late worker" else reversed(may_answer):
            answer.set()
            eventually(lambda: message(connection, 1)["status"] == "sent")
        eventually(lambda: settled(connection, mailing_id))
        eventually(lambda: [one["duration"] is not None for one in attempts_of(connection, 1)] == [True, True])
    late, rescuing = attempts_of(connection, 1)

    assert message(connection, 1)["status"] == "sent"
    assert (late["result"], late["provider_code"]) == ("ambiguous", "200")
    assert late["reason_params"] == {"late_result": "accepted"}
    # The late success took the message out of the rescuer's hands, and wrote down that a request was under way there.
    overtaken = first_to_answer == "the late worker"
    assert (rescuing["result"], rescuing["provider_code"]) == (("ambiguous", "200") if overtaken else ACCEPTED)
    first, second = server.requests
    assert first.body == second.body


def test_a_message_that_crashes_its_worker_every_time_ends_and_all_others_are_delivered(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection, 100)
    gateway.faults(latency=0.02)
    crash_phone = FIRST_PHONE + 20
    worker = fleet.start(
        "tests.crashing_worker",
        CRASH_PHONES=crash_phone,
        CRASH_MOMENT="before the send",
        MAX_ATTEMPTS=4,
    )
    deaths = 0
    while not settled(connection, mailing_id):
        if worker.status is not None:  # a supervisor starts it again, and time passes
            assert worker.status == -signal.SIGKILL
            deaths += 1
            expire_leases(connection)
            worker.start()
        time.sleep(0.02)

    assert deaths == 4
    assert rows(connection, "SELECT phone_number, attempts FROM message WHERE status <> 'sent'") == [(crash_phone, 4)]
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 99, "unknown": 1}
    # What was in flight when it crashed was in doubt too. After the second crash it is sent alone.
    assert max((times for _, times in ambiguous_attempts(connection) if times < 4), default=0) <= 2
    assert disagreements(connection, gateway) == []


@pytest.mark.parametrize("workers", few_of([1, 2], 2))
def test_a_hundred_poison_messages_delay_no_other_mailing_and_are_sent(
    workers: int, connection: Connection, clean_database: str, gateway: SandboxGateway, fleet: Fleet
) -> None:
    poison_mailing = add_running_mailing(connection, 100)
    expire_leases_twice(connection, clean_database, 100)
    other = add_running_mailing(connection, 1_000)
    # A turn of one second has no more than five of the hundred, however long the others take.
    gateway.faults(latency=0.2, only_phones=[FIRST_PHONE + number for number in range(1, 101)])

    for _ in range(workers):
        fleet.start(WORKER_CONCURRENCY=16)

    eventually(lambda: settled(connection, other))
    gateway.faults()
    order = [entry.id <= 100 for entry in gateway.ledger()]
    # Nobody else's message was held up: they were all sent while most of the hundred waited.
    assert order.count(False) == 1_000
    until_the_last_other = order[: len(order) - order[::-1].index(False)]
    assert sum(until_the_last_other) < 50
    eventually(lambda: settled(connection, poison_mailing), within=4 * PATIENCE)
    assert counted(connection, poison_mailing) == message_counts(connection, poison_mailing) == {"sent": 100}
    assert gateway.summary().repeats == 0
    assert disagreements(connection, gateway) == []


def test_a_message_that_crashes_its_worker_does_so_to_a_hundred_others_once_at_most(
    connection: Connection, clean_database: str, gateway: SandboxGateway, fleet: Fleet
) -> None:
    poison_mailing = add_running_mailing(connection, 100)
    expire_leases_twice(connection, clean_database, 100)
    other = add_running_mailing(connection, 1_000)
    crash_phone = FIRST_PHONE + 20
    workers = [
        fleet.start(
            "tests.crashing_worker",
            CRASH_PHONES=crash_phone,
            CRASH_MOMENT="before the send",
            MAX_ATTEMPTS=4,
        )
        for _ in range(2)
    ]

    deaths = 0
    while not (settled(connection, poison_mailing) and settled(connection, other)):
        for worker in workers:
            if worker.status is not None:  # a supervisor starts it again, and time passes
                assert worker.status == -signal.SIGKILL
                deaths += 1
                expire_leases_of(connection, worker)
                worker.start()
        time.sleep(0.02)

    assert deaths == 2
    assert counted(connection, other) == message_counts(connection, other) == {"sent": 1_000}
    assert (
        counted(connection, poison_mailing) == message_counts(connection, poison_mailing) == {"sent": 99, "unknown": 1}
    )
    assert dict(ambiguous_attempts(connection)) == {number: 4 if number == 20 else 2 for number in range(1, 101)}
    assert disagreements(connection, gateway) == []
