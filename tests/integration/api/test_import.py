"""Many clients from a file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy.exc import OperationalError

from api import database
from api.clients import importing
from api.clients.import_options import ImportOptions
from api.clients.import_row_reader import RowReader
from api.clients.import_rows import Row
from api.clients.import_staging import COPY_BATCH, staged
from api.extensions import db
from tests import factories
from tests.integration.api.calls import CLIENT, Answer, Caller, add_client, once_blocked, wrong_fields
from tests.waiting import eventually, wait_for_lock_waiter

IMPORT = "/v1/client/import/"
CSV, NDJSON = "text/csv", "application/x-ndjson"
HEADER = "phone_number,operator_code,tag,timezone\n"
ROW = "79161234567,916,vip,Europe/Moscow\n"
OTHER = "79031234567,903,,UTC\n"
IMPORTS = "SELECT count(*) FROM audit_entry WHERE operation = 'importClients'"
COLUMNS = ["phone_number", "operator_code", "tag", "timezone"]
NOTHING: dict[str, Any] = {
    **{"dry_run": False, "rows": 0, "added": 0, "changed": 0, "unchanged": 0, "rejected": 0, "blank_lines": 0},
    **{"encoding": "utf-8", "delimiter": ",", "columns": COLUMNS, "ignored_columns": [], "sample": []},
    **{"reasons": [], "reasons_left_out": 0, "errors": [], "errors_left_out": 0},
    "fields": [
        {"column": name, "field": name, "type": "text", "new": False, "samples": [], "bad_cells": 0} for name in COLUMNS
    ],
}
SAMPLES = [["79161234567", "79031234567"], ["916", "903"], ["vip"], ["Europe/Moscow", "UTC"]]


def take(api: Caller, body: str, content_type: str) -> Answer:
    """The answer to an import that is a file, whatever its rows are."""
    answer = send(api, body, content_type)
    assert answer.status_code == 200, answer.text
    return answer


def send(api: Caller, body: str | bytes, content_type: str = CSV, **headers: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.post(IMPORT, data=data, content_type=content_type, headers=names)


def counts(answer: Answer) -> tuple[int, int, int, int]:
    assert answer.status_code == 200, answer.text
    found = tuple(answer.json[name] for name in ("added", "changed", "unchanged", "rejected"))
    assert sum(found) == answer.json["rows"]
    return found


def faults(answer: Answer) -> list[tuple[int, str | None]]:
    return [(fault["line"], fault["field"]) for fault in answer.json["errors"]]


def directory(api: Caller) -> list[dict[str, Any]]:
    return [{name: client[name] for name in CLIENT} for client in api.get("/v1/client/").json]


def left_over(connection: Connection) -> list[Any]:
    return factories.rows(connection, "SELECT relname FROM pg_class WHERE relname ~ '^client_import' AND relkind = 'r'")


@pytest.mark.parametrize("slash", ["", "/"])
def test_clients_come_from_a_csv_file(api: Caller, slash: str) -> None:
    answer = api.post(f"/v1/client/import{slash}", data=HEADER + ROW + OTHER, content_type=CSV)
    sample = [
        {"line": 2, "cells": ["79161234567", "916", "vip", "Europe/Moscow"]},
        {"line": 3, "cells": ["79031234567", "903", "", "UTC"]},
    ]
    fields = [field | {"samples": samples} for field, samples in zip(NOTHING["fields"], SAMPLES, strict=True)]
    assert answer.json == NOTHING | {"rows": 2, "added": 2, "sample": sample, "fields": fields}
    assert directory(api)[1] == CLIENT
    assert directory(api)[0]["tag"] == ""


def test_clients_come_from_json_lines(api: Caller) -> None:
    other = CLIENT | {"phone_number": "+79161234568"}
    answer = send(api, f"{json.dumps(CLIENT)}\n\n{json.dumps(other)}", NDJSON)
    assert counts(answer) == (2, 0, 0, 0)
    assert directory(api) == [CLIENT, CLIENT | {"phone_number": 79161234568}]


def test_columns_come_in_any_order_and_lines_end_in_any_way(api: Caller) -> None:
    body = "\ufefftag,timezone,phone_number,operator_code\r\nvip,Europe/Moscow,79161234567,916\r\n\r\n"
    assert counts(send(api, body, "text/csv; charset=UTF-8")) == (1, 0, 0, 0)
    assert counts(send(api, body.replace("\r\n", "\r"))) == (0, 0, 1, 0)
    assert directory(api) == [CLIENT]


def test_a_compressed_file_is_decompressed(api: Caller) -> None:
    assert counts(send(api, gzip.compress((HEADER + ROW).encode()), Content_Encoding="gzip")) == (1, 0, 0, 0)


def test_the_same_file_again_changes_nothing(api: Caller, connection: Connection) -> None:
    send(api, HEADER + ROW + OTHER)
    where = "SELECT id, ctid::text, xmin::text, xmax::text, updated_at FROM client ORDER BY id"
    before = factories.rows(connection, where)
    assert counts(send(api, HEADER + ROW + OTHER)) == (0, 0, 2, 0)
    # No row is rewritten, nor even locked.
    assert factories.rows(connection, where) == before


def test_a_client_that_is_different_is_changed(api: Caller) -> None:
    client_id = add_client(api)
    before = api.get(f"/v1/client/{client_id}").json
    assert counts(send(api, HEADER + ROW.replace("vip", "new") + OTHER)) == (1, 1, 0, 0)
    after = api.get(f"/v1/client/{client_id}").json
    assert after == before | {"tag": "new", "tags": ["new"], "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]


def test_of_two_rows_with_one_phone_number_the_first_counts(api: Caller) -> None:
    answer = send(api, HEADER + ROW + OTHER + ROW.replace("vip", "new") + "+" + ROW)
    assert counts(answer) == (2, 0, 0, 2)
    assert faults(answer) == [(4, "phone_number"), (5, "phone_number")]
    assert {fault["reason"] for fault in answer.json["errors"]} == {"The same phone number as in line 2."}
    assert CLIENT in directory(api)


def test_bad_rows_are_named_and_good_ones_kept(api: Caller) -> None:
    answer = send(api, HEADER + ROW + "7916123456x,916,vip,Mars\n" + '7916,"\n",,\n' + OTHER + "1,2\n")
    assert counts(answer) == (2, 0, 0, 3)
    assert faults(answer) == [
        (3, "phone_number"),
        (3, "timezone"),
        (4, "phone_number"),
        (4, "operator_code"),
        (4, "timezone"),
        (7, None),
    ]


VALUES: dict[str, list[Any]] = {
    "phone_number": [
        *("79161234567", "+79161234567", 79161234567, "", "7.9e10", " 79161234567", "7 916 123 45 67 "),
        *("++79161234567", "0916123456", "916123", "7916123456789012", "79161234567;79161234568", "\0"),
        *(7.9e10, 79161234567.0, True, None, [], {}, -79161234567, 10**30),
    ],
    "operator_code": ["79161234567", "9", "", "917", "+7", "٩١٦", "0" * 16, 916, None, []],
    "tag": [
        *("", "я" * 100, "я" * 101, "👍" * 100, "a\tb", "a\nb", "a\0b", "\ud800", '"', ",", "\\N", "\\."),
        *("=1+1", "'=1+1", " x ", "a\u2028b", "a\x85b", "club\u200b", "и\u0306", "\x01", "x" * 150 + " " * 99, 5, None),
    ],
    "timezone": ["UTC", "Asia/Kolkata", "", "utc", "Mars", "Factory", "+03:00", 3, None, []],
    "colour": ["red"],
}
VERDICTS: list[dict[str, Any]] = [{}, {"phone_number": "x", "timezone": "Mars"}]
VERDICTS += [{name: value} for name, values in VALUES.items() for value in values]


def verdict(answer: Answer, api: Caller) -> tuple[Any, set[str | None]]:
    """The directory after a request that had one client to add, and the fields that were refused."""
    wrong = {field for _, field in faults(answer)} if answer.status_code == 200 else set()
    if answer.status_code not in (200, 201):
        wrong = {*wrong_fields(answer)}
    return directory(api), wrong


def as_cells(client: dict[str, Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([client, client.values()])
    return text.getvalue()


def has_cells(client: dict[str, Any]) -> bool:
    """Whether a file of cells can say it, and doesn't say something else with it."""
    plain = all(isinstance(value, str) and "\ud800" not in value for value in client.values())
    return plain and len(client) == len(CLIENT) and not client["tag"].startswith("'=")


