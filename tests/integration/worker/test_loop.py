"""The loop: a whole worker in a thread, against a real database and the simulated gateway."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.results import Result
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    change_mailing,
    counted,
    lease,
    mailing,
    rows,
    value,
)
from tests.gateway_accounts import gonets_adapter
from tests.gateway_times import gateway_stalls
from tests.ports import free_port
from tests.raw_server import Peer, RawServer, response
from tests.submit_results import submitted
from tests.waiting import PATIENCE, eventually, in_background
from worker.attempt_decision import Retries
from worker.claimed_message import DEFAULT, ClaimedMessage
from worker.database import Database
from worker.gateway_token import Token
from worker.lanes.circuit_breaker import ACCOUNT_REFUSAL_THRESHOLD, CircuitBreaker
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender
from worker.lanes.lane import Lane
from worker.lanes.lane_set import LaneSet
from worker.loop import WorkerLoop
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import RECLAIM_LIMIT, LeaseReclaimer
from worker.maintenance.thread import MaintenanceThread
from worker.queue import Queue
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter

LONG = 1000.0
"""Seconds between polls that no test waits for: what happens, happens for another reason."""


@dataclass
class Running:
    """A worker at work."""

    stop_asked: threading.Event
    wake: threading.Event
    ended: Future[None]
    ticks: list[float] = field(default_factory=list)

    def stop(self) -> None:
        """Asks it to stop, and waits until it has."""
        self.stop_asked.set()
        self.wake.set()
        self.ended.result(PATIENCE)


Run = Callable[..., Running]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token="sandbox") as gateway:
        yield gateway


@pytest.fixture
def gateway(sandbox: SandboxGateway) -> SandboxGateway:
    sandbox.wait_until_up()
    eventually(lambda: sandbox.summary().in_flight == 0)
    sandbox.clear()
    return sandbox


@pytest.fixture
def run(clean_database: str, gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs workers; they are stopped at the end."""
    monkeypatch.setattr("worker.telemetry.status_reporter.REPORT_INTERVAL", LONG)
    running: list[Running] = []

    def start(
        *,
        concurrency: int = 4,
        poll_seconds: float = LONG,
        stop_seconds: float = 10.0,
        timeout: float = 5.0,
        token: Token | None = None,
        url: str = gateway.url,
        maintenance: type[Maintenance] | None = None,
        sender: type[HttpSender] = HttpSender,
    ) -> Running:
        stop, wake = threading.Event(), threading.Event()
        database = Database(clean_database, stop, "gonets test")
        token = token or Token(gateway.token)
        client = GatewayClient(url, gonets_adapter(token), connect_timeout=1, timeout=timeout, retry_after_cap=60)
        ticks: list[float] = []
        breaker = CircuitBreaker(concurrency, Random(1))
        breaker.record(submitted(Result.ACCEPTED, 200), time.monotonic())  # else the first message would go alone

        def queue_on(database: Database) -> Queue:
            return Queue(
                database,
                worker=f"worker {len(running)}",
                lease_seconds=timeout + 20,
                request_timeout=timeout,
                retries=Retries(10, base=0.05, cap=0.05),
                random=Random(1),
            )

        maintenance_database = Database(clean_database, stop, "gonets test maintenance")
        recorder = queue_on(maintenance_database).recorder
        maintenance_thread = MaintenanceThread(
            database=maintenance_database,
            lease_reclaimer=LeaseReclaimer(maintenance_database, recorder, lease_seconds=timeout + 20),
            maintenance=(maintenance or Maintenance)(maintenance_database, launch_chunk=100),
            stop=stop,
            on_work_found=wake.set,
            metrics=Metrics("w"),
            poll_seconds=poll_seconds,
        )
        lane = Lane(
            gateway=DEFAULT,
            queue=queue_on(database),
            sender=sender(client, concurrency, wake),
            breaker=breaker,
            token=token,
        )
        loop = WorkerLoop(
            database=database,
            lanes=LaneSet(database, lambda gateway: {"default": lane}.get(gateway.name)),
            maintenance=maintenance_thread,
            reporter=StatusReporter(database, "w"),
            metrics=Metrics("w"),
            stop=stop,
            wake=wake,
            poll_seconds=poll_seconds,
            stop_seconds=stop_seconds,
            heartbeat=lambda: ticks.append(time.monotonic()),
        )
        running.append(Running(stop, wake, in_background(loop.run), ticks))
        return running[-1]

    yield start
    for worker in running:
        worker.stop()


