"""The directory as a file."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.clients import export
from tests import factories
from tests.integration.api.calls import CLIENT, Caller, add_client, caller

EXPORT, IMPORT = "/v1/client/export/", "/v1/client/import/"
CSV, NDJSON = "text/csv", "application/x-ndjson"
OPTIONAL = ["external_id", "tags", "name", "first_name", "last_name", "birthday"]
HEADER = ["phone_number", "operator_code", "tag", "timezone", *OPTIONAL]
TAGS = ["vip", "", "=1+1", "'=1+1", "@x", "'", 'say "a, b"', "two lines", "Привет", "\\N"]


def add_tags(api: Caller) -> None:
    for number, tag in enumerate(TAGS):
        add_client(api, phone_number=79160000000 + number, tag=tag)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_directory_is_a_csv_file(api: Caller, slash: str) -> None:
    add_client(api)
    answer = api.get(f"/v1/client/export{slash}")
    assert answer.text == f"{','.join(HEADER)}\r\n79161234567,916,vip,Europe/Moscow,,vip,,,,\r\n"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=clients.csv"


def test_the_directory_is_json_lines_when_asked_for(api: Caller) -> None:
    add_client(api)
    answer = api.get(EXPORT, headers={"Accept": NDJSON})
    assert (answer.mimetype, json.loads(answer.text)) == (
        NDJSON,
        CLIENT | {"external_id": None, "tags": ["vip"], "attributes": {}},
    )


def test_an_empty_directory_is_an_empty_file(api: Caller) -> None:
    assert api.get(EXPORT).text == f"{','.join(HEADER)}\r\n"
    assert api.get(EXPORT, headers={"Accept": NDJSON}).text == ""


def test_attributes_are_columns_that_spreadsheets_and_imports_read(api: Caller) -> None:
    for name, type_ in (("сумма", "number"), ("vip", "boolean"), ("at", "datetime"), ("likes", "list")):
        api.post("/v1/client-field/create/", json={"name": name, "type": type_})
    given = {
        "external_id": "=1",
        "tags": ["a;b", "x"],
        "attributes": {
            "name": "=A1",
            "сумма": -0.5,
            "vip": False,
            "at": "2026-11-29T18:25:43Z",
            "likes": ["@x", "чай"],
        },
    }
    add_client(api, **given)
    add_client(api, phone_number=79161234568, tag="")

    header, first, second, end = api.get(EXPORT, query_string={"delimiter": "tab"}).text.split("\r\n")
    assert header.split("\t")[4:] == [*OPTIONAL, "сумма", "vip", "at", "likes"]
    assert first.split("\t")[4:] == [
        "'=1",
        '"""a;b"";vip;x"',
        *("'=A1", "", "", ""),
        *("-0.5", "false", "2026-11-29T18:25:43.000000Z", "'@x;чай"),
    ]
    assert second.split("\t")[4:] == [""] * 10
    assert end == ""
    of_json = json.loads(api.get(EXPORT, headers={"Accept": NDJSON}).text.splitlines()[0])
    assert of_json == {name: api.get("/v1/client/1/").json[name] for name in of_json}
    assert of_json["attributes"]["at"] == "2026-11-29T18:25:43.000000Z"


def test_nothing_in_it_is_a_formula(api: Caller) -> None:
    add_client(api, tag='=HYPERLINK("http://a/?"&A1)')
    assert ",\"'=HYPERLINK(" in api.get(EXPORT).text


@pytest.mark.parametrize(
    ("query", "beginning"),
    [
        ({"bom": "true", "delimiter": "semicolon"}, "\ufeff" + ";".join(HEADER) + "\r\n"),
        ({"delimiter": "tab"}, "\t".join(HEADER) + "\r\n"),
        ({"bom": "false", "delimiter": "comma"}, ",".join(HEADER) + "\r\n"),
    ],
)
def test_an_export_has_the_form_that_is_asked_for_and_an_import_takes_it(
    api: Caller, query: dict[str, str], beginning: str
) -> None:
    add_tags(api)
    add_client(api, tag="a;b,c\td")
    answer = api.get(EXPORT, query_string=query)
    assert answer.data.decode().startswith(beginning)
    assert api.post(IMPORT, data=answer.data, content_type=CSV).json["unchanged"] == len(TAGS) + 1


@pytest.mark.parametrize("query", [{"bom": "1"}, {"delimiter": ";"}, {"form": "excel"}])
def test_a_form_that_there_is_not_is_refused(api: Caller, query: dict[str, str]) -> None:
    assert api.get(EXPORT, query_string=query).status_code == 422
    assert api.post(IMPORT, data="", content_type=CSV, query_string=query).status_code == 422


@pytest.mark.parametrize("kind", [CSV, NDJSON])
def test_an_import_of_an_export_changes_nothing(api: Caller, connection: Connection, kind: str) -> None:
    add_tags(api)
    before = factories.rows(connection, "SELECT *, xmin::text FROM client ORDER BY id")
    file = api.get(EXPORT, headers={"Accept": kind}).data
    answer = api.post(IMPORT, data=file, content_type=kind)
    assert answer.json["unchanged"] == len(TAGS), answer.text
    assert factories.rows(connection, "SELECT *, xmin::text FROM client ORDER BY id") == before


@pytest.mark.parametrize("kind", [CSV, NDJSON])
def test_an_export_brings_the_directory_back(api: Caller, connection: Connection, kind: str) -> None:
    add_tags(api)
    file = api.get(EXPORT, headers={"Accept": kind}).data
    factories.execute(connection, "DELETE FROM client")
    assert api.post(IMPORT, data=file, content_type=kind).json["added"] == len(TAGS)
    assert [client["tag"] for client in api.get("/v1/client/").json] == TAGS


def test_an_export_goes_on_from_page_to_page_with_no_transaction_open(
    app: Flask, api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 10)
    ids = factories.add_clients(connection, 25)
    response = caller(app).get(EXPORT, buffered=False)
    pieces = response.iter_encoded()  # type: ignore[attr-defined]
    next(pieces), next(pieces)
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now()"
    assert factories.value(connection, busy) == 0
    assert sum(piece.count(b"\r\n") for piece in pieces) == len(ids) - 10