def test_a_row_gets_the_result_that_it_would_get_alone(api: Caller, connection: Connection) -> None:
    def asked(how: Any) -> Any:
        factories.execute(connection, "DELETE FROM client")
        return verdict(how(), api)

    verdicts = []
    for changes in VERDICTS:
        client = {"phone_number": "79161234567", **{name: CLIENT[name] for name in CLIENT if name != "phone_number"}}
        client |= changes
        body = json.dumps(client)
        alone = asked(lambda: api.post("/v1/client/create/", data=body, content_type="application/json"))  # noqa: B023
        verdicts.append(bool(alone[1]))
        assert asked(lambda: take(api, body, NDJSON)) == alone, changes  # noqa: B023
        if has_cells(client):
            assert asked(lambda: take(api, as_cells(client), CSV)) == alone, changes  # noqa: B023
    assert set(verdicts) == {True, False}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"phone_number": 1,}', "The line is not JSON"),
        ("[]", "Must be a JSON object."),
        ('"x"', "Must be a JSON object."),
        ('{"tag": "a", "tag": "b"}', 'The line has "tag" more than once.'),
        ('{"tag": NaN}', "there is no NaN"),
        ("[" * 50_000, "nested too deep"),
        ("1" * 5_000, "too many digits"),
        ("x" * 70_000, "Is longer than 65,536 characters."),
        ("x" * 10_000_000, "Is longer than 65,536 characters."),
        ('{"tag": "\udcff"}', "Is not UTF-8."),
    ],
)
def test_a_line_that_is_no_client_rejects_no_other(api: Caller, row: str, reason: str) -> None:
    body = f"{json.dumps(CLIENT)}\n{row}\n{json.dumps(CLIENT)}\n".encode(errors="surrogateescape")
    answer = send(api, body, NDJSON)
    assert counts(answer) == (1, 0, 0, 2)
    assert faults(answer) == [(2, None), (3, "phone_number")]
    assert reason in answer.json["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('79161234568,916,"a"b,UTC', "Is not CSV"),
        ("79161234568,916,vip", "Has 3 columns, and the header has 4."),
        ("79161234568,916,vip,UTC,", "Has 5 columns, and the header has 4."),
        ("x" * 10_000_000, "Is longer than 65,536 characters."),
        ('79161234568,916,"vip,UTC', "A quote is not closed"),
        ("79161234568,916,\udcff,UTC", "Is not UTF-8."),
        (",,,", "The row is empty."),
    ],
)
def test_a_row_that_is_not_csv_rejects_no_other(api: Caller, row: str, reason: str) -> None:
    answer = send(api, f"{HEADER}{row}\n{ROW}".encode(errors="surrogateescape"), "text/csv; charset=utf-8")
    assert counts(answer) == (1, 0, 0, 1)
    assert faults(answer) == [(2, None)]
    assert reason in answer.json["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("\n", {"phone_number", "operator_code", "tag", "timezone"}),
        (ROW, {"phone_number", "operator_code", "tag", "timezone", "79161234567", "916", "vip", "Europe/Moscow"}),
        ("phone_number,operator_code,tag\n", {"timezone"}),
        ("phone_number,operator_code,tag,tag,timezone\n", {"tag"}),
        ("phone_number;operator_code;tag;colour\n", {"timezone", "colour"}),
    ],
)
def test_a_header_with_other_columns_is_refused(api: Caller, body: str, fields: set[str]) -> None:
    answer = send(api, body)
    assert answer.status_code == 422
    assert wrong_fields(answer, "csv") == fields


