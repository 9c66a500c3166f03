"""The worker's parts on the clean database, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from shared.gateways.base import DEFAULT_GATEWAY_ID
from tests.database import DatabaseCleaner, IdleConnections
from worker.attempt_decision import Retries
from worker.claimed_message import DEFAULT, MessageGateway
from worker.database import Database
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue
from worker.spending import Pricing

OpenDatabase = Callable[[], Database]
OpenQueue = Callable[..., Queue]
OpenMaintenance = Callable[..., Maintenance]


@pytest.fixture(scope="session")
def idle_databases(database_url: str) -> Iterator[IdleConnections[Database]]:
    """The worker's kind of connections to the migrated database that no test has at the moment."""
    idle = IdleConnections(
        lambda: Database(database_url, threading.Event(), "gonets test"), lambda database: database._connection
    )
    yield idle
    idle.close()


@pytest.fixture
def open_database(
    clean_database: str, database_cleaner: DatabaseCleaner, idle_databases: IdleConnections[Database]
) -> Iterator[OpenDatabase]:
    """Gives the worker's kind of connection to the clean database."""
    taken: list[Database] = []

    def take_one() -> Database:
        database = idle_databases.take()
        taken.append(database)
        if database._connection is not None:
            database._connection.autocommit = False
            database._connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
            database.seconds = 0.0
        return database

    yield take_one
    database_cleaner.end_connections()
    for database in taken:
        idle_databases.give_back(database)


@pytest.fixture
def open_queue(open_database: OpenDatabase) -> OpenQueue:
    """Opens the queue as one worker sees it; retries come at once, unless said otherwise."""

    def open_one(
        worker: str = "left",
        *,
        lease_seconds: float = 30.0,
        request_timeout: float = 10.0,
        max_attempts: int = 3,
        retry_seconds: float = 0.0,
        rate_limiter: FleetRateLimiter | None = None,
        gateway: MessageGateway = DEFAULT,
        gateway_id: int = DEFAULT_GATEWAY_ID,
        pricing: Pricing | None = None,
        opt_out_url: str = "",
    ) -> Queue:
        return Queue(
            open_database(),
            worker=worker,
            lease_seconds=lease_seconds,
            request_timeout=request_timeout,
            retries=Retries(max_attempts, base=retry_seconds, cap=300.0),
            random=Random(1),
            rate_limiter=rate_limiter,
            gateway=gateway,
            gateway_id=gateway_id,
            pricing=pricing,
            opt_out_url=opt_out_url,
        )

    return open_one


@pytest.fixture
def queue(open_queue: OpenQueue) -> Queue:
    """The queue of the worker `left`."""
    return open_queue()


@pytest.fixture
def open_maintenance(open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch) -> OpenMaintenance:
    """Opens the maintenance of one worker, which settles in each round, however long the round before took."""
    monkeypatch.setattr("worker.maintenance.duties.SETTLE_SHARE", 1000.0)

    def open_one(launch_chunk: int = 1000) -> Maintenance:
        return Maintenance(open_database(), launch_chunk=launch_chunk)

    return open_one


@pytest.fixture
def maintenance(open_maintenance: OpenMaintenance) -> Maintenance:
    """The maintenance of one worker, that launches a thousand clients at a time."""
    return open_maintenance()
