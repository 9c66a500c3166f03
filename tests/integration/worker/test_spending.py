"""Spending limits: what messages cost is reserved before they are submitted, and never exceeds a limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.sentences import EventDetail
from shared.sql.spending import LOCK_DAY, LOCK_SPENDING
from tests.conftest import Connect
from tests.factories import add_running_mailing, execute, expire_leases, message, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter, wait_for_new_day
from worker.claimed_message import ClaimedMessage, Reservation
from worker.maintenance.retention import Retention
from worker.queue import Queue
from worker.spending import LimitReached, Pricing, add, pause, reserve

PRICING = Pricing(lambda text: len(text) // 70 + 1, Decimal("0.05"), "EUR")
LIMIT = {"spending_limit": "1.00", "spending_currency": "EUR"}
"""Twenty messages of one segment."""


@pytest.fixture(autouse=True)
def _one_day(connection: Connection) -> None:
    wait_for_new_day(connection)


@pytest.fixture
def priced(open_queue: OpenQueue) -> Queue:
    return open_queue(pricing=PRICING)


def claim_all(queue: Queue, limit: int = 7) -> list[ClaimedMessage]:
    claimed = []
    while (part := queue.claim(limit)) or queue.may_have_more:
        claimed += part
    return claimed


def spent(connection: Connection) -> Decimal:
    return Decimal(value(connection, "SELECT coalesce(sum(amount), 0) FROM spending"))


def spent_today(connection: Connection) -> Decimal:
    return Decimal(value(connection, "SELECT coalesce(sum(amount), 0) FROM daily_spending"))


def set_daily_limit(connection: Connection, limit: str, currency: str = "EUR") -> None:
    execute(connection, "UPDATE sending_rules SET daily_spending_limit = %s, spending_currency = %s", limit, currency)


def history(connection: Connection) -> list[tuple[int, str, str]]:
    found = rows(connection, "SELECT mailing_id, action, detail FROM mailing_event ORDER BY mailing_id, id")
    return [(one[0], one[1], one[2]) for one in found]


def test_a_mailing_is_paused_before_it_costs_more_than_its_limit(
    connection: Connection, priced: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    add_running_mailing(connection, 30, **LIMIT)

    claimed = claim_all(priced)

    assert len(claimed) == 20
    assert spent(connection) == Decimal(1)
    assert value(connection, "SELECT status::text FROM mailing") == "paused"
    detail = (
        "Its messages have cost 1.00 EUR of at most 1.00, and the next ones would cost more. Raise its spending limit, "
        "and resume the mailing."
    )
    assert history(connection) == [(1, "limit", detail)]
    assert [record.message for record in caplog.records].count("mailing.limit_reached") == 1
    priced.record([answer(one, "accepted") for one in claimed])
    # Resumed without more money, it is paused again.
    execute(connection, "UPDATE mailing SET status = 'running'")
    assert claim_all(priced) == []
    assert value(connection, "SELECT status::text FROM mailing") == "paused"
    assert len(history(connection)) == 2
    # With more, the rest is sent.
    execute(connection, "UPDATE mailing SET status = 'running', spending_limit = 1.50")
    assert len(claim_all(priced)) == 10
    assert value(connection, "SELECT status::text FROM mailing") == "running"


def test_a_daily_limit_counts_all_mailings_but_replies(connection: Connection, priced: Queue) -> None:
    set_daily_limit(connection, "0.50")
    add_running_mailing(connection, 8)
    add_running_mailing(connection, 8, kind="service")
    add_running_mailing(connection, 2, kind="reply")

    claimed = claim_all(priced)

    assert len([one for one in claimed if one.mailing_id == 3]) == 2
    assert len([one for one in claimed if one.mailing_id != 3]) == 10
    assert spent_today(connection) == Decimal("0.50")
    assert spent(connection) == 0
    today = value(connection, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    assert history(connection)
    for _, action, detail in history(connection):
        assert action == "limit"
        assert detail.startswith(f"The messages of today ({today}, UTC) have cost 0.50 EUR of at most 0.50,")


def test_without_a_limit_nothing_is_counted(connection: Connection, priced: Queue) -> None:
    add_running_mailing(connection, 3)

    priced.record([answer(one, "accepted") for one in claim_all(priced)])

    assert spent(connection) == spent_today(connection) == 0


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("accepted", {}, "0.05"),
        ("accepted", {"price": Decimal("0.08")}, "0.08"),
        ("accepted", {"price": Decimal("0.02")}, "0.05"),
        ("ambiguous", {}, "0.05"),
        ("refused", {}, "0"),
        ("refused for good", {}, "0"),
        ("throttled", {}, "0"),
        ("unreachable", {}, "0"),
        ("unauthorized", {}, "0"),
    ],
)
def test_what_an_attempt_did_not_cost_is_returned_and_what_it_cost_more_is_added(
    name: str, given: dict[str, Decimal], expected: str, connection: Connection, priced: Queue
) -> None:
    set_daily_limit(connection, "5")
    add_running_mailing(connection, 1, **LIMIT)
    [claimed] = claim_all(priced)
    attempted = [answer(claimed, name, **given)]

    priced.record(attempted)
    priced.record(attempted)  # as after a lost acknowledgement

    assert spent(connection) == spent_today(connection) == Decimal(expected)


def test_a_released_message_returns_its_cost_once(connection: Connection, priced: Queue) -> None:
    add_running_mailing(connection, 2, **LIMIT)
    claimed = claim_all(priced)
    priced.release(claimed[:1])
    priced.release(claimed[:1])

    assert spent(connection) == Decimal("0.05")


def test_a_release_that_is_repeated_after_another_claim_returns_nothing_more(
    connection: Connection, priced: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1, **LIMIT)
    released = claim_all(priced)
    priced.release(released)
    claimed = claim_all(open_queue("right", pricing=PRICING))
    assert [one.number for one in claimed] == [one.number for one in released]

    priced.release(released)

    assert spent(connection) == Decimal("0.05")


def test_what_a_worker_that_died_has_reserved_stays_and_its_repeat_counts_again(
    connection: Connection, priced: Queue
) -> None:
    add_running_mailing(connection, 1, **LIMIT)
    claim_all(priced)
    expire_leases(connection)
    assert reclaim(priced) == 1
    assert spent(connection) == Decimal("0.05")

    execute(connection, "UPDATE message SET due_at = now()")
    assert len(claim_all(priced)) == 1
    assert spent(connection) == Decimal("0.10")


@pytest.mark.parametrize(
    ("pricing", "limit", "daily", "sent"),
    [
        (None, "EUR", None, False),
        (PRICING, "RUB", None, False),
        (None, None, "EUR", False),
        (PRICING, None, "RUB", True),
    ],
    ids=["no price", "other currency", "no price of the day", "other currency of the day"],
)
def test_without_a_price_in_the_currency_of_a_limit_nothing_is_sent(
    pricing: Pricing | None,
    limit: str | None,
    daily: str | None,
    sent: bool,
    connection: Connection,
    open_queue: OpenQueue,
) -> None:
    if daily:
        set_daily_limit(connection, "0.01", daily)  # less than a message costs, if it were in the same currency
    given = {"spending_limit": "100", "spending_currency": limit} if limit else {}
    add_running_mailing(connection, 1, **given)

    claimed = claim_all(open_queue(pricing=pricing))

    assert len(claimed) == sent
    if not sent:
        assert message(connection, 1)["status"] == "pending"
        [(_, _, detail)] = history(connection)
        assert detail.startswith(f"The price of a segment at gateway default is not known in {limit or daily}")


def test_no_limit_is_exceeded_by_sixteen_workers_at_once(connection: Connection, open_queue: OpenQueue) -> None:
    set_daily_limit(connection, "3.05")
    for _ in range(4):
        add_running_mailing(connection, 60, spending_limit="0.98", spending_currency="EUR")
    queues = [open_queue(f"worker-{number}", pricing=PRICING) for number in range(16)]
    attempts = list[str]()

    def work(queue: Queue) -> None:
        for name in ("accepted", "refused", "ambiguous", "accepted") * 3:
            claimed = queue.claim(5)
            queue.record([answer(one, name) for one in claimed if one.number % 2])
            queue.release([one for one in claimed if not one.number % 2])
            attempts.extend(name for one in claimed if one.number % 2)

    with ThreadPoolExecutor(len(queues)) as threads:
        list(threads.map(work, queues))

    attempts.extend("accepted" for _ in claim_all(queues[0]))  # what is left, as far as the limits allow
    costly = [name for name in attempts if name != "refused"]
    assert spent_today(connection) == Decimal("0.05") * len(costly) <= Decimal("3.05")
    by_mailing = rows(connection, "SELECT amount FROM spending")
    assert sum(one[0] for one in by_mailing) == spent_today(connection)
    assert max(one[0] for one in by_mailing) <= Decimal("0.98")
    assert value(connection, "SELECT count(*) FROM mailing WHERE status = 'paused'") > 0


def test_the_spending_of_days_long_ago_is_deleted(connection: Connection, open_database: OpenDatabase) -> None:
    execute(connection, "INSERT INTO daily_spending VALUES (now()::date - 500, 'EUR', 1), (now()::date, 'EUR', 1)")

    Retention(open_database(), 0).run()

    assert value(connection, "SELECT count(*) FROM daily_spending") == 1


def test_a_mailing_is_paused_at_its_limit_while_the_daily_limit_is_in_another_currency(
    connection: Connection, priced: Queue
) -> None:
    set_daily_limit(connection, "1000.00", "USD")
    add_running_mailing(connection, 30, **LIMIT)

    claimed = priced.claim(30)

    assert len(claimed) == 20
    assert value(connection, "SELECT status::text FROM mailing") == "paused"


@pytest.mark.parametrize(
    ("change", "is_paused"),
    [
        ("UPDATE mailing SET text_revision = text_revision", True),
        ("UPDATE mailing SET spending_limit = 2", False),
        ("UPDATE mailing SET spending_limit = NULL, spending_currency = NULL", False),
        ("UPDATE sending_rules SET daily_spending_limit = 10, spending_currency = 'EUR'", False),
        ("UPDATE mailing SET status = 'cancelled', ended_at = now()", False),
    ],
    ids=["no change", "a higher limit", "no limit any more", "another daily limit", "cancelled"],
)
def test_a_mailing_is_paused_only_while_the_limits_are_those_that_were_reached(
    change: str, is_paused: bool, connection: Connection
) -> None:
    set_daily_limit(connection, "5")
    mailing_id = add_running_mailing(connection, 1, **LIMIT)
    detail = EventDetail.SPENDING_LIMIT_REACHED(amount="1.00", limit="1.00", currency="EUR")
    execute(connection, change)
    before = value(connection, "SELECT status::text FROM mailing")

    with connection.cursor() as cursor:
        assert pause(cursor, mailing_id, LimitReached(detail, Decimal(1), Decimal(5))) is is_paused

    assert value(connection, "SELECT status::text FROM mailing") == ("paused" if is_paused else before)
    assert len(history(connection)) == is_paused


def test_a_pause_at_a_limit_waits_for_a_claim_of_the_mailing(connection: Connection, connect: Connect) -> None:
    mailing_id = add_running_mailing(connection, 1, **LIMIT)
    detail = EventDetail.SPENDING_LIMIT_REACHED(amount="1.00", limit="1.00", currency="EUR")
    claiming, pausing = connect(), connect()
    claiming.autocommit = pausing.autocommit = False
    execute(claiming, "SELECT pg_advisory_xact_lock_shared(%s)", mailing_id)

    paused = in_background(lambda: pause(pausing.cursor(), mailing_id, LimitReached(detail, Decimal(1), None)))
    wait_for_lock_waiter(connection)
    claiming.commit()

    assert paused.result(PATIENCE) is True
    pausing.rollback()


def test_a_transaction_that_is_repeated_reserves_nothing_for_what_is_over_the_limit_by_then(
    connection: Connection, priced: Queue
) -> None:
    add_running_mailing(connection, 1, **LIMIT)
    [claimed] = claim_all(priced)
    assert claimed.reserved is not None
    execute(connection, "UPDATE mailing SET spending_limit = 0.01")

    with connection.cursor() as cursor:
        assert reserve(cursor, [claimed], "default", PRICING).over == [claimed]

    assert claimed.reserved is None


def test_a_day_is_one_of_utc_whatever_the_time_zone_of_the_session(connection: Connection) -> None:
    set_daily_limit(connection, "1")
    execute(connection, "BEGIN")
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):  # always one of them has another day than UTC
        execute(connection, "SELECT set_config('timezone', %s, true)", zone)
        execute(connection, LOCK_DAY)

    assert rows(connection, "SELECT day = (now() AT TIME ZONE 'UTC')::date FROM daily_spending") == [(True,)]
    execute(connection, "ROLLBACK")


def test_an_amount_is_added_to_its_mailing_and_day_in_its_currency_and_none_gets_negative(
    connection: Connection,
) -> None:
    for _ in range(2):
        add_running_mailing(connection, 1, **LIMIT)
    execute(
        connection,
        "INSERT INTO spending (mailing_id, currency, amount) VALUES (1, 'EUR', 3), (1, 'RUB', 3), (2, 'EUR', 3)",
    )
    execute(
        connection,
        "INSERT INTO daily_spending (day, currency, amount) "
        "VALUES ('2026-11-29', 'EUR', 3), ('2026-11-29', 'RUB', 3), ('2026-11-30', 'EUR', 3)",
    )
    reservation = Reservation(Decimal(1), "EUR", 1, date(2026, 11, 29))

    with connection.cursor() as cursor:
        add(cursor, [(reservation, Decimal(1)), (reservation, Decimal(1))])
    by_mailing = rows(connection, "SELECT amount FROM spending ORDER BY mailing_id, currency")
    by_day = rows(connection, "SELECT amount FROM daily_spending ORDER BY day, currency")
    assert by_mailing == by_day == [(5,), (3,), (3,)]

    with connection.cursor() as cursor:
        add(cursor, [(reservation, Decimal(-6))])
    assert spent(connection) == spent_today(connection) == 6


def lock_spending(cursor: Cursor) -> None:
    cursor.execute(LOCK_SPENDING, {"mailings": [2, 1]})


def add_spending(cursor: Cursor) -> None:
    add(cursor, [(Reservation(Decimal(1), "EUR", mailing_id, None), Decimal(1)) for mailing_id in (2, 1)])


@pytest.mark.parametrize("lock", [lock_spending, add_spending])
def test_what_mailings_have_spent_is_locked_in_the_order_of_the_mailings(
    lock: Callable[[Cursor], None], connection: Connection, connect: Connect
) -> None:
    for _ in range(2):
        add_running_mailing(connection, 1, **LIMIT)
    execute(connection, "INSERT INTO spending (mailing_id, currency) VALUES (1, 'EUR'), (2, 'EUR')")
    execute(connection, "UPDATE mailing SET updated_at = now() WHERE id = 1")  # its row comes last in the table now
    first, second = connect(), connect()
    execute(second, "SET enable_indexscan = off; SET enable_bitmapscan = off")  # nothing but the statement sorts
    first.autocommit = second.autocommit = False
    execute(first, "SELECT FROM spending WHERE mailing_id = 1 FOR UPDATE")

    locking = in_background(lambda: lock(second.cursor()))
    wait_for_lock_waiter(connection)
    execute(first, "SELECT FROM spending WHERE mailing_id = 2 FOR UPDATE NOWAIT")
    first.commit()

    locking.result(PATIENCE)
    second.rollback()
