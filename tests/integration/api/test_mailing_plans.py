"""GET /v1/mailing/{id}/plan/: what was planned, beside what gateways have accepted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import actual_costs, audience_count, plans
from api.mailings.audience_texts import TextLimits
from tests.factories import add_clients, begin_launch, change_mailing, execute, rows, value
from tests.integration.api.calls import Caller, add_mailing, mailing_body
from tests.integration.api.html_forms import fields_of

GREETING = "Hello, {{ first_name }}"


def plan_of(api: Caller, mailing_id: int) -> Any:
    answer = api.get(f"/v1/mailing/{mailing_id}/plan/")
    assert answer.status_code == 200, answer.text
    return answer.json


def launch(
    connection: Connection, mailing_id: int, last: int = 10_000, segments: int | None = None, price: str | None = None
) -> None:
    """The mailing is launched, and clients with ids up to `last` have a message that was accepted."""
    begin_launch(connection, mailing_id)
    execute(
        connection,
        """
        INSERT INTO message (mailing_id, client_id, phone_number, status, attempts, text_revision, sent_at, ended_at,
            gateway_id)
        SELECT %s, id, phone_number, 'sent', 1, 1, now(), now(), 1 FROM client WHERE id <= %s ORDER BY id
        """,
        mailing_id,
        last,
    )
    execute(
        connection,
        """
        INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, worker, segments, price)
        SELECT id, 1, now(), 0.1, 'default', 'accepted', 'w', %s, %s FROM message WHERE mailing_id = %s
        """,
        segments,
        price,
        mailing_id,
    )


def test_a_mailing_is_planned_when_it_is_added_and_again_when_it_is_changed(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 3, tag="vip")
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Anna"}\' WHERE id < 3')
    mailing_id = add_mailing(api, mark="vip", text=GREETING)
    found = plan_of(api, mailing_id)
    assert (found["planned"]["audience"], found["planned"]["messages"], found["planned"]["segments"]) == (3, 2, 2)
    assert found["planned"]["missing"] == [{"field": "first_name", "clients": 1, "first_clients": [3]}]
    assert found["actual"] == {"messages": 0, "segments": 0, "uncounted": 0, "shares": [], "costs": []}
    assert (found["mailing_id"], found["is_final"]) == (mailing_id, False)

    longer = mailing_body(mark="vip", text="x" * 161)
    assert api.put(f"/v1/mailing/{mailing_id}/", json=longer).status_code == 200
    changed = plan_of(api, mailing_id)
    assert (changed["planned"]["messages"], changed["planned"]["segments"]) == (3, 6)
    assert changed["planned"]["by_segments"] == [{"segments": 2, "messages": 3}]
    assert changed["planned_at"] > found["planned_at"]

    # Once the launch has begun, the plan stays what it was.
    begin_launch(connection, mailing_id)
    assert api.put(f"/v1/mailing/{mailing_id}/", json=longer | {"text": "short"}).status_code == 200
    assert plan_of(api, mailing_id)["planned"] == changed["planned"]


def test_a_template_without_other_characters_forces_no_other_encoding(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Anna"}\'')
    found = api.post("/v1/mailing/plan/", json=mailing_body(mark="vip", text=GREETING)).json
    assert (found["total_segments"], [one["code"] for one in found["warnings"]]) == (2, [])


def test_a_draft_is_planned_when_it_is_sent(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Anna"}\'')
    draft_id = api.post("/v1/draft/create/", json=mailing_body(mark="vip", text=GREETING)).json["id"]
    sent = api.post(f"/v1/draft/{draft_id}/send/", json={"confirm": []})
    assert sent.status_code == 201, sent.text
    assert plan_of(api, sent.json["id"])["planned"]["segments"] == 2
    page = api.get(f"/mailings/{sent.json['id']}/")
    api.post(f"/mailings/{sent.json['id']}/undo/", data=fields_of(page))
    assert value(connection, "SELECT count(*) FROM mailing_plan") == 0
    review = f"/mailings/drafts/{draft_id}/"
    assert api.post(review, data=fields_of(api.get(review))).status_code == 302
    assert rows(connection, "SELECT plan ->> 'messages' FROM mailing_plan") == [("2",)]


def test_advice_needs_no_confirmation(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    draft_id = api.post("/v1/draft/create/", json=mailing_body(mark="vip", text="It’s")).json["id"]
    assert api.post(f"/v1/draft/{draft_id}/send/", json={"confirm": []}).status_code == 201


def test_what_was_accepted_is_counted_in_segments_and_money(api: Caller, connection: Connection) -> None:
    execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR' WHERE id = 1")
    add_clients(connection, 4, tag="vip")
    mailing_id = add_mailing(api, mark="vip", text="x" * 161)
    launch(connection, mailing_id, 3, 2, "0.10")
    # One that the gateway has twice, one whose repeat it knew, and one whose answer came late.
    columns = "message_id, number, started_at, gateway, result, worker, segments, price"
    for message_id, result in ((1, "accepted"), (2, "duplicate")):
        again = f"INSERT INTO attempt ({columns}) VALUES (%s, 2, now(), 'default', %s, 'w', 2, 0.10)"  # noqa: S608
        execute(connection, again, message_id, result)
    late = "result = 'ambiguous', reason_code = 'lease_expired', reason_params = '{\"late_result\": \"accepted\"}'"
    execute(connection, f"UPDATE attempt SET {late} WHERE message_id = 3")  # noqa: S608
    settled = "status = 'finished', ended_at = now(), settled_at = now(), launched_at = now()"
    change_mailing(connection, mailing_id, settled)
    found = plan_of(api, mailing_id)
    assert (found["planned"]["messages"], found["planned"]["segments"]) == (4, 8)
    assert (found["actual"]["messages"], found["actual"]["segments"], found["is_final"]) == (3, 8, True)
    assert [(Decimal(one["cost"]), one["currency"]) for one in found["actual"]["costs"]] == [(Decimal("0.4"), "EUR")]


def test_segments_are_counted_in_the_texts_where_workers_do_not(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    mailing_id = add_mailing(api, mark="vip", text="x" * 161)
    launch(connection, mailing_id)
    actual = plan_of(api, mailing_id)["actual"]
    assert (actual["segments"], actual["uncounted"], actual["costs"]) == (4, 0, [])
    execute(connection, 'UPDATE client SET attributes = \'{"first_name": "Anna"}\'')
    personal = add_mailing(api, mark="vip", text=GREETING)
    launch(connection, personal)
    actual = plan_of(api, personal)["actual"]
    assert (actual["messages"], actual["segments"], actual["uncounted"]) == (2, 0, 2)
    # Without the values of all messages, what they cost is not known either.
    execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR' WHERE id = 1")
    long_name = "UPDATE message SET text_values = ARRAY[repeat('x', 161)] WHERE mailing_id = %s AND client_id = %s"
    execute(connection, long_name, personal, 1)
    actual = plan_of(api, personal)["actual"]
    assert (actual["segments"], actual["uncounted"], actual["costs"]) == (2, 1, [])
    execute(connection, long_name, personal, 2)
    actual = plan_of(api, personal)["actual"]
    assert (actual["segments"], actual["uncounted"]) == (4, 0)
    assert [(Decimal(one["cost"]), one["currency"]) for one in actual["costs"]] == [(Decimal("0.2"), "EUR")]


@pytest.mark.parametrize("reason", ["receipt_came", "resolved_arrived"])
def test_a_message_whose_doubt_was_settled_was_accepted(api: Caller, connection: Connection, reason: str) -> None:
    add_clients(connection, 3, tag="vip")
    mailing_id = add_mailing(api, mark="vip", text="x" * 161)
    launch(connection, mailing_id)
    execute(connection, "UPDATE attempt SET result = 'ambiguous' WHERE message_id < 3")
    execute(connection, "UPDATE message SET reason_code = %s WHERE id = 1", reason)
    execute(
        connection,
        """
        INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
        VALUES (1, 2, now(), 'default', 'ambiguous', 'w')
        """,
    )
    actual = plan_of(api, mailing_id)["actual"]
    assert (actual["messages"], actual["segments"]) == (2, 4)


def test_without_a_plan_or_a_ledger_there_is_none(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing_id = add_mailing(api)
    execute(connection, "DELETE FROM mailing_plan")
    found = plan_of(api, mailing_id)
    assert (found["planned_at"], found["planned"]) == (None, None)
    add_clients(connection, 3000)
    launch(connection, mailing_id)
    monkeypatch.setattr(actual_costs, "SECONDS", 0.0)
    assert plan_of(api, mailing_id)["actual"] is None
    assert api.get("/v1/mailing/4711/plan/").status_code == 404


def test_of_a_mailing_whose_messages_are_no_longer_kept_nothing_is_counted(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    mailing_id = add_mailing(api)
    launch(connection, mailing_id)
    assert plan_of(api, mailing_id)["actual"]["messages"] == 1
    change_mailing(connection, mailing_id, "purge_started_at = now()")
    assert plan_of(api, mailing_id)["actual"] is None


def test_counts_are_final_once_no_message_can_change(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id)
    change_mailing(connection, mailing_id, "status = 'cancelled', ended_at = now()")
    assert plan_of(api, mailing_id)["is_final"] is False
    change_mailing(connection, mailing_id, "settled_at = now()")
    assert plan_of(api, mailing_id)["is_final"] is True


def test_the_plan_of_an_estimated_audience_says_so(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 2000, tag="many")
    execute(connection, "ANALYZE client")
    assert plan_of(api, add_mailing(api, mark="many"))["planned"]["is_exact"] is True
    monkeypatch.setattr(audience_count, "COUNT_LIMIT", 100)
    assert plan_of(api, add_mailing(api, mark="many"))["planned"]["is_exact"] is False


def test_the_plan_of_a_template_that_is_filled_in_for_a_part_says_so(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 5, tag="vip")
    monkeypatch.setattr(plans, "STORED_PLAN_LIMITS", TextLimits(texts=2, seconds=10.0))
    planned = plan_of(api, add_mailing(api, mark="vip", text=GREETING))["planned"]
    assert (planned["audience"], planned["is_exact"]) == (5, False)


def test_the_plan_of_a_text_that_is_too_long_for_all_has_no_messages(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    execute(connection, "UPDATE client SET attributes = jsonb_build_object('first_name', repeat('x', 2000))")
    planned = plan_of(api, add_mailing(api, mark="vip", text=GREETING))["planned"]
    assert (planned["audience"], planned["messages"], planned["segments"]) == (2, 0, 0)
    assert planned["too_long"] == {"clients": 2, "first_clients": [1, 2]}
