"""Limits that several worker processes keep together: caps on messages to one number, and spending limits."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import SHORT_LEASE
from tests.factories import add_clients, add_mailing, add_running_mailing, execute, rows, value
from tests.waiting import eventually

WORKERS = 16
NUMBERS = 300
MAILINGS = 8
CAP = 2
PERIOD_SECONDS = 6.0
"""With the workers' lease of 6 seconds, a number gets its next messages after twelve."""

# An hour is the shortest period that the table takes.
SHORT_PERIOD = """
ALTER TABLE message_cap DROP CONSTRAINT message_cap_is_positive, ALTER COLUMN period_hours TYPE float8;
INSERT INTO message_cap (messages, period_hours) VALUES ({cap}, {seconds} / 3600.0)
"""
USUAL_PERIOD = """
TRUNCATE message_cap;
ALTER TABLE message_cap ALTER COLUMN period_hours TYPE integer, ADD CONSTRAINT message_cap_is_positive
    CHECK (messages BETWEEN 1 AND 100 AND period_hours BETWEEN 1 AND 8784)
"""


@pytest.mark.long
def test_no_period_has_more_than_the_cap_with_sixteen_workers_of_which_some_are_killed(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(statuses={"503": 0.05}, latency=[0.0, 0.05], seed=1)
    execute(connection, SHORT_PERIOD.format(cap=CAP, seconds=PERIOD_SECONDS))
    try:
        add_clients(connection, NUMBERS)
        for _ in range(MAILINGS):
            add_mailing(connection)
        workers = [fleet.start(**SHORT_LEASE) for _ in range(WORKERS)]
        eventually(lambda: sent(connection) > NUMBERS)
        for worker in workers[:4]:
            worker.kill()
            worker.start()
        eventually(lambda: sent(connection) == NUMBERS * MAILINGS, within=180)
    finally:
        for worker in workers:
            worker.kill()
        execute(connection, USUAL_PERIOD)

    by_gateway, by_ledger = defaultdict(list), defaultdict(list)
    for entry in gateway.ledger():
        by_gateway[entry.phone].append((entry.started_at, entry.id))
    found = (
        "SELECT phone_number, date_part('epoch', started_at), message_id FROM attempt JOIN message ON id = message_id"
    )
    for phone_number, started_at, message_id in rows(connection, found + " WHERE result = 'accepted'"):
        by_ledger[phone_number].append((started_at, message_id))
    assert len(by_gateway) == len(by_ledger) == NUMBERS
    assert max(map(most_messages, by_gateway.values())) == CAP
    assert max(map(most_messages, by_ledger.values())) == CAP


def test_workers_together_send_no_more_than_a_spending_limit_pays_for(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    workers = [fleet.start(PRICE_PER_SEGMENT="0.05", PRICE_CURRENCY="EUR") for _ in range(2)]
    for worker in workers:
        worker.wait_until_it_says('"worker.started"')
    add_running_mailing(connection, 60, spending_limit="1.02", spending_currency="EUR")

    eventually(lambda: value(connection, "SELECT status::text FROM mailing") == "paused")
    eventually(lambda: value(connection, "SELECT count(*) FROM message WHERE status = 'sending'") == 0)

    assert 0 < len(gateway.ledger()) == sent(connection) <= 20
    assert value(connection, "SELECT amount FROM spending") == Decimal("0.05") * sent(connection)
    assert value(connection, "SELECT detail_code FROM mailing_event") == "spending_limit_reached"
    # With enough for the rest, it continues.
    execute(connection, "UPDATE mailing SET spending_limit = 3, status = 'running'")
    eventually(lambda: sent(connection) == 60)


def sent(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sent'"))


def most_messages(requests: list[tuple[float, int]]) -> int:
    """The most different messages in any period."""
    return max(
        len({message for at, message in requests if first <= at < first + PERIOD_SECONDS}) for first, _ in requests
    )