@pytest.mark.parametrize("body", [HEADER.rstrip().encode() + b',"x\n', b"x" * 10_000_000])
def test_a_header_that_can_not_be_read_is_refused(api: Caller, body: bytes) -> None:
    answer = send(api, body)
    assert answer.status_code == 400
    assert answer.json["message"].startswith("The first line, which names the columns")


@pytest.mark.parametrize("body", [b"x", gzip.compress(ROW.encode() * 1000)[:-20], HEADER.encode()])
def test_a_compressed_file_that_is_damaged_is_refused(api: Caller, body: bytes) -> None:
    answer = send(api, body, NDJSON, Content_Encoding="gzip")
    assert (answer.status_code, directory(api)) == (400, [])


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("application/json", ""),
        ("text/csv; charset=big5", ""),
        ("application/x-ndjson; charset=cp1251", ""),
        (CSV, "br"),
        (CSV, "deflate"),
    ],
)
def test_what_is_announced_as_something_else_is_refused(api: Caller, kind: str, encoding: str) -> None:
    answer = send(api, HEADER + ROW, kind, **({"Content_Encoding": encoding} if encoding else {}))
    assert answer.status_code == 415


def test_a_file_of_no_rows_changes_nothing(api: Caller) -> None:
    assert send(api, HEADER).json == NOTHING
    assert send(api, "\n", NDJSON).json == NOTHING | {"delimiter": None, "blank_lines": 1}


