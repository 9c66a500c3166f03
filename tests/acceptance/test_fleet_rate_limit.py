"""GATEWAY_RATE is the fleet's: what three workers ask for together, by the gateway's own clock."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.factories import add_running_mailing, counted, mailing
from tests.gateway_times import gateway_stalls, most_within
from tests.waiting import eventually

RATE = 200
MESSAGES = 1000
"""Of a mailing: five seconds' worth."""
MAX_MAILINGS = 6
USED_SECONDS = 2.0
"""Much longer than slots are taken in advance, and than a round of maintenance takes."""


def test_three_workers_together_keep_the_rate_limit_and_use_it(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    workers = [fleet.start(GATEWAY_RATE=RATE, WORKER_CONCURRENCY=16, LOG_LEVEL="INFO") for _ in range(3)]
    for worker in workers:
        worker.wait_until_it_says('"worker.started"')

    moments: list[float] = []
    with gateway_stalls(gateway) as stalls:
        # A worker that waits for a core for longer than START_TOLERANCE gives its slots up, as intended. So mailings
        # are sent until the machine has let the workers run in time for USED_SECONDS: then hardly a slot is unused.
        while not is_used(moments) and len(moments) < MAX_MAILINGS * MESSAGES:
            send_mailing(connection)
            before, moments = moments, sorted(entry.started_at for entry in gateway.ledger(everything=True))
            assert len(moments) == len(before) + MESSAGES
    # A gateway that stood still for a while reads at once what came meanwhile: no worker has sent it so.
    assert most_within(1.0, moments) <= RATE * (1.02 + max(stalls))
    assert is_used(moments)


def send_mailing(connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, MESSAGES)
    eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    assert counted(connection, mailing_id) == {"sent": MESSAGES}


def is_used(moments: list[float]) -> bool:
    """Whether some USED_SECONDS have as many requests as the limit allows, but for the margin of its slots."""
    return most_within(USED_SECONDS, moments) >= RATE * USED_SECONDS * 0.95
