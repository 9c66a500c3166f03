"""Workers whose clocks are an hour wrong: the database's clock decides, and theirs is not asked."""

from __future__ import annotations

import json
from email.utils import formatdate
from time import time

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import QUICK, disagreements
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    counted,
    execute,
    mailing,
    message_counts,
    rows,
    value,
)
from tests.gateway_times import gateway_stalls, most_within
from tests.waiting import eventually
from worker.lanes.send_permits import VALID_SECONDS

HOUR = 3600.0


def start(fleet: Fleet, error: float, **settings: float) -> None:
    fleet.start_cold("tests.wrong_clock_worker", CLOCK_ERROR=error, **settings)


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def test_whatever_the_workers_clocks_say_nothing_is_sent_outside_the_window_of_the_database(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.1)  # 120 a second: it is far from over when the window closes
    add_clients(connection, 2000)
    for error in (-HOUR, 0.0, HOUR):
        start(fleet, error)
    for worker in fleet.workers:
        worker.wait_until_it_says('"worker.started"')
    mailing_id = add_mailing(connection, starts_in=1.0)
    past = add_mailing(connection, starts_in=-3600.0, ends_in=-1800.0)

    with gateway_stalls(gateway) as stalls:
        eventually(lambda: value(connection, "SELECT count(DISTINCT worker) FROM attempt") == 3)
        # Later than requests may leave by an earlier reading of the mailing.
        earlier = "UPDATE mailing SET end_datetime = now() + %s * interval '1 second' WHERE id = %s"
        execute(connection, earlier, 2 * VALID_SECONDS, mailing_id)
        eventually(lambda: settled(connection, mailing_id) and settled(connection, past))

    for worker, error in zip(fleet.workers, (-HOUR, 0.0, HOUR), strict=True):
        logged = json.loads(worker.said().splitlines()[0])["time"]
        shown = value(connection, "SELECT extract(epoch FROM %s::timestamptz)::float8", logged)
        assert abs(shown - error - time()) < 120, "the clock of this worker is wrong"
    opens, closes = rows(
        connection,
        """
        SELECT extract(epoch FROM start_datetime)::float8, extract(epoch FROM end_datetime)::float8
        FROM mailing WHERE id = %s
        """,
        mailing_id,
    )[0]
    started = [entry.started_at for entry in gateway.ledger(everything=True)]
    # The database's clock and the gateway's are the same; what lies between them is one connection on the loopback, and
    # the gateway's turn.
    assert opens <= min(started)
    assert max(started) < closes + 0.1 + max(stalls)
    counts = counted(connection, mailing_id)
    assert set(counts) == {"sent", "expired"}
    assert sum(counts.values()) == 2000
    assert counted(connection, past) == message_counts(connection, past) == {"expired": 2000}
    assert disagreements(connection, gateway) == []


def test_the_ledger_dates_attempts_by_the_database_clock(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    add_clients(connection, 50)
    mailing_id = add_mailing(connection)
    start(fleet, -HOUR)
    start(fleet, HOUR)
    eventually(lambda: settled(connection, mailing_id))

    dated = dict(rows(connection, "SELECT message_id, extract(epoch FROM started_at)::float8 FROM attempt"))
    assert len(dated) == 50
    for entry in gateway.ledger():
        assert abs(dated[entry.id] - entry.started_at) < float(QUICK["GATEWAY_TIMEOUT"])


def test_leases_neither_expire_at_once_nor_last_an_hour(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.1)
    add_clients(connection, 100)
    mailing_id = add_mailing(connection)
    start(fleet, -HOUR)
    start(fleet, HOUR)
    eventually(lambda: value(connection, "SELECT count(*) FROM message WHERE status = 'sending'"))
    left = "SELECT extract(epoch FROM max(lease_until) - now())::float8 FROM claim"
    assert 0 < (value(connection, left) or 1) <= float(QUICK["LEASE_SECONDS"])
    eventually(lambda: settled(connection, mailing_id))

    assert value(connection, "SELECT count(*) FROM attempt WHERE result <> 'accepted'") == 0
    assert gateway.summary().repeats == 0


def test_a_retry_after_that_is_a_date_can_be_misread_by_an_hour_and_no_more_than_the_cap_is_waited(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    # The simulated gateway's answers have no Date, by which the wait would be reckoned: this clock is all there is.
    gateway.faults(statuses={"429": 1.0}, retry_after=formatdate(time(), usegmt=True), first=1)
    add_clients(connection, 1)
    mailing_id = add_mailing(connection)
    start(fleet, -HOUR, RETRY_AFTER_MAX_SECONDS=1.0)

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == {"sent": 1}


def test_after_the_database_s_clock_was_set_back_by_a_day_the_fleet_goes_on_and_keeps_its_rate_limit(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    # What a clock that is a day ahead leaves behind. (All processes of a machine share one clock: it stays as it is.)
    mailing_id = add_running_mailing(connection, 100)
    for _ in range(2):
        fleet.start(GATEWAY_RATE=20, LOG_LEVEL="INFO")
    eventually(lambda: gateway.summary().accepted >= 5)
    execute(connection, "UPDATE rate_limit SET next_slot_at = next_slot_at + interval '1 day'")
    execute(connection, "UPDATE message SET due_at = due_at + interval '1 day' WHERE status = 'pending'")

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 100}
    said = "".join(worker.said() for worker in fleet.workers)
    assert said.count("rate_limit.restarted") == 1
    assert "messages.due_advanced" in said
    # No slot was given out twice. By when they left, not by when the gateway read them: after it has stood still, it
    # reads several at once. Each worker may have one request between the check of its slot and its leaving, late there.
    left_at = rows(connection, "SELECT extract(epoch FROM started_at)::float8 FROM attempt ORDER BY started_at")
    assert most_within(1.0, [moment for (moment,) in left_at]) <= 20 + len(fleet.workers)
