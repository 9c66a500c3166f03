"""Phone numbers and tags as people write them, in the API's bodies and queries and in the console."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_running_mailing, execute, rows, value
from tests.integration.api.calls import CLIENT, Caller, add_client, add_mailing, client_body, wrong_fields
from tests.integration.api.html_forms import fields_of

ROW = '<th scope="row">'
NUMBER = 79161234567


@pytest.fixture
def in_russia(app: Flask, api: Caller, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A caller of an API whose default region is Russia."""
    monkeypatch.setitem(app.config, "DEFAULT_REGION", "RU")
    return api


@pytest.mark.parametrize("written", [NUMBER, "+7 916 123 45 67", 89161234567, "8 9161234567", 9161234567])
def test_with_a_default_region_one_person_is_one_client(in_russia: Caller, written: int | str) -> None:
    add_client(in_russia)
    again = in_russia.post("/v1/client/create/", json=client_body(phone_number=written))
    assert (again.status_code, wrong_fields(again)) == (409, {"phone_number"})


def test_without_a_default_region_a_number_of_no_country_is_taken_with_a_warning(api: Caller) -> None:
    plain = api.post("/v1/client/create/", json=CLIENT).json
    doubtful = api.post("/v1/client/create/", json=client_body(phone_number=89161234567)).json
    assert plain["warnings"] == []
    assert [warning["code"] for warning in doubtful["warnings"]] == ["doubtful_phone_number"]
    assert [bool(one["warnings"]) for one in api.get("/v1/client/").json] == [False, True]
    assert "No country has such numbers" in api.get(f"/clients/{doubtful['id']}/").text
    assert "No country has such numbers" not in api.get(f"/clients/{plain['id']}/").text


@pytest.mark.parametrize("typed", ["+7 (916) 123-45-67", "'79161234567", "7 916 123-45-67"])
def test_a_form_takes_a_number_as_it_is_written(api: Caller, typed: str, connection: Connection) -> None:
    add_client(api, phone_number=79160000001)
    form = CLIENT | {"phone_number": typed, "operator_code": " 916 ", "tag": "vip\xa0", "timezone": "Europe/Moscow "}
    assert api.post("/clients/new/", data=form).status_code == 302
    added = rows(connection, "SELECT phone_number, operator_code, tag, timezone FROM client WHERE id = 2")
    assert added == [tuple(CLIENT.values())]
    mailing_id = add_mailing(api)
    assert api.post(f"/mailings/{mailing_id}/test/", data={"phone_number": typed}).status_code == 302


def test_a_form_refuses_what_would_be_a_second_client_and_keeps_what_was_typed(api: Caller, app: Flask) -> None:
    for typed, said in [
        ("8 916 123-45-67", "No country has such numbers. Write it with the country&#39;s code, such as 79161234567"),
        ("7.9161E+10", "A spreadsheet has rounded it"),
        ("79161234567, 79161234568", "There is more than one phone number here. Give one."),
    ]:
        answer = api.post("/clients/new/", data=CLIENT | {"phone_number": typed})
        assert (answer.status_code, said in answer.text) == (422, True), typed
        assert fields_of(answer)["phone_number"] == typed
        russian = api.post("/clients/new/", data=CLIENT | {"phone_number": typed}, headers={"Accept-Language": "ru"})
        assert "номер" in russian.text
        assert said not in russian.text


def test_saving_a_form_changes_no_number_that_nobody_touched(api: Caller, app: Flask, connection: Connection) -> None:
    client_id = add_client(api, phone_number=89161234567)
    form = fields_of(api.get(f"/clients/{client_id}/edit/")) | {"tag": "new"}
    assert api.post(f"/clients/{client_id}/edit/", data=form).status_code == 302
    assert rows(connection, "SELECT phone_number, tag FROM client") == [(89161234567, "new")]


@pytest.mark.parametrize("typed", ["8 900 000-00-01", "8900000", "900 000", "+7 (900", "0079000", "7900000"])
@pytest.mark.parametrize("region", [None, "RU"])
def test_a_search_finds_a_person_however_the_number_is_dialled(
    api: Caller, app: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch, typed: str, region: str | None
) -> None:
    monkeypatch.setitem(app.config, "DEFAULT_REGION", region)
    add_clients(connection, 1)
    add_client(api)
    page = api.get("/clients/", query_string={"phone": typed, "tag": "sample\xa0", "operator_code": " 900"})
    assert page.text.count(ROW) == 1
    assert "79000000001" in page.text


