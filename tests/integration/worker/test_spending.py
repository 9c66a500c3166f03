"""Spending limits: what messages cost is reserved before they are submitted, and never exceeds a limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, execute, expire_leases, message, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from worker.claimed_message import ClaimedMessage
from worker.maintenance.duties import Maintenance
from worker.queue import Queue
from worker.spending import Pricing

PRICING = Pricing(lambda text: len(text) // 70 + 1, Decimal("0.05"), "EUR")
LIMIT = {"spending_limit": "1.00", "spending_currency": "EUR"}
"""Twenty messages of one segment."""


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
        set_daily_limit(connection, "100", daily)
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

    costly = [name for name in attempts if name != "refused"]
    assert spent_today(connection) == Decimal("0.05") * len(costly) <= Decimal("3.05")
    by_mailing = rows(connection, "SELECT amount FROM spending")
    assert sum(one[0] for one in by_mailing) == spent_today(connection)
    assert max(one[0] for one in by_mailing) <= Decimal("0.98")
    assert value(connection, "SELECT count(*) FROM mailing WHERE status = 'paused'") > 0


def test_the_spending_of_days_long_ago_is_deleted(connection: Connection, maintenance: Maintenance) -> None:
    execute(connection, "INSERT INTO daily_spending VALUES (now()::date - 500, 'EUR', 1), (now()::date, 'EUR', 1)")

    maintenance.run()

    assert value(connection, "SELECT count(*) FROM daily_spending") == 1


def test_a_mailing_is_paused_at_its_limit_while_the_daily_limit_is_in_another_currency(
    connection: Connection, priced: Queue
) -> None:
    set_daily_limit(connection, "1000.00", "USD")
    add_running_mailing(connection, 30, **LIMIT)

    claimed = priced.claim(30)

    assert len(claimed) == 20
    assert value(connection, "SELECT status::text FROM mailing") == "paused"