def messages(connection: Connection, status: str) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = %s", status))


def test_a_worker_with_nothing_to_do_waits(run: Run) -> None:
    worker = run()
    eventually(lambda: worker.ticks)
    worker.wake.set()
    time.sleep(0.3)

    assert len(worker.ticks) <= 3


def counted_in(rounds: list[bool]) -> type[Maintenance]:
    """Maintenance whose rounds are added to the list."""

    class CountedMaintenance(Maintenance):
        def run(self) -> bool:
            rounds.append(super().run())
            return rounds[-1]

    return CountedMaintenance


def test_after_messages_were_sent_maintenance_waits_for_the_next_poll_again(
    connection: Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.thread.ROUND_SECONDS", 0.0)
    mailing_id = add_running_mailing(connection, 1)
    rounds: list[bool] = []
    run(maintenance=counted_in(rounds))
    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    before = len(rounds)
    time.sleep(0.3)

    assert len(rounds) <= before + 3


def test_an_idle_worker_looks_again_at_every_poll(
    connection: Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.thread.ROUND_SECONDS", 0.05)
    rounds: list[bool] = []
    worker = run(poll_seconds=0.05, maintenance=counted_in(rounds))
    eventually(lambda: len(worker.ticks) > 2 and len(rounds) > 2)

    add_running_mailing(connection, 1)

    eventually(lambda: messages(connection, "sent") == 1)


def test_a_mailing_goes_from_its_start_to_its_end_without_waiting_for_a_poll(
    connection: Connection, gateway: SandboxGateway, run: Run
) -> None:
    add_clients(connection, 250)
    mailing_id = add_mailing(connection, text="Привет")

    run(concurrency=4)

    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    assert counted(connection, mailing_id) == {"sent": 250}
    assert mailing(connection, mailing_id)["status"] == "finished"
    accepted = {(entry.id, entry.phone) for entry in gateway.ledger()}
    assert accepted == set(rows(connection, "SELECT id, phone_number FROM message"))
    assert gateway.summary().repeats == 0


def test_the_start_of_a_mailing_is_noticed_without_waiting_for_a_poll(connection: Connection, run: Run) -> None:
    rounds: list[bool] = []
    add_clients(connection, 1)
    run(maintenance=counted_in(rounds))
    eventually(lambda: rounds)

    add_mailing(connection)

    eventually(lambda: messages(connection, "sent") == 1)


def test_the_start_of_a_mailing_is_noticed_between_two_rounds_of_maintenance(
    connection: Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.thread.ROUND_SECONDS", 10 * PATIENCE)
    add_running_mailing(connection, 1)
    add_clients(connection, 1)
    run()
    eventually(lambda: messages(connection, "sent") == 1)
    time.sleep(0.5)  # the rounds that follow at once have ended, and the next one is long after them

    add_mailing(connection)

    eventually(lambda: messages(connection, "sent") == 2)


def test_the_last_result_is_recorded_without_waiting_for_more(
    connection: Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.loop.SHORT_BATCH_DELAY_SECONDS", 10 * PATIENCE)
    add_running_mailing(connection, 1)

    run()

    eventually(lambda: messages(connection, "sent") == 1)


def test_a_result_wakes_a_worker_that_is_at_its_limit(
    connection: Connection, gateway: SandboxGateway, run: Run
) -> None:
    gateway.faults(latency=0.02)
    add_running_mailing(connection, 30)

    run(concurrency=1)

    eventually(lambda: messages(connection, "sent") == 30)
    assert gateway.summary().max_in_flight == 1


@dataclass
class SlowGateway:
    """Answers nothing until it may."""

    server: RawServer
    may_answer: threading.Event

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def slow() -> Iterator[SlowGateway]:
    may_answer = threading.Event()

    def answer_late(peer: Peer) -> None:
        while peer.read_request():
            may_answer.wait(2 * PATIENCE)
            peer.send(response())

    with RawServer(answer_late) as server:
        yield SlowGateway(server, may_answer)
        may_answer.set()


def test_as_many_are_in_flight_as_the_concurrency_allows(connection: Connection, slow: SlowGateway, run: Run) -> None:
    add_running_mailing(connection, 16)

    run(concurrency=8, url=slow.server.url, timeout=PATIENCE)

    eventually(lambda: slow.asked == 8 and messages(connection, "sending") == 16)
    slow.may_answer.set()
    eventually(lambda: messages(connection, "sent") == 16)
    assert slow.server.most_at_once == 8


def test_a_stop_finishes_what_is_in_flight_and_releases_the_rest(
    connection: Connection, slow: SlowGateway, run: Run
) -> None:
    add_running_mailing(connection, 20)
    worker = run(concurrency=3, url=slow.server.url, timeout=PATIENCE, stop_seconds=PATIENCE)
    eventually(lambda: slow.asked == 3 and messages(connection, "sending") == 6)

    stopped = in_background(worker.stop)
    eventually(lambda: messages(connection, "sending") == 3)
    slow.may_answer.set()
    stopped.result(PATIENCE)

    assert slow.asked == messages(connection, "sent") == 3
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") == 17


def test_a_stop_does_not_wait_longer_than_it_may(
    connection: Connection, slow: SlowGateway, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 5)
    worker = run(concurrency=1, url=slow.server.url, timeout=PATIENCE, stop_seconds=0.2)
    eventually(lambda: slow.asked == 1)

    worker.stop()

    assert messages(connection, "sending") == 1
    assert [vars(one)["messages"] for one in caplog.records if one.message == "worker.stopped_in_flight"] == [1]
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") == 4


def test_a_pause_leaves_unclaimed_messages_alone(connection: Connection, gateway: SandboxGateway, run: Run) -> None:
    gateway.faults(latency=0.05)
    mailing_id = add_running_mailing(connection, 200)
    run(concurrency=2)
    eventually(lambda: messages(connection, "sent") >= 5)

    change_mailing(connection, mailing_id, "status = 'paused'")
    claimed = 200 - messages(connection, "pending")

    # All that was claimed is sent, or released if its turn did not come soon enough.
    eventually(lambda: messages(connection, "sending") == 0)
    assert gateway.summary().accepted == messages(connection, "sent") <= claimed
    assert value(connection, "SELECT count(*) FROM message WHERE attempts > 0") <= claimed < 200


def test_a_pause_releases_what_waits_behind_a_request_without_an_answer(
    connection: Connection, slow: SlowGateway, run: Run
) -> None:
    mailing_id = add_running_mailing(connection, 5)
    worker = run(concurrency=1, url=slow.server.url, timeout=PATIENCE)
    eventually(lambda: slow.asked and messages(connection, "sending") > 1)
    change_mailing(connection, mailing_id, "status = 'paused'")

    eventually(lambda: messages(connection, "sending") == 1)

    slow.may_answer.set()
    worker.stop()


def test_nothing_starts_after_the_window_has_closed(connection: Connection, gateway: SandboxGateway, run: Run) -> None:
    gateway.faults(latency=0.3)
    worker = run(concurrency=2, poll_seconds=0.1)
    eventually(lambda: worker.ticks)
    mailing_id = add_running_mailing(connection, 60, ends_in=3.0)
    end = value(connection, "SELECT extract(epoch FROM end_datetime)::float8 FROM mailing")

    with gateway_stalls(gateway) as stalls:
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    sent = counted(connection, mailing_id).get("sent", 0)
    assert counted(connection, mailing_id) == {"sent": sent, "expired": 60 - sent}
    assert sent == gateway.summary().accepted > 0
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'expired' AND attempts > 0") == 0
    # Both clocks are this machine's; what lies between them is one connection on the loopback, and the gateway's turn.
    assert max(entry.started_at for entry in gateway.ledger()) < end + 0.1 + max(stalls)


def test_a_failing_gateway_gets_no_requests_but_a_probe_of_one_message(
    connection: Connection, gateway: SandboxGateway, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gateway.faults(statuses={"500": 1.0})
    add_running_mailing(connection, 100)
    run(concurrency=4, timeout=2.0, poll_seconds=0.1)
    eventually(lambda: "circuit_breaker.opened" in caplog.messages)
    eventually(lambda: messages(connection, "sending") == 0)
    gateway.faults(hang=1.0)
    gateway.forget()

    # What had been claimed and not begun has been given back, as if it had not been claimed.
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0") >= 80
    # One that is caught between two probes is followed by another.
    eventually(lambda: (gateway.summary().in_flight, messages(connection, "sending")) == (1, 1))
    assert gateway.summary().max_in_flight == 1

    gateway.faults()
    eventually(lambda: messages(connection, "sent") == 100)
    assert {"attempt.failed", "circuit_breaker.closed"} <= set(caplog.messages)


def test_a_probe_that_came_too_late_to_be_sent_is_followed_by_another(
    connection: Connection, gateway: SandboxGateway, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    stall, late = threading.Event(), threading.Event()

    class Stalling(HttpSender):
        def submit(self, deliveries: Iterable[ClaimedMessage]) -> None:
            submitted = list(deliveries)
            if stall.is_set() and not late.is_set():
                submitted = [replace(one, start_by=0.0) for one in submitted]
                late.set()
            super().submit(submitted)

    gateway.faults(statuses={"500": 1.0})
    add_running_mailing(connection, 30)
    run(sender=Stalling, poll_seconds=0.1)
    eventually(lambda: "circuit_breaker.opened" in caplog.messages)
    gateway.faults()
    stall.set()

    assert late.wait(PATIENCE)
    eventually(lambda: messages(connection, "sent") == 30)


def test_when_the_gateway_refuses_us_what_is_claimed_and_not_begun_is_released_at_once(
    connection: Connection, run: Run
) -> None:
    numbers, let_go = itertools.count(1), threading.Event()

    def answer_the_first_ones_only(peer: Peer) -> None:
        while peer.read_request():
            if next(numbers) > ACCOUNT_REFUSAL_THRESHOLD:
                let_go.wait(PATIENCE)
            peer.send(response("401 Unauthorized"))

    add_running_mailing(connection, 20)
    with RawServer(answer_the_first_ones_only) as server:
        worker = run(concurrency=4, url=server.url)
        # Four requests wait for their answers: they may have begun before those of the first ones were understood.
        refused = "SELECT count(*) FROM attempt WHERE result = 'misconfigured'"
        eventually(lambda: value(connection, refused) == ACCOUNT_REFUSAL_THRESHOLD)
        eventually(lambda: messages(connection, "sending") == len(server.requests) - ACCOUNT_REFUSAL_THRESHOLD)
        begun = len(server.requests)
        given_back = value(connection, "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 0")
        let_go.set()
        worker.stop()

    assert given_back == 20 - begun
    assert len(server.requests) == begun <= ACCOUNT_REFUSAL_THRESHOLD + 4


def test_a_gateway_that_is_down_costs_no_message_an_attempt_and_leaves_no_doubt(
    connection: Connection, run: Run
) -> None:
    port = free_port()
    worker = run(poll_seconds=0.1, url=f"http://127.0.0.1:{port}")
    add_running_mailing(connection, 50)
    eventually(lambda: value(connection, "SELECT count(*) FROM attempt WHERE result = 'unreachable'"))

    with SandboxGateway.start(token="sandbox", port=port) as gateway:
        eventually(lambda: messages(connection, "sent") == 50)
        assert gateway.summary().repeats == 0
        worker.stop()
    assert value(connection, "SELECT count(*) FROM message WHERE in_doubt OR attempts - uncounted_attempts <> 1") == 0
    assert {result for (result,) in rows(connection, "SELECT result FROM attempt")} == {"unreachable", "accepted"}


def test_a_gateway_that_throttles_gets_fewer_requests_and_every_message_is_delivered(
    connection: Connection, gateway: SandboxGateway, run: Run
) -> None:
    gateway.faults(statuses={"429": 0.3}, retry_after="0", seed=1)
    add_running_mailing(connection, 60)

    run(poll_seconds=0.1)

    eventually(lambda: messages(connection, "sent") == 60)
    assert gateway.summary().repeats == 0
    assert value(connection, "SELECT count(*) FROM message WHERE attempts - uncounted_attempts <> 1") == 0
    assert gateway.summary().by_status["429"] == value(
        connection, "SELECT count(*) FROM attempt WHERE result = 'throttled'"
    )


def test_a_token_that_is_refused_stops_everything_until_its_file_changes(
    connection: Connection, gateway: SandboxGateway, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "token"
    file.write_text("an-old-one")
    add_running_mailing(connection, 50)
    run(concurrency=4, token=Token(file=file))
    eventually(lambda: [record for record in caplog.records if record.levelno == logging.ERROR])
    eventually(lambda: messages(connection, "sending") == 0)

    file.write_text(gateway.token)

    eventually(lambda: messages(connection, "sent") == 50)
    assert "gateway.token_reloaded" in caplog.messages
    refused = gateway.summary().by_status["401"]
    assert refused < 16
    assert value(connection, "SELECT sum(uncounted_attempts) FROM message") == refused
    assert value(connection, "SELECT count(*) FROM message WHERE in_doubt OR attempts - uncounted_attempts <> 1") == 0
    assert not any(token in caplog.text for token in ("an-old-one", gateway.token))


def test_slow_maintenance_does_not_delay_sending(connection: Connection, run: Run) -> None:
    let_go = threading.Event()

    class StuckMaintenance(Maintenance):
        def run(self) -> bool:
            let_go.wait(PATIENCE)
            return super().run()

    add_running_mailing(connection, 300)
    run(maintenance=StuckMaintenance, poll_seconds=0.1)

    eventually(lambda: messages(connection, "sent") == 300)
    assert not let_go.is_set()
    let_go.set()
    eventually(lambda: value(connection, "SELECT count(*) FROM mailing WHERE settled_at IS NOT NULL") == 1)


def test_a_permanent_error_in_maintenance_ends_the_worker(run: Run) -> None:
    started: list[Running] = []

    class BrokenMaintenance(Maintenance):
        def run(self) -> bool:
            eventually(lambda: started and started[0].ticks)  # the loop is waiting, and has to be woken
            raise ZeroDivisionError

    worker = run(maintenance=BrokenMaintenance)
    started.append(worker)

    with pytest.raises(ZeroDivisionError):
        worker.ended.result(PATIENCE)
    worker.ended = in_background(lambda: None)


@pytest.mark.parametrize("is_stopping", [False, True])
def test_a_worker_that_loses_the_database_ends_in_order_only_if_it_is_stopping(
    is_stopping: bool, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(loop: WorkerLoop) -> bool:
        if is_stopping:
            loop._stop.set()
        raise psycopg2.OperationalError

    monkeypatch.setattr(WorkerLoop, "tick", lose)
    worker = run()

    if is_stopping:
        worker.ended.result(PATIENCE)
    else:
        with pytest.raises(psycopg2.OperationalError):
            worker.ended.result(PATIENCE)
        worker.ended = in_background(lambda: None)
    assert ("worker.stopped_without_database" in caplog.messages) is is_stopping
    assert worker.stop_asked.is_set(), "its other threads end as well"


def test_the_claims_of_a_dead_worker_are_sent_by_another(
    connection: Connection, gateway: SandboxGateway, run: Run
) -> None:
    add_running_mailing(connection, 10)
    lease(connection, 1, 2, 3, worker="dead", until="now() - interval '1 s'")

    run(poll_seconds=0.1)

    eventually(lambda: messages(connection, "sent") == 10)
    ambiguous = rows(connection, "SELECT message_id, worker FROM attempt WHERE result = 'ambiguous' ORDER BY 1")
    assert ambiguous == [(1, "dead"), (2, "dead"), (3, "dead")]


def test_all_expired_leases_are_reclaimed_without_waiting_for_a_poll(connection: Connection, run: Run) -> None:
    add_running_mailing(connection, 2 * RECLAIM_LIMIT)
    for number in range(1, 2 * RECLAIM_LIMIT + 1):  # each a claim of its own, more than one round takes
        lease(connection, number, worker="dead", until="now() - interval '1 s'")

    run()

    eventually(lambda: value(connection, "SELECT count(*) FROM attempt") == 2 * RECLAIM_LIMIT)
