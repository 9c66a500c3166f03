"""How soon messages are delivered, why others are not, and receipts that match no message."""

from __future__ import annotations

import re
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.statistics import delivery
from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Receipt
from tests.factories import add_gateway, add_running_mailing, execute
from tests.integration.api.calls import Caller
from tests.integration.api.test_metrics import scrape
from tests.receipts import receive


def measure(connection: Connection, gateway_id: int, operator_code: str, minutes_ago: int, *counts: int) -> None:
    execute(
        connection,
        "INSERT INTO delivery_speed VALUES (%s, %s, date_trunc('minute', now()) - %s * interval '1 minute', %s, %s, %s,"
        " %s, %s)",
        gateway_id,
        operator_code,
        minutes_ago,
        *counts,
    )


@pytest.fixture
def measured(connection: Connection) -> None:
    """Two gateways: of the last hour, of before, and of more than a day ago."""
    add_gateway(connection, "second")
    measure(connection, 1, "916", 15, 100, 60, 80, 90, 5)
    measure(connection, 1, "916", 16, 100, 40, 60, 70, 5)
    measure(connection, 1, "926", 20, 50, 0, 0, 0, 0)
    measure(connection, 1, "916", 300, 1000, 1000, 1000, 1000, 0)
    measure(connection, 2, "", 30, 10, 1, 2, 3, 4)
    measure(connection, 2, "916", 25 * 60, 10, 10, 10, 10, 0)


def add_undelivered(connection: Connection) -> None:
    """Six messages that were not delivered: two of them long ago, one by the second gateway."""
    add_running_mailing(connection, 7)
    execute(
        connection,
        """
        UPDATE message SET status = 'sent', ended_at = now(), gateway_id = CASE id WHEN 6 THEN 2 ELSE 1 END,
            sent_at = now() - CASE WHEN id < 3 THEN interval '25 hours' ELSE interval '1 hour' END,
            delivery = 'undelivered',
            delivery_reason = CASE id WHEN 5 THEN 'expired' ELSE 'blocked' END::undelivered_reason
        WHERE id < 7
        """,
    )


def add_orphans(connection: Connection, gateway_id: int, count: int, **columns: Any) -> None:
    columns = {"state": "delivered"} | columns
    names = "".join(f", {name}" for name in columns)
    values = ", %s" * len(columns)
    execute(
        connection,
        f"""
        INSERT INTO receipt_orphan (gateway_id, fingerprint, provider_message_id{names})
        SELECT %s, gen_random_uuid(), 'SM' || n{values} FROM generate_series(1, %s) AS n
        """,  # noqa: S608  names of columns from this file
        gateway_id,
        *columns.values(),
        count,
    )


@pytest.mark.usefixtures("measured")
def test_the_speed_of_delivery_is_told_by_gateway_and_operator(api: Caller) -> None:
    speed = api.get("/v1/statistics/delivery/").json["speed"]
    columns = ("gateway", "operator_code", "sent", "within_1", "within_5", "within_10", "undelivered")
    assert [tuple(one[name] for name in columns) for one in speed] == [
        ("default", "916", 1200, 1100, 1140, 1160, 10),
        ("default", "926", 50, 0, 0, 0, 0),
        ("second", "", 10, 1, 2, 3, 4),
    ]
    last_hour = api.get("/v1/statistics/delivery/?hours=1").json["speed"]
    assert [one["sent"] for one in last_hour] == [200, 50, 10]
    assert [one["sent"] for one in api.get("/v1/statistics/delivery/?hours=26").json["speed"]] == [1200, 50, 10, 10]


@pytest.mark.parametrize("hours", ["0", "841", "day", "-1"])
def test_a_period_that_is_not_kept_is_refused(api: Caller, hours: str) -> None:
    assert api.get(f"/v1/statistics/delivery/?hours={hours}").status_code == 422


