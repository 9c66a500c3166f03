"""Rows that the code cannot deal with, among a thousand good ones."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import Account, OutgoingMessage, Submission, SubmitResult
from shared.gateways.gonets import GonetsAdapter
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_messages,
    add_running_mailing,
    counted,
    execute,
    expire_leases,
    mailing,
    message,
    message_counts,
    rows,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.raw_server import RawServer, always, response
from tests.waiting import PATIENCE, eventually, in_background
from worker.attempt_decision import Retries
from worker.claimed_message import DEFAULT
from worker.database import Database
from worker.gateway_token import Token, TokenCredentials
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender
from worker.lanes.lane import Lane
from worker.lanes.lane_set import LaneSet
from worker.loop import WorkerLoop
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.thread import MaintenanceThread
from worker.queue import Queue
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter

BAD_PHONE = FIRST_PHONE + 500


class AdapterWithABug(GonetsAdapter):
    """Cannot prepare a message to one phone number."""

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        if message.phone_number == BAD_PHONE:
            raise ZeroDivisionError(f"{message.text} to {message.phone_number}")
        return super().prepare(message)


@contextmanager
def at_work(database: Database, maintenance_database: Database, url: str) -> Iterator[None]:
    """A worker at work whose adapter has a bug."""
    token = Token("token")
    account = Account(address=url, credentials=TokenCredentials(token))
    client = GatewayClient(url, AdapterWithABug(account), connect_timeout=5, timeout=5, retry_after_cap=1)
    stop, wake = threading.Event(), threading.Event()
    retries = Retries(3, base=0.01, cap=0.01)

    def queue_on(database: Database) -> Queue:
        return Queue(database, worker="w", lease_seconds=60, request_timeout=5, retries=retries, random=Random(1))

    lane = Lane(
        gateway=DEFAULT,
        queue=queue_on(database),
        sender=HttpSender(client, 2, wake),
        breaker=CircuitBreaker(2, Random(1)),
        token=token,
    )
    loop = WorkerLoop(
        database=database,
        lanes=LaneSet(database, lambda gateway: {"default": lane}.get(gateway.name)),
        maintenance=MaintenanceThread(
            database=maintenance_database,
            lease_reclaimer=LeaseReclaimer(
                maintenance_database, queue_on(maintenance_database).recorder, lease_seconds=60
            ),
            maintenance=Maintenance(maintenance_database, launch_chunk=1000),
            stop=stop,
            on_work_found=wake.set,
            metrics=Metrics("w"),
            poll_seconds=0.1,
        ),
        reporter=StatusReporter(database, "w"),
        metrics=Metrics("w"),
        stop=stop,
        wake=wake,
        poll_seconds=0.1,
        stop_seconds=5,
        heartbeat=lambda: None,
    )
    running = in_background(loop.run)
    yield
    stop.set()
    wake.set()
    running.result(PATIENCE)


def test_a_message_that_raises_an_exception_does_not_delay_a_thousand_others(
    connection: Connection, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    mailing_id = add_running_mailing(connection, 1001, text="a secret")

    with RawServer(always(response())) as server, at_work(open_database(), open_database(), server.url):
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 1000, "unknown": 1}
    assert rows(
        connection, "SELECT phone_number, attempts, reason_code, reason_params FROM message WHERE status = 'unknown'"
    ) == [(BAD_PHONE, 3, "internal_error", {"words": "ZeroDivisionError"})]
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in told] == ["attempt.internal_error"] * 3
    assert "raise ZeroDivisionError" in vars(told[0])["where"]
    assert "a secret" not in str([vars(record) for record in told])


def test_a_result_that_the_database_rejects_does_not_delay_a_thousand_others(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 1001)
    claimed = queue.claim(1001)

    queue.record(
        [answer(one, "accepted", code="nul \x00" if one.phone_number == BAD_PHONE else "200") for one in claimed]
    )

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 1000, "sending": 1}
    expire_leases(connection)
    assert reclaim(queue) == 1
    assert counted(connection, mailing_id) == {"sent": 1000, "pending": 1}


def test_a_batch_that_somebody_holds_on_to_is_passed_over(
    connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 1001)
    holder = connect()
    holder.autocommit = False
    [(held,)] = rows(holder, "SELECT message_ids FROM queue_batch WHERE message_ids @> ARRAY[500::bigint] FOR UPDATE")

    claimed = in_background(lambda: queue.claim(1001)).result(PATIENCE)

    assert held == list(range(401, 601))
    assert sorted(one.message_id for one in claimed) == [number for number in range(1, 1002) if number not in held]


def test_what_is_made_pending_by_hand_comes_before_what_became_due_later(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 100)
    add_messages(connection, mailing_id, 10)
    queue.claim(60)
    execute(connection, "UPDATE message SET status = 'pending', attempts = 0 WHERE id = 1")

    assert sorted(one.message_id for one in queue.claim(41)) == [1, *range(61, 101)]


def test_what_a_worker_itself_releases_comes_before_what_became_due_later(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 100)
    add_messages(connection, mailing_id, 10)
    claimed = queue.claim(60)
    queue.release([one for one in claimed if one.message_id <= 2])

    assert sorted(one.message_id for one in queue.claim(42)) == [1, 2, *range(61, 101)]


def test_messages_whose_text_is_gone_end_and_delay_no_others(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    without_text = add_running_mailing(connection, 2)
    first = open_queue("first")
    first.record([answer(one, "ambiguous") for one in first.claim(1)])
    other = add_running_mailing(connection, 2)
    execute(connection, "DELETE FROM mailing_text WHERE mailing_id = %s", without_text)

    claimed = open_queue("second").claim(10)

    assert [one.mailing_id for one in claimed] == [other, other]
    assert counted(connection, without_text) == message_counts(connection, without_text) == {"unknown": 1, "failed": 1}
    assert message(connection, 2)["reason_code"] == "text_missing"
    assert caplog.messages.count("message.text_missing") == 2
