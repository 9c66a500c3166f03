"""Which gateways are available, and which of them gets the messages of a path."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared import locks
from tests.conftest import Connect
from tests.factories import add_gateway, add_report, execute, rows, set_path, value
from tests.integration.worker.conftest import OpenDatabase
from worker.maintenance.failover import CALM_SECONDS, HOLD_SECONDS, LONGEST_HOLD_SECONDS, RECENT_SECONDS, Failover

Run = Callable[[], int]

NEW_FOR_SECONDS = 20


@pytest.fixture
def second(connection: Connection) -> int:
    """A second gateway on the path of the route `default`; both gateways are not new, and two workers report."""
    gateway_id = add_gateway(connection, "second")
    set_path(connection, 1, gateway_id)
    execute(connection, "UPDATE gateway SET updated_at = now() - interval '1 hour'")
    for worker in ("one", "two"):
        for gateway in ("default", "second"):
            add_report(connection, worker, gateway=gateway, ago=9)
    return gateway_id


@pytest.fixture
def failover(open_database: OpenDatabase, connection: Connection, second: int) -> Run:
    """One run of the duty; returns the gateway that the path has then."""
    duty = Failover(open_database())

    def run() -> int:
        duty.run()
        return int(value(connection, "SELECT gateway_id FROM path WHERE id = 1"))

    return run


def fail(connection: Connection, *workers: str, state: str = "circuit_open", gateway: str = "default") -> None:
    for worker in workers:
        add_report(connection, worker, gateway=gateway, state=state, ago=1)


def recover(connection: Connection, *workers: str) -> None:
    for worker in workers:
        add_report(connection, worker, ago=0)


def accept(connection: Connection, ago: float, gateway: str = "default") -> None:
    execute(
        connection,
        "INSERT INTO gateway_contact (gateway, asked_at, accepted_at, result) "
        "SELECT %s, at, at, 'accepted' FROM (SELECT now() - %s * interval '1 second' AS at) AS given",
        gateway,
        ago,
    )


def in_order_for(connection: Connection, seconds: float) -> None:
    execute(connection, "UPDATE gateway_availability SET well_since = now() - %s * interval '1 second'", seconds + 0.5)


@pytest.mark.parametrize("state", ["circuit_open", "misconfigured", "no_credit", "not_understood"])
def test_messages_go_to_the_next_gateway_once_all_workers_have_stopped(
    state: str, connection: Connection, failover: Run, second: int
) -> None:
    accept(connection, ago=0)
    assert failover() == 1
    fail(connection, "one", "two", state=state)

    assert failover() == second


@pytest.mark.parametrize(("ago", "moves"), [(RECENT_SECONDS - 5, False), (RECENT_SECONDS + 5, True)])
def test_one_stopped_worker_decides_unless_others_send(
    ago: float, moves: bool, connection: Connection, failover: Run, second: int
) -> None:
    accept(connection, ago)
    fail(connection, "one")

    assert failover() == (second if moves else 1)


def test_a_stopped_worker_does_not_decide_alone_if_nothing_else_is_known(
    connection: Connection, failover: Run, second: int
) -> None:
    fail(connection, "one")

    assert failover() == second  # nobody has had an acceptance


def test_a_slow_gateway_and_workers_that_are_gone_move_nothing(connection: Connection, failover: Run) -> None:
    fail(connection, "one", state="slowing")
    add_report(connection, "gone", state="circuit_open", ago=25)
    add_report(connection, "over", state="circuit_open", stopped=True, ago=1)

    assert failover() == 1


def test_a_gateway_gets_messages_again_after_it_has_been_in_order_for_some_time(
    connection: Connection, failover: Run, second: int
) -> None:
    fail(connection, "one", "two")
    failover()
    recover(connection, "one", "two")

    assert failover() == second
    in_order_for(connection, HOLD_SECONDS - 2)
    assert failover() == second
    in_order_for(connection, HOLD_SECONDS)
    assert failover() == 1


def test_a_failure_in_between_starts_the_time_again(connection: Connection, failover: Run, second: int) -> None:
    fail(connection, "one", "two")
    failover()
    recover(connection, "one", "two")
    failover()
    in_order_for(connection, HOLD_SECONDS)
    execute(connection, "DELETE FROM worker_report WHERE at > now() - interval '0.5 s'")  # it fails again

    assert failover() == second
    assert value(connection, "SELECT well_since FROM gateway_availability WHERE gateway_id = 1") is None
    recover(connection, "one", "two")
    assert failover() == second


def test_each_failure_in_a_row_doubles_the_time(connection: Connection, failover: Run, second: int) -> None:
    for failure in range(7):
        execute(connection, "DELETE FROM worker_report WHERE at > now() - interval '5 s'")
        fail(connection, "one", "two")
        assert failover() == second
        recover(connection, "one", "two")
        failover()
        hold = min(HOLD_SECONDS * 2**failure, LONGEST_HOLD_SECONDS)
        in_order_for(connection, hold - 2)
        assert failover() == second, failure
        in_order_for(connection, hold)
        assert failover() == 1, failure

    execute(
        connection, "UPDATE gateway_availability SET changed_at = now() - %s * interval '1 second'", CALM_SECONDS + 1
    )
    execute(connection, "DELETE FROM worker_report WHERE at > now() - interval '5 s'")
    fail(connection, "one", "two")
    failover()
    assert value(connection, "SELECT failovers FROM gateway_availability WHERE gateway_id = 1") == 1


def measured(
    connection: Connection, sent: int, delivered: int, minutes_ago: float, gateway_id: int = 1, operator: str = ""
) -> None:
    """Measures messages that were sent some minutes ago."""
    execute(
        connection,
        "INSERT INTO delivery_speed VALUES (%s, %s, now() - %s * interval '1 minute', %s, 0, 0, %s, 0)",
        gateway_id,
        operator,
        minutes_ago,
        sent,
        delivered,
    )


@pytest.fixture
def reporting(connection: Connection, second: int) -> None:
    """Both gateways report deliveries, and have been available for a long time."""
    execute(connection, "UPDATE gateway SET receipts = true")
    execute(connection, "UPDATE gateway_availability SET changed_at = now() - interval '10 days'")


@pytest.mark.parametrize(
    ("limit", "recent", "usual", "moves"),
    [
        (None, (100, 44), (2000, 1800), True),
        (None, (100, 46), (2000, 1800), False),
        (None, (49, 0), (2000, 1800), False),  # too few to tell
        (None, (100, 0), (999, 900), False),  # what is usual is not known
        (50, (100, 49), (0, 0), True),
        (50, (100, 50), (0, 0), False),
        (50, (49, 0), (0, 0), False),
        (0, (100, 0), (2000, 1800), False),
    ],
)
@pytest.mark.usefixtures("reporting")
def test_a_gateway_whose_deliveries_collapse_loses_its_messages(
    limit: int | None,
    recent: tuple[int, int],
    usual: tuple[int, int],
    moves: bool,
    connection: Connection,
    failover: Run,
    second: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute(connection, "UPDATE gateway SET min_delivery_percent = %s", limit)
    sent, delivered = recent
    measured(connection, sent - 20, delivered, 12, operator="900")
    measured(connection, 20, 0, 12, operator="901")
    measured(connection, *usual, 31 if usual[0] else 3 * 1440)
    measured(connection, 500, 0, 8 * 1440)  # too long ago to be compared with

    assert failover() == (second if moves else 1)

    reasons = [vars(record).get("reason") for record in caplog.records if record.message == "gateway.unavailable"]
    assert reasons == ["deliveries_collapsed"] * moves


@pytest.mark.usefixtures("reporting")
def test_a_gateway_whose_deliveries_collapsed_is_given_another_chance(
    connection: Connection, open_database: OpenDatabase, failover: Run, second: int
) -> None:
    execute(connection, "UPDATE gateway SET min_delivery_percent = 50")
    measured(connection, 100, 0, 12)
    assert failover() == second

    def next_check() -> int:
        Failover(open_database()).run()
        return int(value(connection, "SELECT gateway_id FROM path WHERE id = 1"))

    assert next_check() == second
    assert value(connection, "SELECT well_since FROM gateway_availability WHERE gateway_id = 1") is None
    # Half an hour later, that does not count any more.
    execute(connection, "UPDATE delivery_speed SET minute = minute - interval '19 minutes'")
    assert next_check() == second
    in_order_for(connection, HOLD_SECONDS)
    assert next_check() == 1
    # What was sent before it became available does not count.
    measured(connection, 100, 0, 2)
    assert next_check() == 1
    measured(connection, 100, 0, -1)
    assert next_check() == second


@pytest.mark.usefixtures("reporting")
def test_if_all_deliveries_collapse_it_is_we_who_get_no_receipts(
    connection: Connection, failover: Run, second: int
) -> None:
    execute(connection, "UPDATE gateway SET min_delivery_percent = 50")
    measured(connection, 100, 0, 12)
    measured(connection, 60, 0, 12, second)

    assert failover() == 1


@pytest.mark.parametrize("column", ["paused_at", "removed_at"])
def test_a_paused_or_removed_gateway_gets_no_messages(
    column: str, connection: Connection, failover: Run, second: int
) -> None:
    execute(connection, f"UPDATE gateway SET {column} = now() WHERE id = 1")  # noqa: S608

    assert failover() == second
    execute(connection, f"UPDATE gateway SET {column} = NULL WHERE id = 1")  # noqa: S608
    assert failover() == second
    in_order_for(connection, HOLD_SECONDS)
    assert failover() == 1


def test_if_none_is_available_the_first_one_gets_them(connection: Connection, failover: Run, second: int) -> None:
    fail(connection, "one", "two", gateway="second")
    assert failover() == 1
    fail(connection, "one", "two")
    assert failover() == 1

    execute(connection, "UPDATE gateway SET paused_at = now() WHERE id = 1")
    assert failover() == second


def test_a_gateway_that_no_worker_has_a_lane_for_is_not_available_unless_it_is_new(
    connection: Connection, failover: Run, second: int
) -> None:
    execute(connection, "DELETE FROM worker_report WHERE gateway = 'default'")
    execute(connection, "UPDATE gateway SET updated_at = now()")
    assert failover() == 1
    execute(connection, "UPDATE gateway SET updated_at = now() - %s * interval '1 second'", NEW_FOR_SECONDS + 1)
    assert failover() == second


def test_nothing_moves_before_the_first_worker_has_reported(connection: Connection, failover: Run) -> None:
    execute(connection, "DELETE FROM worker_report")

    assert failover() == 1
    assert value(connection, "SELECT bool_and(available) FROM gateway_availability")


def test_the_path_of_one_gateway_stays(connection: Connection, failover: Run, second: int) -> None:
    fail(connection, "one", "two")
    failover()

    alone = rows(connection, "SELECT gateway_ids, gateway_id FROM path WHERE route_id IS NULL ORDER BY id")
    assert alone == [([1], 1), ([second], second)]


def test_one_worker_at_a_time_decides(connection: Connection, connect: Connect, failover: Run, second: int) -> None:
    other = connect()
    fail(connection, "one", "two")
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", locks.FAILOVER)
        assert failover() == 1
        cursor.execute("ROLLBACK")
    assert failover() == second
