"""What a mailing says of its messages, and of itself."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import event

from api.extensions import db
from api.mailings.queries import mailing_by_id
from shared.domain.statuses import MessageStatus
from tests import factories
from tests.integration.api.calls import Caller, add_client, add_mailing, mailing_body
from tests.integration.api.worker_steps import end, launch

STATUSES = [status.value for status in MessageStatus]


def test_a_mailing_carries_the_counts_of_its_messages(api: Caller, connection: Connection) -> None:
    other, mailing_id = add_mailing(api), add_mailing(api)
    launch(connection, other, "sent", "sent")
    statuses = [status for number, status in enumerate(STATUSES, 1) for _ in range(number)]
    launch(connection, mailing_id, *statuses)
    mailing = api.get(f"/v1/mailing/{mailing_id}/").json
    assert mailing["messages"] == {status: number for number, status in enumerate(STATUSES, 1)}
    assert mailing["audience"] == sum(mailing["messages"].values())
    assert [one["messages"]["sent"] for one in api.get("/v1/mailing/").json] == [2, 3]
    factories.execute(connection, "UPDATE message SET status = 'pending' WHERE status = 'sending'")
    assert api.get(f"/v1/mailing/{mailing_id}/").json["messages"] | {"sending": 2, "pending": 1} == mailing["messages"]


def test_a_list_costs_the_same_number_of_statements_however_long_it_is(app: Flask, api: Caller) -> None:
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    for _ in range(3):
        add_mailing(api)
    event.listen(engine, "before_cursor_execute", note)
    api.get("/v1/mailing/?limit=1")
    of_one = len(statements)
    api.get("/v1/mailing/?limit=3")
    event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == 2 * of_one


@pytest.mark.parametrize(
    ("given", "state", "tables"),
    [
        ({}, "launched", []),
        ({}, "cancelled", []),
        ({}, "waits", ["client"]),
        ({"mark": "", "segment": "operator_code = 916"}, "waits", []),
        ({"route": "default"}, "launched", ["route"]),
    ],
    ids=["launched", "cancelled", "waits", "waits with a segment", "has a route"],
)
def test_only_a_mailing_that_needs_them_costs_statements_for_names_and_matching_clients(
    given: dict[str, str], state: str, tables: list[str], app: Flask, api: Caller, connection: Connection
) -> None:
    mailing_id = add_mailing(api, **given)
    if state == "launched":
        launch(connection, mailing_id, "sent")
    if state == "cancelled":
        end(connection, mailing_id, "cancelled")
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        mailing_by_id(mailing_id)
        event.remove(db.engine, "before_cursor_execute", note)

    _, *others = statements
    assert [one.rpartition("FROM ")[2].split()[0] for one in others] == tables


def test_a_list_has_the_names_of_routes_and_gateways_also_of_removed_ones(api: Caller, connection: Connection) -> None:
    names = ["first", "second", "third"]
    gateways = {name: factories.add_gateway(connection, name) for name in names}
    routes = {
        name: factories.value(connection, "INSERT INTO route (name) VALUES (%s) RETURNING id", f"{name} route")
        for name in names
    }
    for column, ids in (("route_id", routes), ("gateway_id", gateways)):
        for row_id in reversed(ids.values()):
            factories.execute(
                connection,
                f"UPDATE mailing SET {column} = %s WHERE id = %s",  # noqa: S608  our names
                row_id,
                add_mailing(api),
            )
    add_mailing(api)
    factories.execute(connection, "UPDATE gateway SET removed_at = now() WHERE name = 'second'")
    factories.execute(connection, "UPDATE route SET removed_at = now() WHERE name = 'second route'")

    assert [(one["route"], one["gateway"]) for one in api.get("/v1/mailing/").json] == [
        ("third route", None),
        ("second route", None),
        ("first route", None),
        (None, "third"),
        (None, "second"),
        (None, "first"),
        (None, None),
    ]


def test_the_counts_of_sent_messages_are_by_delivery_and_add_up(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    deliveries = [None, "awaiting", "awaiting", "delivered", "delivered", "delivered", "undelivered", "no_receipt"]
    launch(connection, mailing_id, *["sent"] * len(deliveries), "failed", "unknown")
    for client_id, delivery in enumerate(deliveries, 1):
        factories.execute(
            connection,
            "UPDATE message SET gateway_id = 1, delivery = %s, delivery_reason = CASE %s WHEN 'undelivered' "
            "THEN 'expired'::undelivered_reason END WHERE client_id = %s",
            delivery,
            delivery,
            client_id,
        )

    mailing = api.get(f"/v1/mailing/{mailing_id}/").json

    assert mailing["messages"] == dict.fromkeys(STATUSES, 0) | {"sent": 8, "failed": 1, "unknown": 1}
    assert mailing["delivery"] == {"awaiting": 2, "delivered": 3, "undelivered": 1, "no_receipt": 2}


def codes(api: Caller, mailing_id: int) -> list[str]:
    return [warning["code"] for warning in api.get(f"/v1/mailing/{mailing_id}").json["warnings"]]


def test_a_mark_that_matches_nobody_is_accepted_and_said(api: Caller, connection: Connection) -> None:
    add_client(api)
    marks = ["vip", "916", "vi", "vipp", "91", "nobody", "VIP"]
    ids = {mark: add_mailing(api, mark=mark) for mark in marks}
    said = {mark: codes(api, mailing_id) for mark, mailing_id in ids.items()}
    assert said == {mark: [] if mark in ("vip", "916") else ["nobody_matches"] for mark in marks}
    listed = {one["mark"]: [warning["code"] for warning in one["warnings"]] for one in api.get("/v1/mailing/").json}
    assert listed == said
    launch(connection, ids["vip"])
    launch(connection, ids["nobody"], "pending")
    assert codes(api, ids["vip"]) == ["nobody_matches"]
    assert codes(api, ids["nobody"]) == []


def test_a_mark_is_found_among_clients_in_any_order(api: Caller, connection: Connection) -> None:
    for tag in ("zebra", "vip", "yak", "alpha"):
        factories.add_clients(connection, 1, tag=tag)
    said = {mark: codes(api, add_mailing(api, mark=mark)) for mark in ("vip", "alpha", "zebra", "vipp", "900", "90")}
    assert said == {
        "vip": [],
        "alpha": [],
        "zebra": [],
        "vipp": ["nobody_matches"],
        "900": [],
        "90": ["nobody_matches"],
    }


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_a_settled_mailing_with_a_message_that_has_not_ended_says_so(
    status: str, api: Caller, connection: Connection
) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, status, "sent")
    end(connection, mailing_id, "finished")
    factories.execute(connection, "UPDATE mailing SET settled_at = now()")
    assert codes(api, mailing_id) == ["unended_messages"]


def test_a_window_that_has_closed_is_accepted_and_said(api: Caller, connection: Connection) -> None:
    add_client(api)
    past = {"start_datetime": "2022-06-02T18:25:43.511Z", "end_datetime": "2022-06-03T18:25:43.511Z"}
    response = api.post("/v1/mailing/create/", json=mailing_body(**past))
    assert response.status_code == 201
    assert [warning["code"] for warning in response.json["warnings"]] == ["window_closed"]
    mailing_id = response.json["id"]
    launch(connection, mailing_id, "expired")
    assert codes(api, mailing_id) == ["window_closed"]
    end(connection, mailing_id, "finished")
    assert codes(api, mailing_id) == []
