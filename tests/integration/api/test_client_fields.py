"""The declared fields of clients."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from api.client_fields import removal
from tests import factories
from tests.database import connected
from tests.integration.api.calls import (
    Answer,
    Caller,
    add_client,
    add_mailing,
    client_body,
    mailing_body,
    once_blocked,
    wrong_fields,
)

FIELDS = "/v1/client-field/"


def declare(api: Caller, name: str = "city", type_: str = "text", **more: Any) -> Answer:
    return api.post(f"{FIELDS}create/", json={"name": name, "type": type_, **more})


def attributes(connection: Connection) -> list[dict[str, Any]]:
    return [row for (row,) in factories.rows(connection, "SELECT attributes FROM client ORDER BY id")]


def test_a_field_is_declared_read_and_changed(api: Caller) -> None:
    added = declare(api, " Дата_Покупки", "date", label=" Покупка ", repeats_yearly=True)
    field = added.json
    assert (added.status_code, added.headers["Location"]) == (201, f"{FIELDS}{field['id']}/")
    own = {name: field[name] for name in ("id", "created_at", "updated_at")}
    assert field == own | {
        **{"name": "дата_покупки", "type": "date", "label": "Покупка"},
        **{"repeats_yearly": True, "removal_started_at": None},
    }

    etag = {"If-Match": added.headers["ETag"]}
    changed = api.put(f"{FIELDS}{field['id']}/", json={"label": "Последняя"}, headers=etag)
    assert (changed.json["label"], changed.json["repeats_yearly"]) == ("Последняя", True)
    assert api.put(f"{FIELDS}{field['id']}/", json={"label": ""}, headers=etag).status_code == 412
    assert wrong_fields(api.put(f"{FIELDS}{field['id']}/", json={"name": "x", "type": "text"})) == {"name", "type"}
    assert api.get(f"{FIELDS}{field['id']}/").json == changed.json
    assert [one["name"] for one in api.get(FIELDS).json] == [
        *("name", "first_name", "last_name", "birthday"),
        "дата_покупки",
    ]
    assert [one["name"] for one in api.get(f"{FIELDS}?limit=1&after=3").json] == ["birthday"]


@pytest.mark.parametrize(
    ("given", "status", "wrong"),
    [
        ({"name": "city", "type": "text", "repeats_yearly": True}, 422, "repeats_yearly"),
        ({"name": "phone_number", "type": "text"}, 422, "name"),
        ({"name": "a-b", "type": "text"}, 422, "name"),
        ({"name": "a\0", "type": "text"}, 422, "name"),
        ({"name": "x" * 41, "type": "text"}, 422, "name"),
        ({"name": "city", "type": "money"}, 422, "type"),
        ({"name": "city", "type": "text", "label": "x" * 101}, 422, "label"),
        ({"name": "Birthday", "type": "text"}, 409, "name"),
    ],
)
def test_a_field_that_cannot_be_is_refused(api: Caller, given: dict[str, Any], status: int, wrong: str) -> None:
    refused = api.post(f"{FIELDS}create/", json=given)
    assert (refused.status_code, wrong_fields(refused)) == (status, {wrong})


def test_there_are_at_most_200_fields(api: Caller, connection: Connection) -> None:
    fill = "INSERT INTO client_field (name, type) SELECT 'f' || n, 'text' FROM generate_series(1, 196) n"
    factories.execute(connection, fill)
    assert declare(api).json["reason_code"] == "too_many_fields"


def test_a_field_without_values_is_removed(api: Caller) -> None:
    field = declare(api).json
    assert api.delete(f"{FIELDS}{field['id']}/", headers={"If-Match": '"x"'}).status_code == 412
    assert api.delete(f"{FIELDS}{field['id']}/").status_code == 204
    assert api.get(f"{FIELDS}{field['id']}/").status_code == 404
    assert declare(api, type_="number").status_code == 201


def test_values_are_removed_only_if_it_is_said(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "CHANGED", 2)
    monkeypatch.setattr(removal, "LOOKED_AT", 2)
    field = declare(api).json
    for number in range(5):
        given = {"name": "Анна", **({"city": "Казань"} if number != 1 else {})}
        add_client(api, phone_number=79160000000 + number, attributes=given)

    refused = api.delete(f"{FIELDS}{field['id']}/")
    assert (refused.status_code, refused.json["reason_code"]) == (409, "field_has_values")
    assert len([one for one in attributes(connection) if "city" in one]) == 4

    assert api.delete(f"{FIELDS}{field['id']}/?values=keep").status_code == 422
    assert api.delete(f"{FIELDS}{field['id']}/?values=remove").status_code == 204
    assert attributes(connection) == [{"name": "Анна"}] * 5
    entry = "SELECT object, object_id, detail FROM audit_entry WHERE operation = 'deleteClientField' ORDER BY id DESC"
    assert factories.rows(connection, entry)[0] == ("client_field", field["id"], {"name": ["city", None]})


def test_a_removal_that_was_interrupted_is_finished_by_the_next_one(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = declare(api).json
    add_client(api, attributes={"city": "Казань"})

    def crash(name: str) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patched:
        patched.setattr(removal, "_remove_values", crash)
        assert api.delete(f"{FIELDS}{field['id']}/?values=remove").status_code == 500

    assert api.get(f"{FIELDS}{field['id']}/").json["removal_started_at"]
    refused = api.put("/v1/client/1/", json=client_body(attributes={"city": "Омск"}))
    assert refused.json["reason_code"] == "field_not_declared"
    assert api.delete(f"{FIELDS}{field['id']}/").status_code == 204
    assert attributes(connection) == [{}]


def test_a_removal_waits_for_writers_of_the_field(api: Caller, connection: Connection, database_url: str) -> None:
    field = declare(api).json
    add_client(api)
    with connected(database_url) as writer:
        factories.execute(writer, "BEGIN")
        factories.execute(writer, "SELECT FROM client_field WHERE name = 'city' FOR KEY SHARE")
        factories.execute(writer, 'UPDATE client SET attributes = \'{"city": "Omsk"}\'')
        (answer,) = once_blocked(
            connection,
            lambda: factories.execute(writer, "COMMIT"),
            lambda: api.delete(f"{FIELDS}{field['id']}/"),
        )
    assert answer.json["reason_code"] == "field_has_values"


def test_what_uses_a_field_waits_for_its_removal_and_is_refused(
    api: Caller, connection: Connection, database_url: str
) -> None:
    declare(api)
    with connected(database_url) as remover:
        factories.execute(remover, "BEGIN")
        factories.execute(remover, "DELETE FROM client_field WHERE name = 'city'")
        answers = once_blocked(
            connection,
            lambda: factories.execute(remover, "COMMIT"),
            lambda: api.post("/v1/segment/create/", json={"name": "here", "text": "city exists"}),
            lambda: api.post("/v1/segment/create/", json={"name": "there", "tree": TREE}),
            lambda: api.post("/v1/template/create/", json={"name": "winter", "text": "From {{ city }}"}),
            lambda: api.post("/v1/mailing/create/", json=mailing_body(text="From {{ city }}")),
            lambda: api.post("/v1/mailing/create/", json=mailing_body(mark="", segment="city exists")),
        )
    assert [(answer.status_code, answer.json["reason_code"]) for answer in answers] == [(422, "field_not_declared")] * 5


TREE = {"and": [{"field": "tag", "operator": "=", "value": "vip"}, {"not": {"field": "city", "operator": "exists"}}]}


@pytest.mark.parametrize("query", ["", "?values=remove"])
def test_a_field_in_use_is_not_removed(api: Caller, connection: Connection, query: str) -> None:
    field = declare(api).json
    address = f"{FIELDS}{field['id']}/{query}"
    mailing_id = add_mailing(api)

    def reason() -> tuple[str, Any]:
        refused = api.delete(address)
        assert refused.status_code == 409
        return refused.json["reason_code"], refused.json["reason_params"]

    segment = "INSERT INTO segment (name, text, tree) VALUES ('свои', '…', %s)"
    factories.execute(connection, segment, Json(TREE))
    assert reason() == ("field_in_segment", {"name": "свои"})
    factories.execute(connection, "UPDATE segment SET removed_at = now()")

    factories.execute(connection, "INSERT INTO template (name) VALUES ('зима')")
    template = "INSERT INTO template_text (template_id, revision, text) SELECT id, 1, %s FROM template"
    factories.execute(connection, template, "Из {{ city | upcase }}")
    assert reason() == ("field_in_template", {"name": "зима"})
    factories.execute(connection, "UPDATE template_text SET text = '{%% if CITY %%}да{%% endif %%}'")
    assert reason() == ("field_in_template", {"name": "зима"})
    factories.execute(connection, "UPDATE template_text SET text = 'city {{ city_2 }} {{ name }}'")

    of_text = "UPDATE mailing_text SET fields = '{name,city}', field_types = '{text,text}'"
    factories.execute(connection, of_text)
    assert reason() == ("field_in_mailing", {"mailing": mailing_id})
    factories.execute(connection, "UPDATE mailing_text SET fields = NULL, field_types = NULL")

    of_tree = "UPDATE mailing SET mark = '', segment = '…', segment_tree = %s"
    factories.execute(connection, of_tree, Json(TREE))
    assert reason() == ("field_in_mailing", {"mailing": mailing_id})
    factories.change_mailing(connection, mailing_id, "status = 'cancelled', ended_at = now()")

    assert api.delete(address).status_code == 204