@pytest.mark.parametrize("kind", [CSV, NDJSON])
def test_an_empty_file_is_refused(api: Caller, kind: str) -> None:
    answer = send(api, "", kind)
    assert (answer.status_code, answer.json["message"]) == (400, "The file is empty.")


def test_an_import_takes_no_idempotency_key(api: Caller) -> None:
    answer = send(api, HEADER + ROW, Idempotency_Key="k")
    assert answer.status_code == 422
    assert wrong_fields(answer, "headers") == {"Idempotency-Key"}


def test_an_import_has_a_limit_of_its_own_compressed_or_not(
    api: Caller, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (HEADER + ROW * 3000).encode()
    assert len(body) > app.config["MAX_CONTENT_LENGTH"]
    assert counts(send(api, body)) == (1, 0, 0, 2999)
    monkeypatch.setitem(app.config, "MAX_IMPORT_BYTES", len(body) - 1)
    assert send(api, body).status_code == 413
    assert send(api, gzip.compress(body), Content_Encoding="gzip").status_code == 413


def test_all_that_is_wrong_can_be_had_as_a_file(api: Caller) -> None:
    body = HEADER + "".join(f"{n},916,'=1,UTC\n" for n in range(6000)) + ROW
    answer = send(api, body, Accept="text/csv")
    assert (answer.status_code, answer.mimetype) == (200, CSV)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["line"]) for row in rows] == list(range(2, 6002))
    assert (rows[0]["reason"][:13], rows[0]["phone_number"], rows[0]["tag"]) == ("phone_number:", "0", "'=1")
    assert directory(api) == [CLIENT]
    in_json = send(api, body).json
    assert (in_json["rejected"], len(in_json["errors"]), in_json["errors_left_out"]) == (6000, 1000, 5000)


MESSY = (
    "Name;Phone number;Operator code;Tag;Time zone\r\n"
    "Анна;79161234567;916;vip;Europe/Moscow\r\n"
    'Борис;7916;917;"a; b";Mars\r\n'
    "Вера;79161234567;916;again;UTC\r\n"
    "\r\n"
    'Глеб;79161234569;916;"not closed;UTC\r\n'
    "Дина;79161234570;916;=1+1\r\n"
    ";;;;\r\n"
    "Ева;79031234567;903;;UTC\r\n"
).encode("cp1251")


def test_a_file_as_people_have_them_is_understood_and_each_row_accounted_for(api: Caller) -> None:
    answer = send(api, MESSY)
    assert counts(answer) == (2, 0, 0, 5)
    told = answer.json
    assert (told["encoding"], told["delimiter"], told["blank_lines"]) == ("windows-1251", ";", 1)
    assert (told["columns"][0], told["fields"][0]["field"], told["ignored_columns"]) == ("Name", "name", [])
    assert told["sample"][1] == {"line": 3, "cells": ["Борис", "7916", "917", "a; b", "Mars"]}
    assert {(one["field"], one["rows"], *one["lines"]) for one in told["reasons"]} == {
        *(("phone_number", 1, 3), ("timezone", 1, 3), ("phone_number", 1, 4)),
        *((None, 1, 6), (None, 1, 7), (None, 1, 8)),
    }


def test_rejected_rows_go_back_in_as_they_are_once_they_are_corrected(api: Caller) -> None:
    first = send(api, MESSY, Accept="text/csv").text
    rows = list(csv.reader(io.StringIO(first, newline="")))
    assert rows[0] == ["line", "reason", "Name", "Phone number", "Operator code", "Tag", "Time zone"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        *(("3", "Борис"), ("4", "Вера"), ("6", "Глеб"), ("7", "Дина"), ("8", "")),
    ]
    assert rows[2][2:] == ["Вера", "79161234567", "916", "again", "UTC"]
    assert rows[3][5:] == ['"not closed', "UTC"]
    # Uncorrected it comes back the same, but for the lines and for who has been added meanwhile.
    again = list(csv.reader(io.StringIO(send(api, first, Accept="text/csv").text, newline="")))
    assert [row[2:] for row in again] == [row[2:] for row in rows if row[2] not in ("Вера", "Глеб")]
    rows[1][3:] = ["79161234568", "916", "a; b", "UTC"]
    rows[4].append("UTC")
    fixed = io.StringIO(newline="")
    csv.writer(fixed).writerows(rows)
    assert counts(send(api, fixed.getvalue())) == (2, 0, 2, 1)
    assert {one["tag"] for one in directory(api)} == {"again", "", "a; b", '"not closed', "=1+1"}


