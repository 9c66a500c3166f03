"""What clients have beyond the specification: an external id, more tags, values of declared fields."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import CLIENT, Caller, add_client, client_body, wrong_fields

ALL = {
    "город": ("text", "Казань"),
    "sum": ("number", 1250.5),
    "vip": ("boolean", False),
    "since": ("date", "2024-02-29"),
    "at": ("datetime", "2026-11-29T18:25:43.511000Z"),
    "likes": ("list", ["кофе", "чай"]),
}
ADDED: dict[str, Any] = {"external_id": None, "tags": ["vip"], "attributes": {}}


def declare_all(api: Caller) -> dict[str, Any]:
    """Declares a field of each type; returns a value of each."""
    for name, (type_, _) in ALL.items():
        assert api.post("/v1/client-field/create/", json={"name": name, "type": type_}).status_code == 201
    return {name: value for name, (_, value) in ALL.items()}


def added(client: dict[str, Any]) -> dict[str, Any]:
    return {name: client[name] for name in ADDED}


def put(api: Caller, **given: Any) -> dict[str, Any]:
    answer = api.put("/v1/client/1/", json=client_body(**given))
    assert answer.status_code == 200, answer.text
    return added(answer.json)


def test_a_client_has_an_external_id_tags_and_attributes(api: Caller) -> None:
    values = declare_all(api)
    given = {
        "external_id": " crm-1 ",
        "tags": [" новый\u00a0 клиент", "a", "a", ""],
        "attributes": values | {"at": "2026-11-29T21:25:43.511+03:00", "likes": ["чай", "кофе", "чай"], "name": None},
    }
    answer = api.post("/v1/client/create/", json=CLIENT | given)
    stored = {"external_id": "crm-1", "tags": ["a", "vip", "новый клиент"], "attributes": values}
    assert (answer.status_code, added(answer.json)) == (201, stored)
    assert api.get("/v1/client/1/").json == answer.json == api.get("/v1/client/").json[0]


def test_a_change_without_them_keeps_them(api: Caller) -> None:
    values = declare_all(api)
    kept = {"external_id": "crm-1", "tags": ["a", "vip"], "attributes": values}
    add_client(api, **kept)
    assert put(api, timezone="UTC") == kept


def test_the_attributes_that_are_given_change(api: Caller) -> None:
    values = declare_all(api)
    add_client(api, attributes=values)
    changed = put(api, attributes={"город": "Омск", "sum": None, "likes": [], "name": "Анна"})["attributes"]
    assert changed == {"город": "Омск", "vip": False, "since": "2024-02-29", "at": values["at"], "name": "Анна"}
    assert put(api, external_id=None, attributes={})["attributes"] == changed


def test_its_tag_is_always_one_of_its_tags(api: Caller) -> None:
    add_client(api, tags=["a", "b"])
    assert put(api, tag="a")["tags"] == ["a", "b"]
    assert put(api, tag="c", tags=["a"])["tags"] == ["a", "c"]
    assert put(api, tag="", tags=["a"])["tags"] == ["a"]
    assert put(api, tag="x", tags=[])["tags"] == ["x"]


def test_what_was_read_is_written_again_without_a_change(api: Caller, connection: Connection) -> None:
    add_client(api, external_id="crm-1", tags=["a"], attributes=declare_all(api))
    read = api.get("/v1/client/1/")
    row = factories.rows(connection, "SELECT *, xmin::text FROM client")
    given = CLIENT | added(read.json)
    answer = api.put("/v1/client/1/", json=given, headers={"If-Match": read.headers["ETag"]})
    assert answer.json == read.json
    assert factories.rows(connection, "SELECT *, xmin::text FROM client") == row


@pytest.mark.parametrize("changed", [{"external_id": "x"}, {"tags": ["x"]}, {"attributes": {"name": "x"}}])
def test_each_of_them_is_a_part_of_the_version(api: Caller, changed: dict[str, Any]) -> None:
    add_client(api)
    read = {"If-Match": api.get("/v1/client/1/").headers["ETag"]}
    put(api, **changed)
    assert api.put("/v1/client/1/", json=CLIENT, headers=read).status_code == 412


def test_the_audit_names_changed_attributes_without_their_values(api: Caller, connection: Connection) -> None:
    add_client(api, tags=["a"], attributes={"name": "Анна", "first_name": "Анна"})
    put(api, external_id="crm-1", tags=["b"], attributes={"name": None, "last_name": "К", "first_name": "Яна"})
    last = "SELECT detail FROM audit_entry WHERE operation = 'updateClient' ORDER BY id DESC LIMIT 1"
    assert factories.value(connection, last) == {
        "external_id": [None, "crm-1"],
        "tags": [["a"], ["b"]],
        "attributes.name": ["…", None],
        "attributes.last_name": [None, "…"],
        "attributes.first_name": ["…", "…"],
    }


def test_an_external_id_belongs_to_one_client(api: Caller) -> None:
    add_client(api, external_id="crm-1")
    other = client_body(phone_number=79161234568, external_id="crm-1")
    taken = api.post("/v1/client/create/", json=other)
    assert (taken.status_code, taken.json["reason_code"]) == (409, "external_id_taken")
    other_id = add_client(api, **other | {"external_id": None})
    assert api.put(f"/v1/client/{other_id}/", json=other).json["reason_code"] == "external_id_taken"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"external_id": " "}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": "a\0"}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", 7]}, "tags"),
        ({"tags": ["x" * 101]}, "tags"),
        ({"tags": ["a\0"]}, "tags"),
        ({"tags": None}, "tags"),
        ({"tags": [str(number) for number in range(101)]}, "tags"),
        ({"tags": [str(number) for number in range(100)]}, "tags"),
        ({"attributes": ["name"]}, "attributes"),
        ({"attributes": None}, "attributes"),
        ({"attributes": {"town": "Омск"}}, "attributes.town"),
        ({"attributes": {"tag": "x"}}, "attributes.tag"),
        ({"attributes": {"a\0": "x"}}, "attributes.a\0"),
        ({"attributes": {"name": 7}}, "attributes.name"),
        ({"attributes": {"name": "a\0"}}, "attributes.name"),
        ({"attributes": {"birthday": "31.12.2026"}}, "attributes.birthday"),
        ({"attributes": {"sum": 0.1 + 0.2}}, "attributes.sum"),
    ],
)
def test_what_cannot_be_is_refused(api: Caller, given: dict[str, Any], wrong: str) -> None:
    api.post("/v1/client-field/create/", json={"name": "sum", "type": "number"})
    refused = api.post("/v1/client/create/", json=client_body(**given))
    assert (refused.status_code, wrong_fields(refused)) == (422, {wrong})


def test_a_field_that_is_not_declared_is_named_with_what_to_do(api: Caller) -> None:
    refused = api.post("/v1/client/create/", json=client_body(attributes={"town": "Омск"}))
    message = "There is no field town. Declare it first (POST /v1/client-field/create/)."
    assert refused.json["errors"] == {"json": {"attributes.town": [message]}}


def test_the_attributes_of_a_client_have_at_most_8_kib(api: Caller) -> None:
    for number in range(9):
        api.post("/v1/client-field/create/", json={"name": f"f{number}", "type": "text"})
    texts = {f"f{number}": "я" * 500 for number in range(8)}
    add_client(api, attributes=texts)
    refused = api.put("/v1/client/1/", json=client_body(attributes={"f8": "я" * 500}))
    assert (refused.status_code, refused.json["reason_code"]) == (422, "attributes_too_large")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tags=a", [1, 2, 4]),
        ("tags=a&after=1&limit=1", [2]),
        ("tags=b", [2]),
        ("tags=%20b", [2]),
        ("tags=c", []),
        ("tags=a&operator_code=91", [2]),
        ("tags=a&tag=b", [2]),
        ("tag=b", [2]),
        ("external_id=crm-3", [3]),
        ("external_id=crm-9", []),
        ("external_id=crm-3&tags=a", []),
        ("external_id=crm-2&tags=a&tag=b", [2]),
        ("phone_number=79160000004&tags=a", [4]),
    ],
)
def test_clients_are_asked_for_by_any_of_their_tags_and_by_external_id(
    api: Caller, query: str, found: list[int]
) -> None:
    rows = [("916", "a", []), ("91", "b", ["a"]), ("916", "", []), ("916", "d", ["a", "x"])]
    for number, (code, tag, tags) in enumerate(rows, start=1):
        given = {"operator_code": code, "tag": tag, "tags": tags, "external_id": f"crm-{number}"}
        add_client(api, phone_number=79160000000 + number, **given)
    assert [client["id"] for client in api.get(f"/v1/client/?{query}").json] == found


def test_an_idempotent_addition_repeats_them(api: Caller) -> None:
    key = {"Idempotency-Key": "one"}
    body = client_body(external_id="crm-1", tags=["a"], attributes={"name": "Анна"})
    first, second = (api.post("/v1/client/create/", json=body, headers=key) for _ in range(2))
    assert (first.status_code, first.json) == (201, second.json)
