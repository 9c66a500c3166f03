"""GATEWAY_RATE is the fleet's: what three workers ask for together, by the gateway's own clock."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.gateway_client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.factories import add_running_mailing, counted, mailing
from tests.waiting import eventually
from worker.lanes.fleet_rate_limiter import START_TOLERANCE

RATE = 200
MESSAGES = 1200


def test_three_workers_together_keep_the_rate_limit_and_use_it(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection, MESSAGES)
    workers = [fleet.start(GATEWAY_RATE=RATE, WORKER_CONCURRENCY=16, LOG_LEVEL="INFO") for _ in range(3)]
    for worker in workers:
        worker.wait_until_it_says('"worker.started"')

    with gateway_stalls(gateway) as stalls:
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    moments = sorted(entry.started_at for entry in gateway.ledger(everything=True))
    assert counted(connection, mailing_id) == {"sent": MESSAGES}
    assert len(moments) == MESSAGES
    # A gateway that stood still for a while reads at once what came meanwhile: no worker has sent it so.
    assert most_in_a_second(moments) <= RATE * (1.02 + max(stalls))
    # A worker that waits for a core for longer than START_TOLERANCE gives its slots up: they are lost, as intended.
    lasted = moments[-1] - moments[0]
    lost = sum(stall for stall in stalls if stall > START_TOLERANCE)
    assert (len(moments) - 1) / (lasted - min(lost, lasted / 2)) >= RATE * 0.95


@contextmanager
def gateway_stalls(gateway: SandboxGateway) -> Iterator[list[float]]:
    """How many seconds the gateway took to answer, asked again and again: what its process waits for a core here."""
    stalls, over = [0.0], threading.Event()

    def ask() -> None:
        while not over.wait(0.005):
            begun = time.monotonic()
            gateway.summary()
            stalls.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield stalls
    finally:
        over.set()
        thread.join()


def most_in_a_second(moments: list[float]) -> int:
    """The most that any window of one second holds; such a window begins with one of them."""
    return max(bisect_left(moments, moment + 1.0) - first for first, moment in enumerate(moments))