def test_reasons_are_counted_and_those_that_differ_in_numbers_are_one(api: Caller) -> None:
    body = HEADER + ROW * 30 + OTHER + OTHER + "x,9,,UTC\n" * 40
    told = send(api, body).json
    assert [(one["field"], one["reason"], one["rows"]) for one in told["reasons"][1:]] == [
        ("phone_number", "The same phone number as in line ….", 30)
    ]
    assert [one["reason_code"] for one in told["reasons"]] == ["phone_number_unreadable", "number_in_file_twice"]
    assert {one["reason_code"] for one in told["errors"]} == {"phone_number_unreadable", "number_in_file_twice"}
    assert (told["reasons"][0]["rows"], told["reasons"][0]["lines"]) == (40, [34, 35, 36, 37, 38])
    assert told["reasons_left_out"] == 0
    fields = json.dumps(dict.fromkeys(map(str, range(3000))))
    assert len(send(api, fields, NDJSON).json["errors"]) == 21
    # Four columns that are missing, and sixteen that there are not.
    assert len(send(api, json.dumps(dict.fromkeys(map(str, range(16)))), NDJSON).json["errors"]) == 20
    names = "".join(f'{{"{chr(97 + n % 26) * (n // 26 + 1)}": 1}}\n' for n in range(150))
    told = send(api, names, NDJSON).json
    assert len(told["reasons"]) == 100
    assert told["reasons_left_out"] > 0


def test_a_dry_run_tells_the_same_and_changes_nothing(api: Caller, connection: Connection) -> None:
    add_client(api, tag="old")
    add_client(api, phone_number=79031234567, operator_code="903", tag="", timezone="UTC")
    body = HEADER + ROW + OTHER + "79161234569,916,new,UTC\n" * 2 + "x,9,,UTC\n"
    where = "SELECT *, xmin::text FROM client ORDER BY id"
    before = factories.rows(connection, where)
    recorded = factories.value(connection, IMPORTS)
    tried = api.post(IMPORT, data=body, content_type=CSV, query_string={"dry_run": "true"})
    assert counts(tried) == (1, 1, 1, 2)
    assert tried.json["dry_run"] is True
    assert factories.rows(connection, where) == before
    assert factories.value(connection, IMPORTS) == recorded
    assert tried.json | {"dry_run": False} == send(api, body).json
    assert factories.value(connection, IMPORTS) == recorded + 1


def test_rejected_rows_come_in_the_form_that_is_asked_for(api: Caller) -> None:
    query = {"dry_run": "true", "delimiter": "semicolon", "bom": "true"}
    answer = api.post(IMPORT, data=HEADER + "x,9,,UTC\n", content_type=CSV, query_string=query, headers={"Accept": CSV})
    assert answer.data.decode().startswith("\ufeffline;reason;phone_number;operator_code;tag;timezone\r\n2;")
    assert counts(send(api, answer.data)) == (0, 0, 0, 1)


@pytest.mark.parametrize("body", [b"PK\x03\x04" + bytes(3000), HEADER.encode("utf-32")])
def test_what_is_no_text_is_refused_with_what_to_do(api: Caller, body: bytes) -> None:
    answer = send(api, body)
    assert (answer.status_code, directory(api)) == (415, [])
    assert "Save" in answer.json["message"]


def test_a_late_contradiction_of_encodings_refuses_the_file_before_anything_has_changed(api: Caller) -> None:
    rows = "".join(f"{79160000000 + n},916,vip,UTC\n" for n in range(3000))
    body = (HEADER + ROW.replace("vip", "Привет")).encode("cp1251") + (rows + OTHER.replace(",,", ",Привет,")).encode()
    answer = send(api, body)
    assert (answer.status_code, directory(api)) == (400, [])
    assert "lines 2 and 3003 are in different ones" in answer.json["message"]
    assert counts(send(api, body, "text/csv; charset=utf-8")) == (3001, 0, 0, 1)


def test_an_import_leaves_nothing_behind_but_clients(api: Caller, connection: Connection) -> None:
    send(api, HEADER + ROW)
    send(api, HEADER + "x", Accept="text/csv").close()
    send(api, "x")
    assert left_over(connection) == []