def test_the_reasons_of_undelivered_messages_are_counted(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_gateway(connection, "second")
    add_undelivered(connection)
    reasons = api.get("/v1/statistics/delivery/").json["undelivered_reasons"]
    assert [(one["gateway"], one["reason"], one["messages"]) for one in reasons] == [
        ("default", "blocked", 2),
        ("default", "expired", 1),
        ("second", "blocked", 1),
    ]
    monkeypatch.setattr(delivery, "MAX_EXAMINED", 1)
    (last,) = api.get("/v1/statistics/delivery/").json["undelivered_reasons"]
    assert (last["gateway"], last["messages"]) == ("second", 1)


@pytest.mark.usefixtures("measured")
def test_the_dashboard_shows_shares_by_gateway_and_operator(api: Caller, connection: Connection) -> None:
    add_undelivered(connection)
    page = api.get("/?part=live").text
    table = page[page.index('id="delivered-title"') : page.index('id="undelivered-title"')]
    rows = [re.findall(r">([^<>\s]+)\s*<", row) for row in table.split("<tr")[2:]]
    assert rows == [
        ["default", "250", "40.0%", "56.0%", "64.0%", "4.0%"],
        ["916", "200", "50.0%", "70.0%", "80.0%", "5.0%"],
        ["926", "50", "0.0%", "0.0%", "0.0%", "0.0%"],
        ["second", "10", "10.0%", "20.0%", "30.0%", "40.0%"],
    ]
    reasons = page[page.index('id="undelivered-title"') : page.index('id="under-way-title"')]
    assert re.findall(r"<td>(\d+)</td>", reasons) == ["3", "1"]


def test_a_dashboard_without_measurements_shows_no_table(api: Caller) -> None:
    assert "delivered-title" not in api.get("/?part=live").text


@pytest.mark.usefixtures("measured")
def test_prometheus_reads_the_shares_of_the_last_hour(api: Caller) -> None:
    scraped = scrape(api)
    assert scraped["gonets_delivery_measured", "default"] == 250
    assert scraped["gonets_delivery_share", "default", "1m"] == 100 / 250
    assert scraped["gonets_delivery_share", "default", "5m"] == 140 / 250
    assert scraped["gonets_delivery_share", "default", "10m"] == 160 / 250
    assert scraped["gonets_delivery_share", "second", "10m"] == 3 / 10


def test_prometheus_reads_waiting_receipts_orphans_and_deliveries(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    assert scrape(api)["gonets_receipts_waiting",] == scrape(api)["gonets_receipt_oldest_seconds",] == 0
    receive(connection, Receipt(state=ReceiptState.DELIVERED, message_id=1))
    receive(connection, Receipt(state=ReceiptState.DELIVERED, message_id=2))
    execute(connection, "UPDATE receipt_queue SET received_at = now() - interval '10 minutes' WHERE message_id = 1")
    add_orphans(connection, 2, 3)
    add_undelivered(connection)

    scraped = scrape(api)

    assert scraped["gonets_receipts_waiting",] == 2
    assert 600 <= scraped["gonets_receipt_oldest_seconds",] < 1000
    assert scraped["gonets_receipt_orphans", "second"] == 3
    assert scraped["gonets_receipt_orphans", "default"] == scraped["gonets_delivery_measured", "default"] == 0
    assert scraped["gonets_sent_messages", "undelivered"] == scraped["gonets_messages", "sent"] == 6


def test_receipts_without_a_message_are_listed_and_counted_by_gateway(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    add_orphans(connection, 2, 2, recipient="79161234567", code="7")
    add_orphans(connection, 1, 1, message_id=99, repeats=4)
    first, *others = api.get("/v1/orphan-receipt/").json
    assert [one["id"] for one in others] == [2, 3]
    assert first == {
        "id": 1,
        "gateway": "second",
        "received_at": first["received_at"],
        "provider_message_id": "SM1",
        "message_id": None,
        "recipient": "79161234567",
        "state": "delivered",
        "reason": None,
        "code": "7",
        "words": None,
        "event_at": None,
        "part": None,
        "repeats": 0,
    }
    page = api.get("/v1/orphan-receipt/?limit=2")
    assert 'after=2>; rel="next"' in page.headers["Link"]
    (last,) = api.get("/v1/orphan-receipt/?after=2").json
    assert (last["message_id"], last["repeats"]) == (99, 4)
    counted = api.get("/v1/statistics/delivery/").json["orphan_receipts"]
    assert counted == [{"gateway": "default", "receipts": 1}, {"gateway": "second", "receipts": 2}]


def test_the_page_of_receipts_without_a_message_shows_the_latest_first(api: Caller, connection: Connection) -> None:
    assert "Every receipt matches a message." in api.get("/orphan-receipts/").text
    add_orphans(connection, 1, 60, state="undelivered", reason=UndeliveredReason.OTHER)
    assert 'href="/orphan-receipts/"' in api.get("/gateways/").text
    page = api.get("/orphan-receipts/").text
    ids = re.findall(r"SM\d+", page)
    assert (ids[0], len(ids)) == ("SM60", 50)
    assert "The provider gives another reason, or none" in page
    following = re.search(r'href="([^"]*)" rel="next"', page)
    assert following
    assert len(re.findall(r"SM\d+", api.get(following[1].replace("&amp;", "&")).text)) == 10
