"""A lane for each gateway: its circuit breaker, its rate limit and its figures are its own."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from random import Random

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_gateway, add_running_mailing, counted, execute, rows, set_path, value
from tests.gateway_accounts import gonets_adapter
from tests.integration.worker.conftest import OpenDatabase
from tests.raw_server import RawServer, always, response
from tests.waiting import PATIENCE, eventually, in_background
from worker.attempt_decision import Retries
from worker.attempt_recorder import AttemptRecorder
from worker.claimed_message import MessageGateway
from worker.gateway_token import Token
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.curl_sender import CurlSender
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.gateway_client import GatewayClient
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


def test_failures_at_one_gateway_stop_its_lane_and_no_other(
    connection: Connection, open_database: OpenDatabase
) -> None:
    stop, wake, metrics = threading.Event(), threading.Event(), Metrics("w")
    database, maintenance_database, token = open_database(), open_database(), Token("token")
    ids = {name: add_gateway(connection, name) for name in ("refusing", "accepting")}
    set_path(connection, ids["refusing"], ids["accepting"])
    open_claims = OpenClaims()

    def lane(name: str, url: str) -> Lane:
        gateway = MessageGateway(name)
        client = GatewayClient(url, gonets_adapter(token), connect_timeout=5, timeout=5, retry_after_cap=1)
        return Lane(
            gateway=gateway,
            queue=Queue(
                database,
                worker="w",
                lease_seconds=60,
                request_timeout=5,
                retries=RETRIES,
                random=Random(1),
                gateway=gateway,
                gateway_id=ids[name],
                open_claims=open_claims,
            ),
            sender=CurlSender(client, 2, 2, wake),
            breaker=CircuitBreaker(2, Random(1)),
            token=token,
        )

    with ExitStack() as stack:
        refusing = stack.enter_context(RawServer(always(response("401 Unauthorized", b""))))
        accepting = stack.enter_context(RawServer(always(response())))
        lanes = {"refusing": lane("refusing", refusing.url), "accepting": lane("accepting", accepting.url)}
        loop = WorkerLoop(
            database=database,
            lanes=LaneSet(database, lambda gateway: lanes.get(gateway.name)),
            maintenance=MaintenanceThread(
                database=maintenance_database,
                lease_reclaimer=LeaseReclaimer(
                    maintenance_database,
                    AttemptRecorder(lease_seconds=60, retries=RETRIES, random=Random(1)),
                    lease_seconds=60,
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
            heartbeat=lambda: None,
        )
        running = in_background(loop.run)
        mailing_id = add_running_mailing(connection, 50)
        eventually(lambda: counted(connection, mailing_id) == {"sent": 50})
        stop.set()
        wake.set()
        running.result(PATIENCE)

    by_gateway = dict(rows(connection, "SELECT gateway, array_agg(DISTINCT result::text) FROM attempt GROUP BY 1"))
    assert by_gateway == {"refusing": ["misconfigured"], "accepting": ["accepted"]}
    states = "SELECT gateway, gateway_state FROM worker_report WHERE stopped ORDER BY gateway"
    assert rows(connection, states) == [("accepting", "ok"), ("refusing", "misconfigured")]


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
