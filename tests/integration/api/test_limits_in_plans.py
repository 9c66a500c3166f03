"""What the plan of a mailing says of caps and spending limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import capped_clients
from api.mailings.audience_texts import TYPED
from api.mailings.estimate import Existing, estimate
from tests.factories import FIRST_PHONE, add_clients, execute
from tests.integration.api.calls import Caller, add_mailing

BODY: dict[str, Any] = {"text": "Hello", "mark": "vip"}


def plan(api: Caller, **fields: object) -> Any:
    return api.post("/v1/mailing/plan/", json=BODY | fields).json


def codes(planned: Any) -> list[str]:
    return [one["code"] for one in planned["warnings"]]


def count(connection: Connection, place: int, *hours_ago: float) -> None:
    """Counts messages to the number of a client, claimed so many hours ago."""
    execute(
        connection,
        "INSERT INTO number_usage SELECT %s, array_agg(n), array_agg(now() - hours * interval '1 hour') "
        "FROM unnest(%s::float8[]) WITH ORDINALITY AS made(hours, n)",
        FIRST_PHONE + place,
        list(hours_ago),
    )


def at(planned: Any, name: str) -> datetime:
    return datetime.fromisoformat(planned["over_cap"][name])


def test_a_plan_says_how_many_clients_are_at_a_cap_and_until_when(api: Caller, connection: Connection) -> None:
    add_clients(connection, 5, tag="vip")
    add_clients(connection, 1)
    assert plan(api)["over_cap"] is None
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 1), (2, 24)")
    free = plan(api)
    assert free["over_cap"] == {"clients": 0, "exact": True, "half_free_at": None, "all_free_at": None}
    assert codes(free) == []
    count(connection, 1, 0.5)  # for half an hour, by the first cap
    count(connection, 2, 5, 4)  # for 19 hours, by the second one
    count(connection, 3, 25, 4)  # not any more
    count(connection, 4, 23, 0.5)  # for an hour
    count(connection, 6, 0.5)  # of another tag

    planned = plan(api)

    assert (planned["over_cap"]["clients"], planned["over_cap"]["exact"]) == (3, True)
    assert codes(planned) == ["over_cap"]
    now, near = datetime.now(UTC), timedelta(minutes=1)
    assert abs(at(planned, "half_free_at") - now - timedelta(hours=1)) < near
    assert abs(at(planned, "all_free_at") - now - timedelta(hours=19)) < near
    # When it starts, two of them will be free again.
    later = plan(api, start_datetime=(now + timedelta(hours=2)).isoformat())
    assert later["over_cap"]["clients"] == 1
    assert plan(api, kind="service")["over_cap"] is None
    by_segment = api.post("/v1/mailing/plan/", json={"text": "Hello", "segment": 'tag = "vip"'})
    assert by_segment.json["over_cap"]["clients"] == 3


def test_of_a_large_audience_some_stand_for_all(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capped_clients, "COUNT_LIMIT", 4)
    add_clients(connection, 8, tag="vip")
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 24)")
    for place in range(1, 9):
        count(connection, place, 1)

    over = plan(api)["over_cap"]

    assert (over["clients"], over["exact"]) == (8, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"spending_limit": "0.25", "spending_currency": "EUR"}, []),
        ({"spending_limit": "0.24", "spending_currency": "EUR"}, ["over_spending_limit"]),
        ({"spending_limit": "100", "spending_currency": "RUB"}, ["spending_unknown"]),
    ],
    ids=["no limit", "enough", "too little", "other currency"],
)
def test_a_plan_warns_of_a_spending_limit(
    fields: dict[str, str],
    expected: list[str],
    app: Flask,
    api: Caller,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(app.config, "PRICE_PER_SEGMENT", Decimal("0.05"))
    monkeypatch.setitem(app.config, "PRICE_CURRENCY", "EUR")
    add_clients(connection, 5, tag="vip")

    assert codes(plan(api, **fields)) == expected


@pytest.mark.parametrize(("waiting", "is_counted"), [(None, True), (1, False)], ids=["not launched", "launched"])
def test_a_change_of_a_mailing_counts_clients_at_a_cap_until_its_launch(
    waiting: int | None, is_counted: bool, app: Flask, api: Caller, connection: Connection
) -> None:
    add_clients(connection, 1, tag="vip")
    execute(connection, "INSERT INTO message_cap (messages, period_hours) VALUES (1, 1)")
    count(connection, 1, 0.5)

    with app.app_context():
        planned = estimate(BODY, TYPED, existing=Existing(add_mailing(api), waiting))

    assert (planned["over_cap"] and planned["over_cap"].clients) == (1 if is_counted else None)