def test_what_a_killed_import_has_left_behind_is_removed_after_a_day(api: Caller, connection: Connection) -> None:
    old, new = "client_import_1000000000_ab", "client_import_9000000000_cd"
    for name in (old, new):
        factories.execute(connection, f"CREATE TABLE {name} (); CREATE TABLE {name}_faults ()")
    try:
        send(api, HEADER + ROW)
        assert sorted(left_over(connection)) == [(new,), (f"{new}_faults",)]
    finally:
        factories.execute(connection, f"DROP TABLE {new}, {new}_faults")


def test_rows_that_a_crash_of_the_database_has_taken_are_missed(
    app: Flask, api: Caller, connection: Connection
) -> None:
    def rows_and_a_crash() -> Iterator[Row]:
        for line in range(COPY_BATCH + 1):
            yield line, {**CLIENT, "phone_number": 79160000000 + line}, None
        (name,) = left_over(connection)[0]
        factories.execute(connection, f"TRUNCATE {name.removesuffix('_faults')}")

    with (
        app.app_context(),
        staged(db.engine) as staging,
        pytest.raises(OperationalError, match="the staged rows are lost"),
    ):
        importing.import_clients(staging, rows_and_a_crash(), RowReader(ImportOptions()))
    assert directory(api) == []


def test_an_import_neither_waits_for_a_launch_nor_holds_one_up(
    api: Caller, connection: Connection, connect: Any
) -> None:
    add_client(api)
    launch = connect()
    launch.autocommit = False
    factories.execute(launch, "SELECT FROM client FOR KEY SHARE")
    assert counts(send(api, HEADER + ROW.replace("vip", "new"))) == (0, 1, 0, 0)
    launch.rollback()


def test_a_client_that_is_added_at_the_same_time_is_changed(api: Caller, connection: Connection, connect: Any) -> None:
    holder = connect()
    holder.autocommit = False
    factories.execute(
        holder,
        "INSERT INTO client (phone_number, operator_code, tag, timezone) VALUES (79161234567, '916', 'old', 'UTC')",
    )
    (answer,) = once_blocked(connection, holder.commit, lambda: send(api, HEADER + ROW))
    assert counts(answer) == (0, 1, 0, 0)
    assert directory(api) == [CLIENT]


def test_a_statement_that_times_out_on_a_lock_is_tried_again(api: Caller, connection: Connection, connect: Any) -> None:
    add_client(api, tag="old")
    holder = connect()
    holder.autocommit = False
    factories.execute(holder, "SELECT FROM client FOR UPDATE")

    def cancel_and_let_it_try_again() -> None:
        cancelled_at = factories.value(connection, "SELECT clock_timestamp()")
        factories.execute(connection, "SELECT pg_cancel_backend(%s)", wait_for_lock_waiter(connection))
        waiting_again = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query_start > %s
        """
        eventually(lambda: factories.value(connection, waiting_again, cancelled_at))
        holder.commit()

    (answer,) = once_blocked(connection, cancel_and_let_it_try_again, lambda: send(api, HEADER + ROW))
    assert counts(answer) == (0, 1, 0, 0)
    assert directory(api) == [CLIENT]


def test_a_statement_that_times_out_too_often_is_a_transient_error(
    api: Caller, connection: Connection, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_TRIES", 1)
    add_client(api, tag="old")
    holder = connect()
    holder.autocommit = False
    factories.execute(holder, "SELECT FROM client FOR UPDATE")

    def cancel() -> None:
        factories.execute(connection, "SELECT pg_cancel_backend(%s)", wait_for_lock_waiter(connection))

    (answer,) = once_blocked(connection, cancel, lambda: send(api, HEADER + ROW))
    holder.rollback()
    assert answer.status_code == 503
    assert [client["tag"] for client in directory(api)] == ["old"]


def test_a_client_that_is_removed_at_the_same_time_stays_so(api: Caller, connection: Connection, connect: Any) -> None:
    add_client(api)
    holder = connect()
    holder.autocommit = False
    factories.execute(holder, "DELETE FROM client")
    (answer,) = once_blocked(connection, holder.commit, lambda: send(api, HEADER + ROW.replace("vip", "new")))
    assert counts(answer)[3] == 0
    assert directory(api) == []


def test_a_message_keeps_the_number_it_has(api: Caller, connection: Connection) -> None:
    add_client(api)
    factories.add_mailing(connection)
    factories.execute(
        connection, "INSERT INTO message (mailing_id, client_id, phone_number) SELECT 1, id, phone_number FROM client"
    )
    before = factories.message(connection, 1)
    send(api, HEADER + ROW.replace("vip", "new"))
    assert factories.message(connection, 1) == before