def test_a_search_without_country_code_goes_on_page_by_page_and_finds_nobody_twice(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 120)
    execute(connection, "UPDATE client SET phone_number = 19000000000 + id WHERE id <= 60")
    seen: list[str] = []
    address: str | None = "/clients/?phone=900"
    while address:
        page = api.get(address).text
        seen += [part.partition('"')[0] for part in page.split('<th scope="row"><a href="')[1:]]
        following = page.partition('rel="next"')[0].rpartition('href="')[2] if 'rel="next"' in page else ""
        address = following.partition('"')[0].replace("&amp;", "&") or None
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("typed", ["8 (900) 000-00-02", "9000000002", "+7 900 000 00 02", "79000000002"])
def test_the_ledger_finds_a_person_however_the_number_is_dialled(
    api: Caller, connection: Connection, typed: str
) -> None:
    add_running_mailing(connection, 3)
    page = api.get("/ledger/", query_string={"phone": typed}).text
    assert page.count(ROW) == 1
    assert "79000000002" in page
    assert api.get("/ledger/", query_string={"phone": "9000"}).text.count(ROW) == 0


def test_a_query_takes_a_number_as_it_is_written(in_russia: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 3)
    for path in ("/v1/client/", "/v1/message/"):
        for written in ("8 (900) 000-00-02", "+7 900 000 00 02", "900 0000002", "79000000002"):
            found = in_russia.get(path, query_string={"phone_number": written}).json
            assert [one["phone_number"] for one in found] == [79000000002], (path, written)
        assert in_russia.get(path, query_string={"phone_number": "1000000"}).json == []


def test_a_mark_matches_a_tag_that_looks_the_same(api: Caller, connection: Connection) -> None:
    ids = [add_client(api, tag="gold\xa0 club "), add_client(api, phone_number=79161234568, tag="gold club\u200b")]
    assert value(connection, "SELECT array_agg(DISTINCT tag) FROM client") == ["gold club"]
    mark = "\ufeffgold  club\xa0"
    assert api.post("/v1/mailing/plan/", json={"mark": mark}).json["audience"] == 2
    assert api.get(f"/v1/mailing/{add_mailing(api, mark=mark)}/").json["mark"] == "gold club"
    assert [one["id"] for one in api.get("/v1/client/", query_string={"tag": mark}).json] == ids
    assert api.get("/mailings/", query_string={"words": "gold\xa0club"}).text.count(ROW) == 1
    empty = api.post("/v1/mailing/create/", json={"mark": "\u200b\xa0"})
    assert "mark" in wrong_fields(empty)


def test_a_plan_warns_of_tags_that_differ_only_in_case(api: Caller, connection: Connection) -> None:
    for number, tag in enumerate(["Club", "cLUb", "club", "clubs", "Клуб"]):
        add_client(api, phone_number=79160000000 + number, tag=tag)
    plan = api.post("/v1/mailing/plan/", json={"mark": "club"}).json
    assert (plan["audience"], plan["similar_tags"]) == (1, ["Club", "cLUb"])
    assert [warning["code"] for warning in plan["warnings"]] == ["case_differs"]
    assert api.post("/v1/mailing/plan/", json={"mark": "КЛУБ"}).json["similar_tags"] == ["Клуб"]
    assert api.post("/v1/mailing/plan/", json={"mark": "clubs"}).json["similar_tags"] == []
    page = api.post("/mailings/estimate/", data={"mark": "club"}, headers={"Accept-Language": "ru"}).text
    assert "отличается только регистром букв" in page
    assert "<b>Club</b>, <b>cLUb</b>" in page


def test_of_very_many_tags_those_in_usual_cases_are_found(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.mailings.audience_count.TAGS", 3)
    execute(
        connection,
        "INSERT INTO client (phone_number, operator_code, tag, timezone)"
        " SELECT 79000000000 + n, '900', 'a' || n, 'UTC' FROM generate_series(1, 10) n",
    )
    add_client(api, tag="Club")
    assert api.post("/v1/mailing/plan/", json={"mark": "club"}).json["similar_tags"] == ["Club"]


def test_the_import_page_names_the_countries_and_chooses_the_default_one(in_russia: Caller) -> None:
    page = in_russia.get("/clients/import/", headers={"Accept-Language": "ru"}).text
    assert '<option value="RU" selected>Россия</option>' in page
    assert '<option value="UA">Украина</option>' in page
    assert "Россия" in in_russia.get("/clients/new/", headers={"Accept-Language": "ru"}).text
