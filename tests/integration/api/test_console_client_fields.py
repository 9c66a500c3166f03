"""Fields of clients, and the attributes, tags and external ids of clients, in the console."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import CLIENT, Caller, add_client
from tests.integration.api.html_forms import fields_of

FIELDS = {"город": "text", "sum": "number", "vip": "boolean", "since": "date", "at": "datetime", "likes": "list"}
TYPED = {
    "attributes.город": " Казань ",
    "attributes.sum": "1 250,5",
    "attributes.vip": "false",
    "attributes.since": "2024-02-29",
    "attributes.at": "2026-11-29T21:25:43",
    "attributes.likes": "чай; кофе",
    "zone": "Europe/Moscow",
    "external_id": " crm-1 ",
    "tags": "новый; vip;",
}
STORED: dict[str, Any] = {
    "external_id": "crm-1",
    "tags": ["vip", "новый"],
    "attributes": {
        "город": "Казань",
        "sum": 1250.5,
        "vip": False,
        "since": "2024-02-29",
        "at": "2026-11-29T18:25:43.000000Z",
        "likes": ["кофе", "чай"],
    },
}


@pytest.fixture(autouse=True)
def declared(api: Caller) -> None:
    """A field of each type."""
    for name, type_ in FIELDS.items():
        assert api.post("/v1/client-field/create/", json={"name": name, "type": type_}).status_code == 201


def stored(api: Caller) -> dict[str, Any]:
    client = api.get("/v1/client/1/").json
    return {name: client[name] for name in STORED}


def test_a_client_is_added_with_typed_values(api: Caller) -> None:
    form = fields_of(api.get("/clients/new/")) | {name: str(value) for name, value in CLIENT.items()} | TYPED
    assert api.post("/clients/new/", data=form).status_code == 302
    assert stored(api) == STORED

    page = api.get("/clients/1/", headers={"Accept-Language": "ru"}).text
    for shown in ("Казань", "1\u00a0250,5", "нет", "29 февр. 2024", "кофе, чай", "новый", "crm-1"):
        assert shown in page, shown


def test_a_form_that_is_not_touched_changes_nothing(api: Caller, connection: Connection) -> None:
    attributes = STORED["attributes"] | {
        "at": "2026-11-29T18:25:43.511000Z",
        "likes": ["a;b", 'c "d"'],
        "город": "a\nb",
    }
    add_client(api, **STORED | {"attributes": attributes, "tags": ["x;y"]})
    row = factories.rows(connection, "SELECT *, xmin::text FROM client")
    form = fields_of(api.get("/clients/1/edit/"))
    # As a browser sends a field of one line.
    assert api.post("/clients/1/edit/", data=form | {"attributes.город": "ab"}).status_code == 302
    assert factories.rows(connection, "SELECT *, xmin::text FROM client") == row


def test_an_empty_input_removes_a_value_and_a_missing_one_keeps_it(api: Caller) -> None:
    add_client(api, **STORED)
    form = fields_of(api.get("/clients/1/edit/"))
    emptied = {"external_id": "", "tags": "", "attributes.sum": "", "attributes.vip": "", "attributes.at": ""}
    kept = {name: value for name, value in (form | emptied).items() if name != "attributes.likes"}
    assert api.post("/clients/1/edit/", data=kept).status_code == 302
    left = {name: STORED["attributes"][name] for name in ("город", "since", "likes")}
    assert stored(api) == {"external_id": None, "tags": ["vip"], "attributes": left}


def test_every_wrong_value_is_named_at_its_input(api: Caller) -> None:
    add_client(api, external_id="crm-1", phone_number=79161234568)
    form = fields_of(api.get("/clients/new/")) | {name: str(value) for name, value in CLIENT.items()}
    wrong = {"attributes.sum": "много", "attributes.since": "31.02.2024", "attributes.at": "x", "timezone": "Mars"}
    answer = api.post("/clients/new/", data=form | wrong)
    assert answer.status_code == 422
    for name in wrong:
        assert f'id="{name}-error"' in answer.text, name
    assert api.post("/clients/new/", data=form | {"external_id": "crm-1"}).status_code == 422


def test_of_two_editors_the_second_sees_the_attributes_of_the_first(api: Caller) -> None:
    add_client(api, **STORED)
    form = fields_of(api.get("/clients/1/edit/"))
    api.put("/v1/client/1/", json=CLIENT | {"attributes": {"город": "Омск"}})
    answer = api.post("/clients/1/edit/", data=form | {"attributes.город": "Тверь"})
    assert answer.status_code == 422
    assert "Омск" in answer.text
    assert "Тверь" in answer.text
    assert '<section class="compared" aria-label="город">' in answer.text


def test_clients_are_searched_by_any_tag_and_by_external_id(api: Caller) -> None:
    add_client(api, tags=["новый"], external_id="crm-1")
    add_client(api, phone_number=79161234568)
    for query, found in (("tag=новый", 1), ("tag=vip", 2), ("external_id=crm-1", 1), ("tag=новый&phone=7916", 1)):
        assert api.get(f"/clients/?{query}").text.count('<th scope="row"><a') == found, query
    assert "No client matches." in api.get("/clients/?external_id=crm").text


def test_a_field_is_declared_renamed_and_removed(api: Caller) -> None:
    form = fields_of(api.get("/clients/fields/new/"))
    typed = {"name": "День_Свадьбы", "type": "date", "label": "Свадьба", "repeats_yearly": "on"}
    assert api.post("/clients/fields/new/", data=form | typed | {"type": "text"}).status_code == 422
    assert api.post("/clients/fields/new/", data=form | typed).status_code == 302
    field = api.get("/v1/client-field/?after=10").json[0]
    assert {name: field[name] for name in typed} == typed | {"name": "день_свадьбы", "repeats_yearly": True}
    page = api.get("/clients/fields/").text
    assert "The field is added." in page
    assert "Свадьба" in page

    path = f"/clients/fields/{field['id']}/"
    form = fields_of(api.get(f"{path}edit/")) | {"label": "Годовщина"}
    stale = form | {"updated_at": "2022-06-02T18:25:43+00:00"}
    assert '<section class="compared" aria-label="Title">' in api.post(f"{path}edit/", data=stale).text
    assert api.post(f"{path}edit/", data=form).status_code == 302
    assert api.get(f"/v1/client-field/{field['id']}/").json["label"] == "Годовщина"
    assert "Годовщина" in api.get("/clients/new/").text

    add_client(api, attributes={"день_свадьбы": "2020-06-06"})
    form = fields_of(api.get(f"{path}remove/"))
    assert api.post(f"{path}remove/", data=form).status_code == 409
    assert api.post(f"{path}remove/", data=form | {"values": "remove"}).status_code == 302
    assert "Годовщина" not in api.get("/clients/1/").text
    assert stored(api)["attributes"] == {}
