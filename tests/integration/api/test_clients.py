"""The directory of clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import CLIENT, Caller, add_client, client_body, wrong_fields

slashes = pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])

NEW = {"phone_number": 79037654321, "operator_code": "903", "tag": "", "timezone": "UTC"}


@slashes
def test_a_client_is_added(api: Caller, slash: str) -> None:
    response = api.post(f"/v1/client/create{slash}", json=CLIENT)
    client: dict[str, Any] = response.json
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/client/{client['id']}/"
    own = {name: client[name] for name in ("id", "created_at", "updated_at")}
    assert client == CLIENT | own | {
        **{"external_id": None, "tags": ["vip"], "attributes": {}},
        **{"unknown_subscriber_count": 0, "warnings": []},
    }
    assert list(client) == [
        "id",
        "phone_number",
        "operator_code",
        "tag",
        "timezone",
        "external_id",
        "tags",
        "attributes",
        "unknown_subscriber_count",
        "created_at",
        "updated_at",
        "warnings",
    ]
    assert datetime.fromisoformat(client["created_at"]).tzinfo is not None


@slashes
def test_clients_are_listed_in_the_order_of_their_ids(api: Caller, slash: str) -> None:
    ids = [add_client(api, phone_number=79160000000 + number) for number in range(3)]
    listed = api.get(f"/v1/client{slash}").json
    assert [client["id"] for client in listed] == ids
    assert listed[0] == api.get(f"/v1/client/{ids[0]}").json


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("phone_number=79160000002", [2]),
        ("phone_number=79160000009", []),
        ("tag=vip", [1, 3]),
        ("tag=VIP", []),
        ("tag=%D1%81%D0%B2%D0%BE%D0%B8", [4]),
        ("tag=", [2]),
        ("tag=vi", []),
        ("operator_code=916", [1, 2]),
        ("operator_code=91", [3]),
        ("operator_code=916&tag=vip", [1]),
        ("operator_code=16&tag=vip", []),
        ("phone_number=79160000001&tag=vip&operator_code=916", [1]),
        ("phone_number=79160000002&tag=vip", []),
        ("tag=vip&after=1", [3]),
        ("tag=vip&limit=1", [1]),
    ],
)
def test_clients_are_asked_for_by_phone_number_tag_and_operator_code(api: Caller, query: str, found: list[int]) -> None:
    for number, (code, tag) in enumerate([("916", "vip"), ("916", ""), ("91", "vip"), ("79", "свои")], start=1):
        add_client(api, phone_number=79160000000 + number, operator_code=code, tag=tag)

    assert [client["id"] for client in api.get(f"/v1/client/?{query}").json] == found


@pytest.mark.parametrize(
    "query",
    [
        *("phone_number=nobody", "operator_code=9x", "operator_code=", "tag=%00", f"tag={'x' * 256}"),
        *("tags=", "tags=%20", "tags=%00", "external_id=", "external_id=%00"),
    ],
)
def test_a_filter_that_no_client_can_pass_is_named(api: Caller, query: str) -> None:
    response = api.get(f"/v1/client/?{query}")

    assert response.status_code == 422
    assert set(response.json["errors"]["query"]) == {query.partition("=")[0]}


@slashes
def test_a_client_is_read(api: Caller, slash: str) -> None:
    client_id = add_client(api)
    response = api.get(f"/v1/client/{client_id}{slash}")
    assert response.status_code == 200
    assert response.json["phone_number"] == CLIENT["phone_number"]


@slashes
def test_a_client_is_changed(api: Caller, slash: str) -> None:
    client_id = add_client(api)
    before = api.get(f"/v1/client/{client_id}").json
    response = api.put(f"/v1/client/{client_id}{slash}", json=NEW)
    assert response.status_code == 200
    assert response.json == before | NEW | {"tags": [], "updated_at": response.json["updated_at"]}
    assert response.json["updated_at"] > before["updated_at"]
    assert api.get(f"/v1/client/{client_id}").json == response.json


@slashes
def test_a_client_is_removed(api: Caller, slash: str) -> None:
    client_id = add_client(api)
    response = api.delete(f"/v1/client/{client_id}{slash}")
    assert (response.status_code, response.data) == (204, b"")
    assert api.get(f"/v1/client/{client_id}").status_code == 404
    assert api.get("/v1/client/").json == []


def test_a_change_that_changes_nothing_leaves_no_trace(api: Caller) -> None:
    client_id = add_client(api)
    before = api.get(f"/v1/client/{client_id}")
    audited = api.get("/v1/audit/?operation=updateClient").json
    after = api.put(f"/v1/client/{client_id}", json=client_body(phone_number="+79161234567"))
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    assert api.get("/v1/audit/?operation=updateClient").json == audited


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_client_that_there_is_not_is_not_found(api: Caller, method: str) -> None:
    response = getattr(api, method)("/v1/client/1/", **({"json": CLIENT} if method == "put" else {}))
    assert response.status_code == 404
    assert response.json["message"] == "There is no client 1."


def test_a_phone_number_belongs_to_one_client(api: Caller) -> None:
    add_client(api)
    response = api.post("/v1/client/create/", json=client_body(tag="other"))
    assert response.status_code == 409
    assert wrong_fields(response) == {"phone_number"}


def test_a_phone_number_is_not_taken_over_from_another_client(api: Caller) -> None:
    add_client(api)
    other = add_client(api, **NEW)
    response = api.put(f"/v1/client/{other}/", json=CLIENT)
    assert response.status_code == 409
    assert wrong_fields(response) == {"phone_number"}
    assert api.get(f"/v1/client/{other}").json["phone_number"] == NEW["phone_number"]


@pytest.mark.parametrize("method", ["post", "put"])
def test_an_operator_code_must_occur_in_the_phone_number(api: Caller, method: str) -> None:
    path = "/v1/client/create/" if method == "post" else f"/v1/client/{add_client(api)}/"
    response = getattr(api, method)(path, json=client_body(operator_code="917"))
    assert response.status_code == 422
    assert wrong_fields(response) == {"operator_code"}


def add_messages(connection: Connection, client_id: int) -> None:
    """One message each to the client that is pending, attempted, in doubt, sending, and sent; in this order."""
    for status, attempts, in_doubt in (
        ("pending", 0, False),
        ("pending", 1, False),
        ("pending", 1, True),
        ("sending", 1, False),
        ("sent", 1, False),
    ):
        factories.execute(
            connection,
            """
            INSERT INTO message (
                mailing_id, client_id, phone_number, status, attempts, in_doubt, claim_id, sent_at, ended_at)
            SELECT %s, %s, 79161234567, status, %s, %s, CASE status WHEN 'sending' THEN 1 END,
                CASE status WHEN 'sent' THEN now() END, CASE status WHEN 'sent' THEN now() END
            FROM (SELECT %s::message_status AS status) AS given
            """,
            factories.add_mailing(connection),
            client_id,
            attempts,
            in_doubt,
            status,
        )


def test_a_new_phone_number_reaches_the_messages_never_attempted(api: Caller, connection: Connection) -> None:
    client_id = add_client(api)
    other = add_client(api, **NEW)
    add_messages(connection, client_id)
    add_messages(connection, other)
    api.put(f"/v1/client/{client_id}/", json=client_body(phone_number=79169999999))
    numbers = [message["phone_number"] for message in api.get(f"/v1/message/?client_id={client_id}").json]
    assert numbers == [79169999999, *[79161234567] * 4]
    assert {message["phone_number"] for message in api.get(f"/v1/message/?client_id={other}").json} == {79161234567}


def test_removing_a_client_ends_the_messages_that_wait(api: Caller, connection: Connection) -> None:
    client_id = add_client(api)
    other = add_client(api, **NEW)
    add_messages(connection, client_id)
    add_messages(connection, other)
    assert api.delete(f"/v1/client/{client_id}/").status_code == 204
    kept = api.get(f"/v1/message/?client_id={client_id}").json
    assert [(message["status"], message["reason_code"]) for message in kept] == [
        ("cancelled", "client_removed"),
        ("cancelled", "client_removed"),
        ("unknown", "client_removed"),
        ("sending", None),
        ("sent", None),
    ]
    assert [message["ended_at"] is not None for message in kept] == [True, True, True, False, True]
    untouched = [message["status"] for message in api.get(f"/v1/message/?client_id={other}").json]
    assert untouched == ["pending", "pending", "pending", "sending", "sent"]
