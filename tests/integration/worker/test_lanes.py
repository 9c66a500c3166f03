"""A lane for each gateway: its circuit breaker, its rate limit and its figures are its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_gateway, add_running_mailing, counted, execute, expire_leases, rows, set_path, value
from tests.gateway_accounts import gonets_adapter
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.raw_server import Peer, RawServer, always, response
from tests.waiting import PATIENCE, eventually, in_background
from worker.attempt_decision import Retries
from worker.attempt_recorder import AttemptRecorder
from worker.claimed_message import MessageGateway
from worker.gateway_token import Token
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender
from worker.lanes.lane import Lane
from worker.lanes.lane_set import LaneSet
from worker.loop import WorkerLoop
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.thread import MaintenanceThread
from worker.open_claims import OpenClaims
from worker.queue import Queue
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter

RETRIES = Retries(10, base=0.01, cap=0.01)


@dataclass
class Lanes:
    """A worker with a lane for each of its gateways."""

    stop: threading.Event
    wake: threading.Event
    lanes: LaneSet
    loop: WorkerLoop
    ticks: list[float]

    @contextmanager
    def running(self) -> Iterator[None]:
        ended = in_background(self.loop.run)
        try:
            yield
        finally:
            self.stop.set()
            self.wake.set()
            ended.result(PATIENCE)


def open_lanes(open_database: OpenDatabase, ids: Mapping[str, int], servers: Mapping[str, RawServer]) -> Lanes:
    """A worker that sends for these gateways, which listen at these servers."""
    stop, wake, metrics = threading.Event(), threading.Event(), Metrics("w")
    database, maintenance_database, token = open_database(), open_database(), Token("token")
    open_claims, ticks = OpenClaims(), list[float]()

    def lane(name: str) -> Lane:
        gateway = MessageGateway(name)
        url = servers[name].url
        client = GatewayClient(url, gonets_adapter(token), connect_timeout=5, timeout=PATIENCE, retry_after_cap=1)
        return Lane(
            gateway=gateway,
            queue=Queue(
                database,
                worker="w",
                lease_seconds=2 * PATIENCE,
                request_timeout=PATIENCE,
                retries=RETRIES,
                random=Random(1),
                gateway=gateway,
                gateway_id=ids[name],
                open_claims=open_claims,
            ),
            sender=HttpSender(client, 2, wake),
            breaker=CircuitBreaker(2, Random(1)),
            token=token,
        )

    opened = {name: lane(name) for name in servers}
    lanes = LaneSet(database, lambda gateway: opened.get(gateway.name))
    loop = WorkerLoop(
        database=database,
        lanes=lanes,
        maintenance=MaintenanceThread(
            database=maintenance_database,
            lease_reclaimer=LeaseReclaimer(
                maintenance_database,
                AttemptRecorder(lease_seconds=2 * PATIENCE, retries=RETRIES, random=Random(1)),
                lease_seconds=2 * PATIENCE,
            ),
            maintenance=Maintenance(maintenance_database, launch_chunk=100),
            stop=stop,
            on_work_found=wake.set,
            metrics=metrics,
            poll_seconds=0.1,
        ),
        reporter=StatusReporter(database, "w"),
        metrics=metrics,
        stop=stop,
        wake=wake,
        poll_seconds=0.1,
        stop_seconds=5,
        heartbeat=lambda: ticks.append(time.monotonic()),
    )
    return Lanes(stop, wake, lanes, loop, ticks)


def test_failures_at_one_gateway_stop_its_lane_and_no_other(
    connection: Connection, open_database: OpenDatabase
) -> None:
    ids = {name: add_gateway(connection, name) for name in ("refusing", "accepting")}
    set_path(connection, ids["refusing"], ids["accepting"])

    with ExitStack() as stack:
        refusing = stack.enter_context(RawServer(always(response("401 Unauthorized", b""))))
        accepting = stack.enter_context(RawServer(always(response())))
        lanes = open_lanes(open_database, ids, {"refusing": refusing, "accepting": accepting})
        stack.enter_context(lanes.running())
        mailing_id = add_running_mailing(connection, 50)
        eventually(lambda: counted(connection, mailing_id) == {"sent": 50})

    by_gateway = dict(rows(connection, "SELECT gateway, array_agg(DISTINCT result::text) FROM attempt GROUP BY 1"))
    assert by_gateway == {"refusing": ["misconfigured"], "accepting": ["accepted"]}
    reported = "SELECT sum(accepted) FILTER (WHERE gateway = 'accepting'), sum(misconfigured) > 0 FROM worker_report"
    assert rows(connection, reported) == [(50, True)]
    states = "SELECT gateway, gateway_state FROM worker_report WHERE stopped ORDER BY gateway"
    assert rows(connection, states) == [("accepting", "ok"), ("refusing", "misconfigured")]


def test_while_one_lane_sends_a_poison_message_the_others_claim_nothing(
    connection: Connection, open_database: OpenDatabase, open_queue: OpenQueue
) -> None:
    let_go = threading.Event()

    def answer_late(peer: Peer) -> None:
        while peer.read_request():
            let_go.wait(PATIENCE)
            peer.send(response())

    other = add_gateway(connection, "other")
    poison = add_running_mailing(connection, 1)
    queue = open_queue()
    for _ in range(2):
        assert queue.claim(1)
        expire_leases(connection)
        reclaim(queue)

    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(RawServer(serve))
            for name, serve in (("default", answer_late), ("other", always(response())))
        }
        lanes = open_lanes(open_database, {"default": 1, "other": other}, servers)
        stack.enter_context(lanes.running())
        stack.callback(let_go.set)
        eventually(lambda: servers["default"].requests)
        set_path(connection, other)
        mailing_id = add_running_mailing(connection, 3)
        ticks = len(lanes.ticks)
        eventually(lambda: len(lanes.ticks) > ticks + 10)

        assert counted(connection, mailing_id) == {"pending": 3}

        let_go.set()
        eventually(lambda: counted(connection, mailing_id) == {"sent": 3})
        assert counted(connection, poison) == {"sent": 1}


def test_a_lane_that_finishes_its_requests_claims_nothing_more(
    connection: Connection, open_database: OpenDatabase
) -> None:
    numbers, let_go = itertools.count(1), threading.Event()
    claims = "SELECT last_value FROM claim_id_seq"

    def answer_the_first_one_only(peer: Peer) -> None:
        while peer.read_request():
            if next(numbers) > 1:
                let_go.wait(PATIENCE)
            peer.send(response())

    add_running_mailing(connection, 2)
    with ExitStack() as stack:
        server = stack.enter_context(RawServer(answer_the_first_one_only))
        lanes = open_lanes(open_database, {"default": 1}, {"default": server})
        stack.enter_context(lanes.running())
        stack.callback(let_go.set)
        eventually(lambda: len(server.requests) == 2)
        execute(connection, "UPDATE gateway SET paused_at = now(), revision = revision + 1")
        eventually(lambda: not lanes.lanes.open)
        before = value(connection, claims)
        mailing_id = add_running_mailing(connection, 3)
        ticks = len(lanes.ticks)
        eventually(lambda: len(lanes.ticks) > ticks + 10)

        assert lanes.lanes.in_flight == 1
        assert value(connection, claims) == before
        assert counted(connection, mailing_id) == {"pending": 3}


def test_each_tick_is_for_every_lane(
    connection: Connection, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []

    def note(name: str) -> Callable[..., bool]:
        def noted(lane: Lane, *_: object) -> bool:
            done.append((name, lane.gateway.name))
            return True  # there may be more in this lane: the others must not wait for that

        return noted

    steps = ("record_results", "release_forbidden", "release_surplus", "claim_and_submit")
    for name in steps:
        monkeypatch.setattr(Lane, name, note(name))
    ids = {"default": 1, "other": add_gateway(connection, "other")}
    with RawServer(always(response())) as server:
        lanes = open_lanes(open_database, ids, dict.fromkeys(ids, server))
        lanes.lanes.refresh()
        lanes.loop.tick()

    assert sorted(done) == sorted((name, gateway) for name in steps for gateway in ids)


def test_each_gateway_has_a_rate_limit_of_its_own(connection: Connection, open_database: OpenDatabase) -> None:
    database = open_database()
    one, other = FleetRateLimiter(0.01, "one"), FleetRateLimiter(0.01, "other")  # a slot every 102 seconds

    assert database.transaction(other.free_slots) == 1
    taken = database.transaction(lambda cursor: one.take(cursor, one.free_slots(cursor)))

    assert len(taken) == 1
    assert database.transaction(one.free_slots) == 0
    assert database.transaction(other.free_slots) == 1
    assert value(connection, "SELECT count(*) FROM rate_limit WHERE gateway IN ('one', 'other')") == 2
    execute(connection, "DELETE FROM rate_limit WHERE gateway IN ('one', 'other')")
