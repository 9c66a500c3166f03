"""External ids, tags and attributes from files, and the columns that have them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import Answer, Caller, add_client, once_blocked
from tests.integration.api.test_import import COLUMNS, CSV, HEADER, IMPORT, NDJSON, ROW, counts, faults

FIELD = "/v1/client-field/create/"
NUMBER = 79161234567


def send(api: Caller, body: str | bytes, content_type: str = CSV, **query: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return api.post(IMPORT, data=data, content_type=content_type, query_string=query)


def declare(api: Caller, **fields: str) -> None:
    for name, kind in fields.items():
        assert api.post(FIELD, json={"name": name, "type": kind}).status_code == 201


def clients(api: Caller) -> dict[int, dict[str, Any]]:
    return {client["phone_number"]: client for client in api.get("/v1/client/").json}


def used(answer: Answer) -> dict[str, tuple[str | None, str | None]]:
    """The field and its type, by column."""
    assert answer.status_code == 200, answer.text
    return {one["column"]: (one["field"], one["type"]) for one in answer.json["fields"]}


def reasons(answer: Answer) -> list[tuple[int, str | None, str | None]]:
    assert answer.status_code == 200, answer.text
    return [(fault["line"], fault["field"], fault["reason_code"]) for fault in answer.json["errors"]]


def test_columns_are_fields_by_their_names_and_labels_and_values_are_typed(api: Caller) -> None:
    api.post(FIELD, json={"name": "visits", "type": "number", "label": "Число визитов"})
    declare(api, vip="boolean", city="text", likes="list", seen="datetime")
    body = (
        "Телефон;Код оператора;Тег;Часовой пояс;ID;Внешний ID;Теги;Город;Имя;Фамилия;Дата рождения;ЧИСЛО  ВИЗИТОВ;VIP;"
        "city;likes;seen\r\n"
        "79161234567;916;vip;Europe/Moscow;7;crm-1;новый|vip;x;Анна;Иванова;31.12.1990;1 250,5;да;Казань;чай;"
        "2026-01-02 03:04\r\n"
    )
    answer = send(api, body.encode("cp1251"), default_timezone="Europe/Moscow")
    assert counts(answer) == (1, 0, 0, 0)
    assert answer.json["ignored_columns"] == ["ID", "Город"]
    client = clients(api)[NUMBER]
    assert client["external_id"] == "crm-1"
    assert (client["tag"], client["tags"]) == ("vip", ["vip", "новый"])
    assert client["attributes"] == {
        **{"first_name": "Анна", "last_name": "Иванова", "birthday": "1990-12-31", "visits": 1250.5, "vip": True},
        **{"city": "Казань", "likes": ["чай"], "seen": "2026-01-02T00:04:00.000000Z"},
    }
    assert counts(send(api, body.encode("cp1251"), default_timezone="Europe/Moscow")) == (0, 0, 1, 0)


def test_the_first_name_is_the_name_where_there_is_no_last_one(api: Caller) -> None:
    assert counts(send(api, HEADER.replace("\n", ",Имя\n") + ROW.replace("\n", ",Анна\n"))) == (1, 0, 0, 0)
    assert clients(api)[NUMBER]["attributes"] == {"name": "Анна"}


def test_a_caller_says_what_columns_are(api: Caller) -> None:
    declare(api, city="text")
    body = "phone,mobile,code,tag,zone,City,note\n84951234567,+79161234567,916,vip,UTC,Kazan,x\n"
    columns = {
        **{"phone": None, "mobile": "phone_number", "code": "operator_code", "zone": "timezone"},
        **{"City": None, "note": "city"},
    }
    answer = send(api, body, columns=json.dumps(columns))
    assert counts(answer) == (1, 0, 0, 0)
    assert clients(api)[NUMBER]["attributes"] == {"city": "x"}
    assert answer.json["ignored_columns"] == ["phone", "City"]


@pytest.mark.parametrize(
    ("columns", "place", "wrong"),
    [
        ({"Town": "city"}, "csv", "Town"),
        ({"note": "unknown"}, "csv", "unknown"),
        ({"note": {"field": "tag s", "type": "text"}}, "csv", "tag s"),
        ({"note": "tag"}, "csv", None),
        ({"note": "tags", "more": "tags"}, "csv", "tags"),
        ({"note": 5}, "query", "columns"),
        ({"note": "\ud800"}, "query", "columns"),
        ({"note": {"field": "\ud800", "type": "text"}}, "query", "columns"),
        ({"note": {"field": "x", "type": "colour"}}, "query", "columns"),
        ([], "query", "columns"),
        ("x", "query", "columns"),
    ],
)
def test_wrong_choices_of_columns_are_refused(api: Caller, columns: Any, place: str, wrong: str | None) -> None:
    body = HEADER.replace("\n", ",note,more\n") + ROW.replace("\n", ",a,b\n")
    answer = send(api, body, columns=json.dumps(columns))
    if wrong is None:  # the choice is used in place of what the name says
        assert (counts(answer), answer.json["ignored_columns"]) == ((1, 0, 0, 0), ["tag", "more"])
    else:
        assert answer.status_code == 422
        assert wrong in answer.json["errors"][place]
        assert clients(api) == {}


def test_fields_are_declared_on_demand_with_the_type_of_their_values(api: Caller, connection: Connection) -> None:
    header = HEADER.replace("\n", ",Город,Баланс,Карта,Куплено,Согласие,Пусто,tags\n")
    body = header + ROW.replace("\n", ',Казань,"1,5",0042,31.12.2025,да,,\n') + "79031234567,903,,UTC,Уфа,x,1,,нет,,\n"
    tried = send(api, body, create_fields="true", dry_run="true")
    types: dict[str, tuple[str | None, str | None]] = {
        "Город": ("город", "text"),
        "Баланс": ("баланс", "text"),
        "Карта": ("карта", "text"),
    }
    types |= {"Куплено": ("куплено", "date"), "Согласие": ("согласие", "boolean"), "Пусто": (None, None)}
    assert {name: use for name, use in used(tried).items() if name not in (*COLUMNS, "tags")} == types
    assert [one["column"] for one in tried.json["fields"] if one["new"]] == list(types)[:-1]
    assert factories.value(connection, "SELECT count(*) FROM client_field") == 4
    number = json.dumps({"Баланс": {"field": "balance", "type": "number"}})
    answer = send(api, body, create_fields="true", columns=number)
    assert counts(answer) == (1, 0, 0, 1)
    assert reasons(answer) == [(3, "balance", "not_a_number")]
    assert [one["bad_cells"] for one in answer.json["fields"] if one["column"] == "Баланс"] == [1]
    assert clients(api)[NUMBER]["attributes"] == {
        **{"город": "Казань", "balance": 1.5, "карта": "0042", "куплено": "2025-12-31", "согласие": True}
    }
    declared = "SELECT array_agg(name || ' ' || label ORDER BY id) FROM client_field WHERE id > 4"
    assert factories.value(connection, declared) == [
        *("город Город", "balance Баланс", "карта Карта", "куплено Куплено", "согласие Согласие")
    ]
    entry = "SELECT DISTINCT detail->'fields'->>'balance' FROM audit_entry WHERE detail->'fields' ? 'balance'"
    assert factories.rows(connection, entry) == [("number",)]


def test_a_name_of_a_column_is_a_label_as_the_api_stores_it(api: Caller, connection: Connection) -> None:
    header = HEADER.replace("timezone\n", "Часово\u0438\u0306 пояс,\xa0Любимы\u0438\u0306\0  ча\u0438\u0306\n")
    assert counts(send(api, header + ROW.replace("\n", ",зелёный\n"), create_fields="true")) == (1, 0, 0, 0)
    declared = "SELECT name, label FROM client_field ORDER BY id DESC LIMIT 1"
    assert factories.rows(connection, declared) == [("любимый_чай", "Любимый чай")]


def test_attributes_of_many_lines_are_exported_and_read_again(api: Caller) -> None:
    declare(api, note="text", likes="list")
    attributes = {"note": "a\n" * 249 + "=a", "likes": [f"{number}\n" * 60 + '"' for number in range(20)]}
    add_client(api, attributes=attributes)
    file = api.get("/v1/client/export/", headers={"Accept": CSV}).data
    assert counts(send(api, file)) == (0, 0, 1, 0)


def test_no_more_fields_are_declared_than_there_may_be(api: Caller, connection: Connection) -> None:
    header = ",".join(f"f{number}" for number in range(197))
    body = HEADER.replace("\n", f",{header}\n") + ROW.replace("\n", ",1" * 197 + "\n")
    answer = send(api, body, create_fields="true")
    assert (answer.status_code, clients(api)) == (422, {})
    assert len(answer.json["errors"]["csv"]) == 197
    assert factories.value(connection, "SELECT count(*) FROM client_field") == 4


def test_bad_cells_are_named_by_row_and_field_and_go_back_in_when_they_are_corrected(api: Caller) -> None:
    declare(api, visits="number")
    header = HEADER.replace("\n", ",birthday,visits,external_id,tags\n")
    rows = ROW.replace("\n", f",12/31/1990,7.9161E+10,{'x' * 201},{'y' * 101}\n") + "79031234567,903,,UTC,,5,,=b;a\n"
    answer = send(api, header + rows)
    assert counts(answer) == (1, 0, 0, 1)
    assert set(reasons(answer)) == {
        *((2, "birthday", "date_ambiguous"), (2, "visits", "number_rounded")),
        *((2, "external_id", "too_long"), (2, "tags", "too_long")),
    }
    assert clients(api)[79031234567]["tags"] == ["=b", "a"]
    rejected = api.post(IMPORT, data=header + rows, content_type=CSV, headers={"Accept": CSV}).data.decode()
    corrected = rejected.replace("12/31/1990", "1990-12-31").replace("7.9161E+10", "7").replace("x" * 201, "e")
    assert counts(send(api, corrected.replace("y" * 101, "t"))) == (1, 0, 0, 0)
    assert clients(api)[NUMBER]["attributes"] == {"birthday": "1990-12-31", "visits": 7}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("crm-1", ["a", "b", "c", "vip"], {"city": "Уфа", "name": "Анна"})),
        ({"tags": "replace"}, ("crm-1", ["b", "c", "vip"], {"city": "Уфа", "name": "Анна"})),
        ({"empty": "remove"}, (None, ["a", "b", "c", "vip"], {"city": "Уфа"})),
    ],
)
def test_a_merge_keeps_what_a_row_does_not_give(api: Caller, query: dict[str, str], expected: Any) -> None:
    declare(api, city="text")
    known = {"external_id": "crm-1", "tags": ["a", "b", "vip"], "attributes": {"city": "Казань", "name": "Анна"}}
    add_client(api, **known)
    body = HEADER.replace("\n", ",external_id,tags,city,name\n") + ROW.replace("\n", ",,c;b;vip,Уфа,\n")
    dry = send(api, body, dry_run="true", **query)
    assert counts(send(api, body, **query)) == counts(dry) == (0, 1, 0, 0)
    found = clients(api)[NUMBER]
    assert (found["external_id"], found["tags"], found["attributes"]) == expected
    assert counts(send(api, body, **query)) == (0, 0, 1, 0)


def test_a_tag_that_becomes_the_first_one_leaves_the_others(api: Caller) -> None:
    add_client(api, tags=["vip", "new"])
    assert counts(send(api, HEADER + ROW.replace("vip", "new"))) == (0, 1, 0, 0)
    assert (clients(api)[NUMBER]["tag"], clients(api)[NUMBER]["tags"]) == ("new", ["new"])
    body = HEADER.replace("\n", ",tags\n") + ROW.replace("vip", "third").replace("\n", ",third;new\n")
    assert counts(send(api, body)) == (0, 1, 0, 0)
    assert (clients(api)[NUMBER]["tag"], clients(api)[NUMBER]["tags"]) == ("third", ["new", "third"])


def test_limits_hold_for_what_a_client_has_already_and_the_row_together(api: Caller) -> None:
    declare(api, **{f"t{number}": "text" for number in range(12)})
    # Letters that a name in the database encoding has in one byte.
    add_client(api, tags=[f"{n:03}" for n in range(99)], attributes={f"t{n}": "x" * 500 for n in range(10)})
    full = {f"t{number}": "y" * 500 for number in range(10, 12)}
    tags = json.dumps(
        {"phone_number": NUMBER, "operator_code": "916", "tag": "vip", "timezone": "UTC", "tags": ["new"]}
    )
    large = {f"t{number}": "я" * 500 for number in range(8)}
    attributes = tags.replace('"tags": ["new"]', f'"attributes": {json.dumps(large)}')
    assert reasons(send(api, tags, NDJSON)) == [(1, "tags", "too_many_tags")]
    assert reasons(send(api, attributes, NDJSON, dry_run="true")) == [(1, "attributes", "attributes_too_large")]
    small = tags.replace('"tags": ["new"]', f'"attributes": {json.dumps(full)}')
    assert counts(send(api, small, NDJSON)) == (0, 1, 0, 0)


def test_an_external_id_that_another_client_has_rejects_its_row(api: Caller) -> None:
    other = add_client(api, phone_number=79031234567, operator_code="903", external_id="taken")
    header = HEADER.replace("\n", ",external_id\n")
    body = (
        header + ROW.replace("\n", ",taken\n") + "79160000002,916,,UTC,twice\n" + "79160000001,916,,UTC,twice\n"
        "79160000003,916,,UTC,own\n"
    )
    answer = send(api, body)
    assert counts(answer) == (2, 0, 0, 2)
    assert reasons(answer) == [
        (2, "external_id", "external_id_of_client"),
        (4, "external_id", "external_id_in_file_twice"),
    ]
    assert f"Client {other}," in answer.json["errors"][0]["reason"]
    assert {number: client["external_id"] for number, client in clients(api).items()} == {
        **{79031234567: "taken", 79160000002: "twice", 79160000003: "own"}
    }
    # The same again changes nothing.
    assert counts(send(api, body)) == (0, 0, 2, 2)


def test_an_external_id_that_another_request_gives_meanwhile_rejects_its_row(
    api: Caller, connection: Connection, connect: Any
) -> None:
    holder = connect()
    holder.autocommit = False
    add = (
        "INSERT INTO client (phone_number, operator_code, tag, timezone, external_id) VALUES (%s, '916', '', 'UTC', %s)"
    )
    factories.execute(holder, add, 79160000001, "one")
    body = HEADER.replace("\n", ",external_id\n") + ROW.replace("\n", ",one\n") + "79160000001,916,,UTC,\n"
    (answer,) = once_blocked(connection, holder.commit, lambda: send(api, body))
    assert reasons(answer) == [(2, "external_id", "external_id_of_client")]
    assert counts(answer) == (0, 0, 1, 1)


def test_what_another_request_gives_a_client_meanwhile_is_kept(
    api: Caller, connection: Connection, connect: Any
) -> None:
    declare(api, city="text", visits="number")
    add_client(api)
    holder = connect()
    holder.autocommit = False
    factories.execute(holder, """UPDATE client SET attributes = '{"visits": 5}', tags = '{other}'""")
    body = HEADER.replace("\n", ",city,tags\n") + ROW.replace("\n", ",Уфа,new\n")
    (answer,) = once_blocked(connection, holder.commit, lambda: send(api, body))
    assert counts(answer) == (0, 1, 0, 0)
    client = clients(api)[NUMBER]
    assert (client["attributes"], client["tags"]) == ({"city": "Уфа", "visits": 5}, ["new", "other", "vip"])


def test_an_import_with_external_ids_does_not_wait_for_a_launch(api: Caller, connect: Any) -> None:
    add_client(api, external_id="old")
    launch = connect()
    launch.autocommit = False
    factories.execute(launch, "SELECT FROM client FOR KEY SHARE")
    body = HEADER.replace("\n", ",external_id\n") + ROW.replace("\n", ",new\n")
    assert counts(send(api, body)) == (0, 1, 0, 0)
    launch.rollback()


def test_a_field_that_is_removed_meanwhile_is_not_written(api: Caller, connection: Connection, connect: Any) -> None:
    declare(api, city="text")
    holder = connect()
    holder.autocommit = False
    factories.execute(holder, "SELECT FROM client_field WHERE name = 'city' FOR UPDATE")
    factories.execute(holder, "UPDATE client_field SET removal_started_at = now() WHERE name = 'city'")
    body = HEADER.replace("\n", ",city\n") + ROW.replace("\n", ",Уфа\n")
    (answer,) = once_blocked(connection, holder.commit, lambda: send(api, body))
    assert (answer.status_code, clients(api)) == (409, {})


def test_json_lines_have_external_ids_tags_and_attributes(api: Caller) -> None:
    declare(api, visits="number", likes="list")
    row = {"phone_number": NUMBER, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}
    more = {"external_id": "crm-1", "tags": ["b", "vip"], "attributes": {"visits": 3, "likes": ["чай", "a"]}}
    plain = row | {"phone_number": 79160000001}
    bad = plain | {"phone_number": 79160000002, "attributes": {"visits": "3", "colour": "red"}, "tags": "x"}
    body = "\n".join(map(json.dumps, (row | more, plain, bad)))
    answer = send(api, body, NDJSON)
    assert counts(answer) == (2, 0, 0, 1)
    assert set(reasons(answer)) == {
        *((3, "visits", "not_a_number"), (3, "colour", "field_not_declared"), (3, "tags", "not_a_list_of_texts"))
    }
    found = clients(api)[NUMBER]
    assert {name: found[name] for name in more} == more | {"attributes": {"likes": ["a", "чай"], "visits": 3}}
    removal = row | {"external_id": None, "attributes": {"visits": None}}
    assert counts(send(api, json.dumps(removal), NDJSON)) == (0, 1, 0, 0)
    assert (clients(api)[NUMBER]["external_id"], clients(api)[NUMBER]["attributes"]) == (None, {"likes": ["a", "чай"]})
    rejected = api.post(IMPORT, data=body, content_type=NDJSON, headers={"Accept": CSV}).data.decode()
    names = "line,reason,phone_number,operator_code,tag,timezone,external_id,tags,attributes\r\n"
    assert rejected.startswith(names)
    corrected = rejected.replace('""3""', "3").replace("colour", "name")
    assert counts(send(api, corrected)) == (1, 0, 0, 0)
    assert clients(api)[79160000002]["attributes"] == {"name": "red", "visits": 3}


def test_an_export_is_imported_without_a_change(api: Caller) -> None:
    declare(api, likes="list", vip="boolean", note="text")
    attributes = {"likes": ["a;b", 'c"d'], "vip": False, "note": "=1+1", "birthday": "1990-12-31", "name": "'x"}
    add_client(api, external_id="=1", tags=["a;b", "'-x", "vip"], attributes=attributes)
    add_client(api, phone_number=79031234567, operator_code="903")
    before = clients(api)
    for kind in (CSV, NDJSON):
        exported = api.get("/v1/client/export/", headers={"Accept": kind}).data
        assert counts(send(api, exported, kind)) == (0, 0, 2, 0)
        for client in before.values():
            api.delete(f"/v1/client/{client['id']}/")
        assert counts(send(api, exported, kind)) == (2, 0, 0, 0)
        found = clients(api)
        same = ("tag", "tags", "external_id", "attributes")
        for number, client in before.items():
            assert [found[number][name] for name in same] == [client[name] for name in same]
        before = found


def test_what_is_missing_is_filled_from_the_plan_of_the_number(api: Caller) -> None:
    add_client(api, timezone="Asia/Omsk", operator_code="1612", tag="vip")
    rows = ("+79161234567,", "+7 (495) 123-45-67,", "+375291234567,", "+7 916 000 00 01,Asia/Tomsk", "89160000002,")
    body = "\n".join(("phone,timezone", *rows))
    assert send(api, body).status_code == 422
    answer = send(api, body, fill="true", default_region="RU")
    assert reasons(answer) == [(6, "timezone", "timezone_not_in_plan")]
    assert counts(answer) == (3, 0, 1, 1)
    found = {n: (c["operator_code"], c["tag"], c["timezone"]) for n, c in clients(api).items()}
    assert found == {
        NUMBER: ("1612", "vip", "Asia/Omsk"),
        74951234567: ("495", "", "Europe/Moscow"),
        375291234567: ("29", "", "Europe/Moscow"),
        79160000001: ("916", "", "Asia/Tomsk"),
    }
    answer = send(api, body, fill="true", default_region="RU", default_timezone="Europe/Moscow")
    assert counts(answer) == (1, 0, 4, 0)
    assert clients(api)[79160000002]["timezone"] == "Europe/Moscow"
    # A time zone or a code that is given is checked as ever.
    wrong = "phone,operator_code,timezone\n+79160000003,999,Mars\nx,,\n"
    assert set(faults(send(api, wrong, fill="true"))) == {
        (2, "operator_code"),
        (2, "timezone"),
        (3, "phone_number"),
    } - {(2, "operator_code")}


def test_a_row_is_filled_alike_from_json_lines(api: Caller) -> None:
    assert counts(send(api, '{"phone_number": 74951234567}', NDJSON, fill="true")) == (1, 0, 0, 0)
    assert clients(api)[74951234567]["operator_code"] == "495"


def test_a_sheet_of_excel_is_read_as_it_saves_it(api: Caller) -> None:
    declare(api, city="text")
    header = "Телефон\tКод оператора\tТег\tЧасовой пояс\tcity\tДата рождения\r\n"
    rows = '8 (916) 123-45-67\t916\tvip\tEurope/Moscow\t"Казань; центр"\t31.12.1990\r\n'
    wrong = "7,9161E+10\t916\tvip\tEurope/Moscow\t\t\r\n'79031234567\t903\t\tUTC\t=x\t\r\n"
    unicode_text = ("\ufeff" + header + rows + wrong).encode("utf-16-le")
    answer = send(api, unicode_text, default_region="RU")
    assert (answer.json["encoding"], answer.json["delimiter"]) == ("utf-16le", "\t")
    assert reasons(answer) == [(3, "phone_number", "phone_number_rounded")]
    assert clients(api)[NUMBER]["attributes"] == {"birthday": "1990-12-31", "city": "Казань; центр"}
    for encoding, mark in (
        ("cp1251", ""),
        ("utf-8", "\ufeff"),
        ("utf-8", ""),
        ("utf-16-be", "\ufeff"),
        ("utf-16-be", ""),
    ):
        text = "sep=;\r\n" + (header + rows + wrong).replace("\t", ";")
        again = send(api, (mark + text).encode(encoding), default_region="RU")
        assert (counts(again), again.json["delimiter"]) == ((0, 0, 2, 1), ";")


def test_a_list_of_1c_is_read_as_it_saves_it(api: Caller) -> None:
    body = (
        '"Код";"Наименование";"Телефон";"Группа";"Дата рождения";"Сумма покупок"\r\n'
        + '"00-000017";"ООО ""Ромашка""";"8(916)123-45-67";"Опт";"31.12.1990 0:00:00";"12 345,60"\r\n'
        + '"00-000018";"Иванов\nИ. И.";"+7 916 000-00-01";"";"";"0,00"\r\n'
        + '"00-000019";"Петров";"";"Опт";"";""\r\n'
    ).encode("cp1251")
    columns = json.dumps({"Код": "external_id", "Наименование": "name", "Группа": "tags"})
    options = {"fill": "true", "default_timezone": "Europe/Moscow", "default_region": "RU", "create_fields": "true"}
    tried = send(api, body, columns=columns, dry_run="true", **options)
    assert used(tried)["Сумма покупок"] == ("сумма_покупок", "text")
    typed = json.dumps(json.loads(columns) | {"Сумма покупок": {"field": "total", "type": "number"}})
    answer = send(api, body, columns=typed, **options)
    assert counts(answer) == (2, 0, 0, 1)
    assert reasons(answer) == [(5, "phone_number", "phone_number_unreadable")]
    client = clients(api)[NUMBER]
    assert (client["external_id"], client["tags"], client["operator_code"]) == ("00-000017", ["Опт"], "916")
    assert client["attributes"] == {"name": 'ООО "Ромашка"', "birthday": "1990-12-31", "total": 12345.6}
    assert clients(api)[79160000001]["attributes"]["name"] == "Иванов\nИ. И."


LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    'c2cc0b31-5485-4781-8a8f-2e6a3d6f1b8b,anna@example.com,Anna,"{""phone"": ""+7 916 123-45-67"", ""city"": '
    '""Kazan"", ""projects"": 3, ""langs"": [""go"", ""sql""], ""vip"": true, ""nested"": {""a"": 1}}",enabled,'
    "2026-11-02 10:31:18.9 +0000 UTC,2026-11-02 10:31:18.9 +0000 UTC\n"
    "1a6f7f61-9f61-4b2c-9a30-25a5ad9c2d11,ivan@example.com,Ivan,{},enabled,"
    "2026-11-02 10:31:18.9 +0000 UTC,2026-11-02 10:31:18.9 +0000 UTC\n"
)


def test_an_export_of_listmonk_is_imported_with_its_attributes(api: Caller) -> None:
    ignored = dict.fromkeys(("email", "status", "created_at", "updated_at"))
    columns = json.dumps(
        {"uuid": "external_id", "attributes.projects": {"field": "projects", "type": "number"}} | ignored
    )
    options = {"fill": "true", "default_timezone": "Europe/Moscow", "create_fields": "true", "columns": columns}
    answer = send(api, LISTMONK, **options)
    assert used(answer) == {
        **{"uuid": ("external_id", "text"), "name": ("name", "text"), "attributes": ("attributes", None)},
        **{"attributes.phone": ("phone_number", "text"), "attributes.city": ("city", "text")},
        **{"attributes.projects": ("projects", "number"), "attributes.langs": ("langs", "list")},
        **{"attributes.vip": ("vip", "boolean"), "attributes.nested": (None, None)},
        **dict.fromkeys(ignored, (None, None)),
    }
    assert counts(answer) == (1, 0, 0, 1)
    assert faults(answer) == [(3, "phone_number")]
    client = clients(api)[NUMBER]
    assert client["external_id"] == "c2cc0b31-5485-4781-8a8f-2e6a3d6f1b8b"
    assert client["attributes"] == {"name": "Anna", "city": "Kazan", "projects": 3, "langs": ["go", "sql"], "vip": True}
    assert counts(send(api, LISTMONK, **options)) == (0, 0, 1, 1)


