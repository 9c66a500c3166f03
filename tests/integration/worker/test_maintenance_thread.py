"""What ends the maintenance thread, and what its worker learns of it."""

from __future__ import annotations

import threading

import psycopg2
import pytest

from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.waiting import PATIENCE
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.thread import MaintenanceThread
from worker.telemetry.metrics import Metrics


@pytest.mark.parametrize(
    ("error", "is_stopping", "is_raised"),
    [
        (psycopg2.OperationalError, True, False),
        (psycopg2.OperationalError, False, True),
        (ZeroDivisionError, True, True),
    ],
    ids=["the database is away while it stops", "the database is away for another reason", "an error while it stops"],
)
def test_an_error_is_raised_by_the_worker_unless_it_stops_without_a_database(
    error: type[Exception], is_stopping: bool, is_raised: bool, open_database: OpenDatabase, open_queue: OpenQueue
) -> None:
    stop, woken = threading.Event(), threading.Event()

    class Failing(Maintenance):
        def run(self) -> bool:
            if is_stopping:
                stop.set()
            raise error

    database = open_database()
    thread = MaintenanceThread(
        database=database,
        lease_reclaimer=LeaseReclaimer(database, open_queue().recorder, lease_seconds=30.0),
        maintenance=Failing(database, launch_chunk=100),
        stop=stop,
        on_work_found=woken.set,
        metrics=Metrics("left"),
        poll_seconds=3600.0,
    )

    thread.start()
    thread.join(PATIENCE)

    assert woken.is_set() is is_raised
    if is_raised:
        with pytest.raises(error):
            thread.raise_if_failed()
    else:
        thread.raise_if_failed()


def test_expired_leases_do_not_keep_other_duties_waiting(open_database: OpenDatabase, open_queue: OpenQueue) -> None:
    stop, maintained = threading.Event(), threading.Event()

    class Busy(LeaseReclaimer):
        def run(self) -> int:
            return 1

    class Noted(Maintenance):
        def run(self) -> bool:
            maintained.set()
            return False

    database = open_database()
    thread = MaintenanceThread(
        database=database,
        lease_reclaimer=Busy(database, open_queue().recorder, lease_seconds=30.0),
        maintenance=Noted(database, launch_chunk=100),
        stop=stop,
        on_work_found=lambda: None,
        metrics=Metrics("left"),
        poll_seconds=3600.0,
    )

    thread.start()

    assert maintained.wait(PATIENCE)
    stop.set()
    thread.join(PATIENCE)
