"""POST /v1/mailing/plan/ of a template: the texts that it makes for the clients of the audience."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import audience_texts, estimate_routes
from api.mailings.audience_texts import TextLimits
from tests.factories import (
    add_clients,
    add_gateway,
    add_running_mailing,
    add_segment,
    begin_launch,
    change_message,
    execute,
    rows,
    value,
)
from tests.integration.api.calls import Caller, add_mailing, mailing_body, wrong_fields
from tests.integration.api.html_forms import fields_of
from tests.integration.api.test_mailing_review import draft_of, typed

PATH = "/v1/mailing/plan/"

NAMES = "UPDATE client SET attributes = jsonb_build_object('first_name', repeat('я', (id %% 100)::int + 1))"
"""Names of 1 to 100 letters: with "Привет, " before them, 62 texts have one segment and 38 have two."""

GREETING = "Привет, {{ first_name }}"


def test_the_texts_are_counted_by_their_segments(api: Caller, connection: Connection) -> None:
    add_clients(connection, 100, tag="vip")
    execute(connection, NAMES)
    plan = api.post(PATH, json=mailing_body(mark="vip", text=GREETING)).json
    found = plan["distribution"]
    assert found["by_segments"] == [{"segments": 1, "messages": 62}, {"segments": 2, "messages": 38}]
    assert (plan["audience"], plan["total_segments"], found["ucs2"]) == (100, 62 + 2 * 38, 100)
    assert (found["is_sample"], found["sample_size"], found["timed_out"]) == (False, 100, False)
    longest = value(connection, "SELECT id FROM client ORDER BY length(attributes ->> 'first_name') DESC LIMIT 1")
    assert found["longest"] == {"client_id": longest, "text": f"Привет, {'я' * 100}", "segments": 2}
    assert (found["shortest"]["text"], plan["segments"]["characters"]) == ("Привет, я", 108)
    assert plan["warnings"] == []


def test_clients_without_a_value_are_counted_and_named(api: Caller, connection: Connection) -> None:
    add_clients(connection, 20, tag="vip")
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Мария"}\' WHERE id %% 2 = 0')
    text = (
        '{{ first_name }}{% if birthday %}, {{ birthday | date: "%d.%m" }}{% endif %}, {{ last_name | default: "–" }}'
    )
    plan = api.post(PATH, json=mailing_body(mark="vip", text=text)).json
    lacking = value(connection, "SELECT array_agg(id) FROM client WHERE NOT attributes ? 'first_name'")
    (missing,) = plan["distribution"]["missing"]
    assert (missing["field"], missing["clients"], len(missing["first_clients"])) == ("first_name", 10, 5)
    assert set(missing["first_clients"]) <= set(lacking)
    assert plan["total_segments"] == sum(share["messages"] for share in plan["shares"]) == 10
    assert [warning["code"] for warning in plan["warnings"]] == ["missing_values"]


def test_texts_that_are_too_long_empty_or_ucs2_only_for_some_are_said(api: Caller, connection: Connection) -> None:
    ids = add_clients(connection, 4, tag="vip")
    for client_id, name in zip(ids, ("x" * 500, "я", "Anna"), strict=False):
        set_it = "UPDATE client SET attributes = jsonb_build_object('first_name', %s::text) WHERE id = %s"
        execute(connection, set_it, name, client_id)
    plan = api.post(PATH, json=mailing_body(mark="vip", text="{% if first_name %}{{ first_name }}{% endif %}" * 4)).json
    found = plan["distribution"]
    assert found["too_long"] == {"clients": 1, "first_clients": [ids[0]]}
    assert found["empty"] == {"clients": 1, "first_clients": [ids[3]]}
    assert (found["ucs2"], plan["total_segments"]) == (1, 2)
    assert [warning["code"] for warning in plan["warnings"]] == ["too_long", "empty_texts", "forced_ucs2"]


def test_a_gateway_counts_and_limits_texts_in_its_own_way(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    gateway_id = add_gateway(connection, "smsbox", provider="kannel")
    price_it = "UPDATE gateway SET options = %s, segment_price = 2, currency = 'EUR' WHERE id = %s"
    execute(connection, price_it, '{"max_messages": "3"}', gateway_id)
    assert api.post("/v1/route/", json={"name": "r", "gateways": [{"gateway": "smsbox"}]}).status_code == 201
    # A phone network would need three segments: it tears no escape apart.
    text = "a" * 152 + "€" + "a" * 152
    plan = api.post(PATH, json=mailing_body(mark="vip", text=text, route="r")).json
    assert (plan["shares"][0]["segments"], plan["total_segments"], plan["cost"]) == (4, 4, "8.000000")
    plan = api.post(PATH, json=mailing_body(mark="vip", text="a" * 460, route="r")).json
    assert (plan["shares"], plan["total_segments"]) == ([], 0)
    assert [warning["code"] for warning in plan["warnings"]] == ["too_long"]


def test_each_message_goes_where_the_launch_would_send_it(api: Caller, connection: Connection) -> None:
    for name, price in (("cheap", 1), ("dear", 10)):
        gateway_id = add_gateway(connection, name)
        execute(connection, "UPDATE gateway SET segment_price = %s, currency = 'EUR' WHERE id = %s", price, gateway_id)
    listed = [{"gateway": "cheap", "weight": 70}, {"gateway": "dear", "weight": 30}]
    assert api.post("/v1/route/", json={"name": "abroad", "gateways": listed, "prefixes": ["7900"]}).status_code == 201
    other = {"name": "other", "gateways": [{"gateway": "dear"}], "operator_codes": ["916"]}
    assert api.post("/v1/route/", json=other).status_code == 201
    add_clients(connection, 300, tag="vip")
    execute(connection, "UPDATE client SET operator_code = '916', phone_number = 79160000000 + id WHERE id %% 3 = 0")
    execute(connection, NAMES)
    plan = api.post(PATH, json=mailing_body(mark="vip", text=GREETING)).json
    truly = rows(
        connection,
        """
        SELECT name, count(*), sum(CASE WHEN length(attributes ->> 'first_name') > 62 THEN 2 ELSE 1 END)
        FROM client JOIN path ON path.id = path_of(NULL, phone_number, operator_code, client.id)
            JOIN gateway ON gateway.id = path.gateway_id
        GROUP BY name ORDER BY 2 DESC
        """,
    )
    assert [(s["gateway"], s["messages"], s["segments"]) for s in plan["shares"]] == truly


def test_of_a_large_audience_a_sample_is_taken_and_said_to_be_one(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 20_000, tag="vip")
    execute(connection, NAMES)
    monkeypatch.setattr(estimate_routes, "SHOWN", TextLimits(2000, 5.0))
    plan = api.post(PATH, json=mailing_body(mark="vip", text=GREETING)).json
    found = plan["distribution"]
    assert (found["is_sample"], 1900 <= found["sample_size"] <= 2001) == (True, True)
    ones, twos = (one["messages"] for one in found["by_segments"])
    assert (plan["audience"], ones + twos, plan["total_segments"]) == (20_000, 20_000, ones + 2 * twos)
    # 12,400 truly. The sample is random, but always the same: 217 is the standard deviation.
    assert 11_300 < ones < 13_500

    # It is as good when time runs out: the first clients are no others than the rest.
    monkeypatch.setattr(estimate_routes, "SHOWN", TextLimits(100_000, 0.0))
    monkeypatch.setattr(audience_texts, "STATEMENT_SECONDS", 5.0)
    found = api.post(PATH, json=mailing_body(mark="vip", text=GREETING)).json["distribution"]
    assert (found["is_sample"], found["timed_out"], found["sample_size"]) == (True, True, audience_texts.PAGE)
    assert 11_300 < found["by_segments"][0]["messages"] < 13_500

    # Nor does a plan fail that could read nothing.
    monkeypatch.setattr(audience_texts, "STATEMENT_SECONDS", 0.001)
    plan = api.post(PATH, json=mailing_body(mark="vip", text=GREETING)).json
    assert (plan["distribution"]["timed_out"], plan["distribution"]["sample_size"]) == (True, 0)


def test_those_left_out_are_not_counted(api: Caller, connection: Connection) -> None:
    ids = add_clients(connection, 10, tag="vip")
    execute(connection, NAMES)
    execute(connection, "UPDATE client SET unknown_subscriber_count = 3 WHERE id = %s", ids[0])
    plan = api.post(PATH, json=mailing_body(mark="vip", text=GREETING, exclude_unknown_after=2)).json
    assert (plan["audience"], plan["left_out"], plan["distribution"]["sample_size"]) == (9, 1, 9)


def test_the_audience_may_be_a_segment_without_others(api: Caller, connection: Connection) -> None:
    add_clients(connection, 100, tag="vip")
    execute(connection, NAMES)
    excluded = add_segment(connection, 'first_name = "яя"')
    segment = 'first_name exists and tag = "vip"'
    audience = {"mark": "", "segment": segment, "excluded_segment_ids": [excluded]}
    plan = api.post(PATH, json=mailing_body(text=GREETING, **audience)).json
    found = plan["distribution"]
    assert (plan["audience"], found["sample_size"], plan["total_segments"]) == (99, 99, 61 + 2 * 38)
    # In the review too, which a GET shows.
    draft = typed(text=GREETING, mark="", segment=segment, excluded_segment_ids=str(excluded))
    page = api.get(draft_of(api, draft)).text
    assert "Send to 99 clients now" in page
    # Nobody has been named yet, and some clients have no tag.
    execute(connection, "UPDATE client SET tag = ''")
    assert api.post(PATH, json={"text": GREETING}).json["distribution"]["sample_size"] == 0


def test_a_text_that_is_no_template_is_refused(api: Caller) -> None:
    answer = api.post(PATH, json=mailing_body(text="Hello {{ nonsense }}"))
    assert (answer.status_code, wrong_fields(answer)) == (422, {"text"})


def test_characters_that_only_look_like_others_are_named_with_what_replaces_them(api: Caller) -> None:
    plan = api.post(PATH, json={"text": "Sаle – {{ first_name }}"}).json
    assert plan["lookalikes"] == [
        {"character": "а", "name": "CYRILLIC SMALL LETTER A", "position": 2, "replacement": "a"},
        {"character": "–", "name": "EN DASH", "position": 6, "replacement": "-"},
    ]
    assert plan["replaced_text"] == "Sale - {{ first_name }}"
    assert [warning["code"] for warning in plan["warnings"]] == ["forced_ucs2"]
    plan = api.post(PATH, json={"text": "Привет, «друг»"}).json
    assert (plan["lookalikes"], plan["replaced_text"], plan["warnings"]) == ([], None, [])


def test_a_change_after_the_launch_is_planned_for_what_was_not_attempted(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Anna"}\'')
    change_message(connection, 1, "text_revision = 1, attempts = 1")
    data = fields_of(api.get(f"/mailings/{mailing_id}/edit/")) | {"text": GREETING}
    shown = api.post(f"/mailings/estimate/?mailing={mailing_id}", data=data).text
    assert "Total segments</dt>\n  <dd><b>2</b>" in shown


@pytest.mark.parametrize("is_launched", [False, True])
def test_a_text_with_braces_that_was_never_a_template_is_estimated_as_it_is(
    api: Caller, connection: Connection, is_launched: bool
) -> None:
    mailing_id = add_mailing(api, text="plain")
    execute(connection, "UPDATE mailing_text SET text = 'It is {{ nobody }}'")
    if is_launched:
        begin_launch(connection, mailing_id)
    form = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    address = f"/mailings/estimate/?mailing={mailing_id}"
    assert "there is no field" not in api.post(address, data=form).text
    assert "there is no field" in api.post(address, data=form | {"text": "{{ nobody }}"}).text