MAUTIC = (
    '"id","title","firstname","lastname","company","email","mobile","phone","points","city","timezone","last_active",'
    '"stage"\n'
    '"43","Ms","Anna","Petrova","","anna@example.com","+7 916 123-45-67","+7 495 123-45-67","12","Kazan",'
    '"Europe/Moscow","2026-11-02 10:31:18","Lead"\n'
    '"44","","Ivan","","","ivan@example.com","+7 916 000-00-01","","0","","","",""\n'
)


def test_an_export_of_mautic_is_imported_with_the_mobile_phone(api: Caller) -> None:
    chosen = {
        "id": "external_id",
        "mobile": "phone_number",
        "phone": None,
        "title": None,
        "company": None,
        "email": None,
    }
    options = {"fill": "true", "default_timezone": "UTC", "create_fields": "true", "columns": json.dumps(chosen)}
    answer = send(api, MAUTIC, **options)
    assert counts(answer) == (2, 0, 0, 0)
    assert used(answer)["last_active"] == ("last_active", "datetime")
    client = clients(api)[NUMBER]
    assert (client["external_id"], client["timezone"], client["operator_code"]) == ("43", "Europe/Moscow", "916")
    assert client["attributes"] == {
        **{"first_name": "Anna", "last_name": "Petrova", "points": 12, "city": "Kazan", "stage": "Lead"},
        "last_active": "2026-11-02T10:31:18.000000Z",
    }
    assert clients(api)[79160000001]["timezone"] == "UTC"


def test_a_key_that_only_later_rows_have_is_a_field_that_is_declared_or_ignored(api: Caller) -> None:
    rows = [f'{79160000000 + n},916,,UTC,"{{""name"": ""x""}}"\n' for n in range(200)]
    body = (
        HEADER.replace("\n", ",attributes\n")
        + "".join(rows)
        + '79161234567,916,,UTC,"{""late"": 1, ""first_name"": ""y""}"\n79161234568,916,,UTC,[]\n'
    )
    answer = send(api, body, create_fields="true")
    assert counts(answer) == (201, 0, 0, 1)
    assert reasons(answer) == [(203, "attributes", "not_an_object_of_values")]
    assert answer.json["ignored_columns"] == ["attributes.late"]
    found = api.get("/v1/client/", query_string={"phone_number": NUMBER}).json
    assert [client["attributes"] for client in found] == [{"first_name": "y"}]
