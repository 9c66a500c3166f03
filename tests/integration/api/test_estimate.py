"""POST /v1/mailing/plan/: what a mailing would come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.mailings import audience_count, shares
from api.mailings.audience_texts import TYPED
from api.mailings.estimate import Existing, estimate
from api.settings import ApiSettings
from tests.factories import (
    add_clients,
    add_gateway,
    add_running_mailing,
    change_mailing,
    change_message,
    execute,
    value,
)
from tests.integration.api.calls import Caller, add_client, caller, mailing_body, wrong_fields

PATH = "/v1/mailing/plan/"


@pytest.fixture(scope="module")
def app_with_price(database_url: str) -> Flask:
    """An application that knows the rate limit and the price."""
    settings = ApiSettings(database_url=parse_database_url(database_url), gateway_rate=50.0)
    return create_app(replace(settings, price_per_segment=Decimal("0.045"), price_currency="EUR"))


@pytest.fixture
def priced(app_with_price: Flask, clean_database: str) -> Caller:
    """Its caller."""
    return caller(app_with_price)


def test_a_plan_says_whom_it_reaches_in_how_many_segments(api: Caller) -> None:
    ids = [add_client(api), add_client(api, phone_number=79261234567, operator_code="926")]
    plan = api.post(PATH, json=mailing_body(text="Привет")).json
    assert (plan["audience"], plan["audience_is_exact"]) == (2, True)
    assert [client["id"] for client in plan["sample"]] == ids
    assert (plan["segments"]["encoding"], plan["segments"]["count"], plan["total_segments"]) == ("ucs2", 1, 2)
    assert plan["segments"]["forced_by"] == {"character": "П", "name": "CYRILLIC CAPITAL LETTER PE", "position": 1}
    assert plan["warnings"] == []


def test_a_client_with_the_mark_as_tag_and_as_code_counts_once(api: Caller) -> None:
    add_client(api, tag="916")
    add_client(api, tag="916", phone_number=79261234567, operator_code="926")
    add_client(api, phone_number=79161234568)
    assert api.post(PATH, json={"mark": "916"}).json["audience"] == 3


def test_an_empty_draft_is_estimated(api: Caller) -> None:
    plan = api.post(PATH, json={}).json
    assert (plan["audience"], plan["segments"]["count"], plan["total_segments"]) == (0, 0, 0)
    assert (plan["sample"], plan["warnings"]) == ([], [])


def test_price_and_rate_are_reckoned_with_when_they_are_set(priced: Caller, connection: Connection) -> None:
    add_clients(connection, 100, tag="vip")
    plan = priced.post(PATH, json=mailing_body(text="Hello")).json
    assert (Decimal(plan["cost"]), plan["currency"], plan["seconds_needed"]) == (Decimal("4.5"), "EUR", 2.0)


def test_messages_of_other_mailings_share_the_rate_if_they_can_be_sent(priced: Caller, connection: Connection) -> None:
    add_clients(connection, 100, tag="vip")
    add_running_mailing(connection, 50)
    change_mailing(connection, add_running_mailing(connection, 30), "status = 'paused'")
    add_running_mailing(connection, 1)
    for message_id in (1, 81):
        change_message(connection, message_id, "status = 'sent', sent_at = now(), ended_at = now()")
    add_running_mailing(connection, 7, ends_in=60)
    now = datetime.now(UTC)
    window = {"start_datetime": now.isoformat(), "end_datetime": (now + timedelta(hours=1)).isoformat()}

    plan = priced.post(PATH, json=mailing_body(mark="vip", **window)).json
    assert (plan["other_mailings"], plan["other_messages"]) == (2, 49 + 7)
    assert plan["seconds_needed"] == (100 + 49 + 7) / 50

    # One whose window has closed when this one starts shares nothing with it.
    priced.application.config["GATEWAY_RATE"] = 0.01  # type: ignore[attr-defined]
    window["start_datetime"] = (now + timedelta(minutes=2)).isoformat()
    assert priced.post(PATH, json=mailing_body(mark="vip", **window)).json["other_mailings"] == 1


def test_the_messages_of_a_mailing_that_is_changed_are_none_of_another(app: Flask, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    add_running_mailing(connection, 2)
    with app.app_context():
        plan = estimate({"text": "Hello"}, TYPED, existing=Existing(mailing_id, waiting=3))
    assert (plan["audience"], plan["other_mailings"], plan["other_messages"]) == (3, 1, 2)
    assert plan["total_segments"] == 3


@pytest.mark.parametrize("waiting", [None, 2], ids=["not launched", "launched"])
def test_a_text_that_is_sent_as_it_is_may_have_braces(app: Flask, connection: Connection, waiting: int | None) -> None:
    mailing_id, text = add_running_mailing(connection, 2), "Hello, {{ nobody }}"
    with app.app_context():
        plan = estimate({"text": text}, TYPED, existing=Existing(mailing_id, waiting, plain_text=text))
    assert (plan["segments"]["count"], plan["distribution"]) == (1, None)


@pytest.mark.parametrize(
    ("limit", "speed", "is_measured"), [(0.0, 5.0, True), (9.0, 5.0, True), (5.0, 9.0, False), (9.0, 0.0, False)]
)
def test_the_measured_speed_counts_unless_the_rate_limit_is_lower(
    database_url: str, connection: Connection, limit: float, speed: float, is_measured: bool
) -> None:
    add_running_mailing(connection, 2)
    app = create_app(ApiSettings(database_url=parse_database_url(database_url), gateway_rate=limit))
    with app.app_context():
        assert estimate({"text": "Hello"}, TYPED, speed=speed)["is_measured"] is is_measured


def test_without_other_messages_no_speed_is_measured(app: Flask, api: Caller) -> None:
    with app.app_context():
        assert estimate({"text": "Hello"}, TYPED, speed=5.0)["is_measured"] is False


def test_price_and_rate_are_unknown_otherwise(api: Caller) -> None:
    plan = api.post(PATH, json=mailing_body()).json
    assert (plan["cost"], plan["currency"], plan["seconds_needed"]) == (None, "", None)


def test_what_is_probably_not_meant_is_said(api: Caller) -> None:
    window = {"start_datetime": "2022-06-01T00:00:00Z", "end_datetime": "2022-06-02T00:00:00Z"}
    plan = api.post(PATH, json={"mark": "nobody", **window}).json
    assert [warning["code"] for warning in plan["warnings"]] == ["window_closed", "nobody_matches"]


def test_what_no_mailing_can_have_is_refused(api: Caller) -> None:
    answer = api.post(PATH, json={"text": "x" * 1601, "nonsense": 1})
    assert answer.status_code == 422
    assert wrong_fields(answer) == {"text", "nonsense"}


def test_a_plan_adds_nothing(api: Caller, connection: Connection) -> None:
    api.post(PATH, json=mailing_body())
    assert value(connection, "SELECT count(*) FROM mailing") == 0


def test_a_large_audience_is_estimated(
    app: Flask, api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 2000, tag="many")
    execute(connection, "ANALYZE client")
    monkeypatch.setattr(audience_count, "COUNT_LIMIT", 100)
    plan = api.post(PATH, json={"mark": "many"}).json
    assert not plan["audience_is_exact"]
    assert 1800 <= plan["audience"] <= 2200
    assert len(plan["sample"]) == audience_count.SAMPLE


def listed(*names: str, **weights: int) -> list[dict[str, object]]:
    return [{"gateway": name} for name in names] or [{"gateway": n, "weight": w} for n, w in weights.items()]


@pytest.fixture
def routed(api: Caller, connection: Connection) -> Caller:
    """Gateways at prices in two currencies, a route of weights for a prefix and one for an operator code."""
    for name, price, currency in (("cheap", "0.01", "EUR"), ("dear", "0.10", "EUR"), ("ruble", "3", "RUB")):
        gateway_id = add_gateway(connection, name)
        price_it = "UPDATE gateway SET segment_price = %s, currency = %s WHERE id = %s"
        execute(connection, price_it, price, currency, gateway_id)
    abroad = {"name": "abroad", "gateways": listed(cheap=75, dear=25), "prefixes": ["38", "79000000"]}
    assert api.post("/v1/route/", json=abroad).status_code == 201
    megafon = {"name": "operator", "gateways": listed("ruble"), "operator_codes": ["926"]}
    assert api.post("/v1/route/", json=megafon).status_code == 201
    return api


def test_a_plan_says_which_share_goes_where_at_what_price(routed: Caller, connection: Connection) -> None:
    add_clients(connection, 8, tag="vip")
    for number, code in ((79261234567, "926"), (79261234568, "926"), (79161234567, "916")):
        add_client(routed, phone_number=number, operator_code=code)
    plan = routed.post(PATH, json=mailing_body(text="x" * 161)).json
    assert [(s["gateway"], s["messages"], s["segments"], s["cost"], s["currency"]) for s in plan["shares"]] == [
        ("cheap", 6, 12, "0.12", "EUR"),
        ("dear", 2, 4, "0.4", "EUR"),
        ("ruble", 2, 4, "12", "RUB"),
        ("default", 1, 2, None, None),
    ]
    assert plan["costs"] == [{"cost": "0.52", "currency": "EUR"}, {"cost": "12", "currency": "RUB"}]
    assert plan["cost"] is None
    assert plan["audience"] == sum(share["messages"] for share in plan["shares"])


def test_the_cost_is_unknown_if_that_of_a_share_is(routed: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    add_client(routed, phone_number=79161234567, operator_code="916")
    plan = routed.post(PATH, json=mailing_body(text="Hello")).json
    assert {share["gateway"] for share in plan["shares"]} == {"cheap", "default"}
    assert plan["costs"] == [{"cost": "0.01", "currency": "EUR"}]
    assert plan["cost"] is None


def test_the_plan_of_a_mailing_with_a_route_is_that_of_the_route(routed: Caller, connection: Connection) -> None:
    add_clients(connection, 10, tag="vip")
    assert routed.post("/v1/route/", json={"name": "all", "gateways": listed("ruble"), "prefixes": ["7900000"]}).json
    plan = routed.post(PATH, json=mailing_body(text="Hello", route="abroad")).json
    assert [(share["gateway"], share["messages"]) for share in plan["shares"]] == [("cheap", 8), ("dear", 2)]
    assert (Decimal(plan["cost"]), plan["currency"]) == (Decimal("0.28"), "EUR")
    assert routed.post(PATH, json=mailing_body(route="nowhere")).json["shares"] == []


def test_the_plan_follows_paths_to_their_present_gateways(routed: Caller, connection: Connection) -> None:
    add_clients(connection, 10, tag="vip")
    execute(connection, "UPDATE path SET gateway_id = 3 WHERE route_id = 2")
    plan = routed.post(PATH, json=mailing_body(text="Hello")).json
    assert [(share["gateway"], share["messages"]) for share in plan["shares"]] == [("dear", 10)]


def test_the_shares_of_a_large_audience_are_those_of_a_part(
    routed: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 300, tag="many")
    monkeypatch.setattr(audience_count, "COUNT_LIMIT", 100)
    monkeypatch.setattr(shares, "SAMPLE_LIMIT", 100)
    execute(connection, "ANALYZE client")
    plan = routed.post(PATH, json={"mark": "many", "text": "Hello"}).json
    assert [share["gateway"] for share in plan["shares"]] == ["cheap", "dear"]
    assert sum(share["messages"] for share in plan["shares"]) == plan["audience"]
