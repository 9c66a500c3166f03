"""What callers may send, and what each is told who sends something else. (tests/unit/test_fields.py has the tables.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.api.calls import (
    CLIENT,
    MAILING,
    Answer,
    Caller,
    add_client,
    client_body,
    mailing_body,
    wrong_fields,
)

ANYWHERE = [("post", "/v1/client/create/"), ("put", "/v1/client/1/")]
BIGGEST = 65_536


def send(api: Caller, method: str, path: str, data: bytes, content_type: str | None = None) -> Answer:
    return api.open(path, method=method.upper(), data=data, content_type=content_type or "application/json")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("phone_number", [None, 79161234567.0, True, "7916-1234567", 10**15, 916, -1, "", [], {}]),
        ("operator_code", [None, 916, "", "91a", "९१६", "916\n", " 916", "9" * 16, "917", "9\x00", []]),
        ("tag", [None, 5, "x" * 101, "a\x00b", "a\ud800", []]),
        ("timezone", [None, 3, "", "../etc/passwd", "localtime", "Europe", "posixrules", "x" * 10_000, "UTC\x00"]),
    ],
)
def test_a_wrong_field_of_a_client_is_refused_and_named(api: Caller, field: str, values: list[object]) -> None:
    for value in values:
        response = send(api, "post", "/v1/client/create/", json.dumps(client_body(**{field: value})).encode())
        assert response.status_code == 422, value
        assert wrong_fields(response) == {field}, value


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("text", [None, 5, "", " \n\t\u3000", "x" * 1601, "a\x00b", "\ud83d"]),
        ("mark", [None, 916, "", "  ", "x" * 101, "vip\x00", "\udc00"]),
        ("start_datetime", [None, 1654194343, "2032-06-02", "2032-06-02T18:25:43", "0000-01-01T00:00:00Z"]),
        ("end_datetime", [None, True, "10000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2032-06-03T24:00:00Z"]),
        ("on_unknown", [None, "", "RESEND", "maybe", 1, ["hold"]]),
    ],
)
def test_a_wrong_field_of_a_mailing_is_refused_and_named(api: Caller, field: str, values: list[object]) -> None:
    for value in values:
        response = send(api, "post", "/v1/mailing/create/", json.dumps(mailing_body(**{field: value})).encode())
        assert response.status_code == 422, value
        assert wrong_fields(response) == {field}, value


@pytest.mark.parametrize(("body", "path"), [(CLIENT, "/v1/client/create/"), (MAILING, "/v1/mailing/create/")])
def test_every_field_is_needed_and_no_other_is_known(api: Caller, body: dict[str, Any], path: str) -> None:
    assert wrong_fields(api.post(path, json={})) == set(body)
    for field in body:
        without = {name: value for name, value in body.items() if name != field}
        assert wrong_fields(api.post(path, json=without)) == {field}
        misspelt = api.post(path, json={**without, field.upper(): body[field]})
        assert misspelt.status_code == 422
        assert wrong_fields(misspelt) == {field, field.upper()}
    for unasked in ("id", "status", "__proto__", "", "x" * 1000, "имя", "\x00"):
        assert wrong_fields(api.post(path, json={**body, unasked: 1})) == {unasked}


def test_all_wrong_fields_are_named_at_once(api: Caller) -> None:
    response = api.post("/v1/client/create/", json={"phone_number": "x", "operator_code": "x", "timezone": "x", "y": 1})
    assert wrong_fields(response) == {"phone_number", "operator_code", "tag", "timezone", "y"}


@pytest.mark.parametrize(
    "changes",
    [
        {"phone_number": 1_000_000, "operator_code": "1"},
        {"phone_number": "+999999999999999", "operator_code": "9" * 15},
        {"tag": ""},
        {"tag": "Ж" * 100},
        {"tag": "😀'\"\\;--"},
        {"timezone": "Etc/GMT+3"},
    ],
)
def test_what_is_unusual_in_a_client_is_kept_as_it_is(api: Caller, changes: dict[str, Any]) -> None:
    client_id = add_client(api, **changes)
    kept = api.get(f"/v1/client/{client_id}").json
    assert {name: str(kept[name]) for name in changes} == {name: str(v).lstrip("+") for name, v in changes.items()}


@pytest.mark.parametrize("text", ["x", "Ж" * 1600, "😀" * 1600, " leading and trailing \n", "%s %(name)s {0} :name"])
def test_what_is_unusual_in_a_text_is_kept_as_it_is(api: Caller, text: str) -> None:
    response = api.post("/v1/mailing/create/", json=mailing_body(text=text))
    assert response.json["text"] == text


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"phone_number": NaN}',
        b'{"phone_number": Infinity}',
        b'{"tag": "\xff"}',
        b"[" * 60_000,
        b'{"phone_number": ' + b"7" * 5000 + b"}",
        b'{"tag": "a", "tag": "b"}',
        b'{"\\ud800": 1}',
    ],
    ids=["empty", "cut", "quotes", "NaN", "Infinity", "not UTF-8", "deep", "digits", "twice", "surrogate"],
)
def test_a_malformed_body_is_refused(api: Caller, method: str, path: str, body: bytes) -> None:
    response = send(api, method, path, body)
    assert response.status_code == 400
    assert wrong_fields(response) == set()


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"true", b"null", b'[{"tag": "a"}]'])
def test_a_body_that_is_no_object_is_refused(api: Caller, method: str, path: str, body: bytes) -> None:
    response = send(api, method, path, body)
    assert response.status_code == 422
    assert response.json["errors"] == {"json": {"_schema": ["Must be a JSON object."]}}


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/merge-patch+json", ""]
)
def test_a_body_that_is_not_announced_as_json_is_refused(
    api: Caller, method: str, path: str, content_type: str
) -> None:
    response = api.open(path, method=method.upper(), data=json.dumps(CLIENT), headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert "application/json" in response.json["message"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
def test_a_body_may_be_announced_in_any_way_that_says_json(api: Caller, content_type: str) -> None:
    assert send(api, "post", "/v1/client/create/", json.dumps(CLIENT).encode(), content_type).status_code == 201


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
def test_a_body_has_a_size(api: Caller, method: str, path: str) -> None:
    assert send(api, method, path, b" " * (BIGGEST + 1)).status_code == 413
    assert send(api, method, path, b" " * BIGGEST).status_code == 400


ODD_IDS = ["0", "-1", "+1", "01", "1.0", "1e3", "abc", "١", "１", "%00", "%FF", "9223372036854775808", "9" * 5000]


@pytest.mark.parametrize("odd", ODD_IDS, ids=[odd[:20] for odd in ODD_IDS])
@pytest.mark.parametrize("path", ["/v1/client/{}", "/v1/mailing/{}/", "/v1/message/{}", "/v1/mailing/{}/message/"])
def test_an_id_that_cannot_be_is_not_found(api: Caller, path: str, odd: str) -> None:
    response = api.get(path.format(odd))
    assert response.status_code == 404
    assert response.json["message"] == "Not found."


def test_the_largest_id_is_an_id(api: Caller) -> None:
    for path in ("client", "mailing", "message"):
        response = api.get(f"/v1/{path}/9223372036854775807/")
        assert response.json["message"] == f"There is no {path} 9223372036854775807."
    assert api.get("/v1/message/?mailing_id=9223372036854775807&after=9223372036854775807").json == []


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        ("/v1/client/", "limti=1", {"limti"}),
        ("/v1/client/", "timezone=UTC&limit=1", {"timezone"}),
        ("/v1/client/1/", "expand=1", {"expand"}),
        ("/v1/mailing/1/", "a=1&b=2", {"a", "b"}),
        ("/v1/statistics/", "x", {"x"}),
        ("/v1/statistics/", "%00=1", {"\0"}),
        ("/v1/client/", "limit=1&limit=2", {"limit"}),
        ("/v1/client/", "limit=0", {"limit"}),
        ("/v1/client/", "limit=1001", {"limit"}),
        ("/v1/client/", "limit=", {"limit"}),
        ("/v1/client/", "limit=ten", {"limit"}),
        ("/v1/client/", "limit=%EF%BC%91", {"limit"}),
        ("/v1/client/", "limit=1%00", {"limit"}),
        ("/v1/client/", "after=-1", {"after"}),
        ("/v1/client/", "after=9223372036854775808", {"after"}),
        ("/v1/client/", "after=-1&limit=0", {"after", "limit"}),
        ("/v1/message/", "mailing_id=0", {"mailing_id"}),
        ("/v1/message/", "client_id=99999999999999999999", {"client_id"}),
        ("/v1/message/", "status=SENT", {"status"}),
        ("/v1/message/", "status=sent,failed", {"status"}),
        ("/v1/message/", "phone_number=abc", {"phone_number"}),
        ("/v1/message/", "phone_number=%00", {"phone_number"}),
        ("/v1/mailing/1/message/", "mailing_id=1", {"mailing_id"}),
    ],
)
def test_a_wrong_query_parameter_is_refused_and_named(api: Caller, path: str, query: str, wrong: set[str]) -> None:
    response = api.get(f"{path}?{query}")
    assert response.status_code == 422
    assert wrong_fields(response, "query") == wrong


def test_an_unknown_query_parameter_is_refused_before_anything_is_written(api: Caller) -> None:
    client_id = add_client(api)
    assert api.delete(f"/v1/client/{client_id}/?dry_run=1").status_code == 422
    assert api.post("/v1/client/create/?x=1", json=client_body(phone_number=79160000000)).status_code == 422
    assert [client["id"] for client in api.get("/v1/client/").json] == [client_id]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/client/create", "OPTIONS, POST"),
        ("PUT", "/v1/mailing/create/", "OPTIONS, POST"),
        ("POST", "/v1/client", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/mailing/", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/client/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PATCH", "/v1/mailing/1/", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("POST", "/v1/statistics", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_which_it_has(
    api: Caller, method: str, path: str, allowed: str
) -> None:
    response = api.open(path, method=method, json={})
    assert response.status_code == 405
    assert ", ".join(sorted(response.headers["Allow"].split(", "))) == allowed
    assert response.json["code"] == 405


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/clients/", "/v1//client/", "/v1/client/1/2", "/%00", "/v2/"])
def test_a_path_that_there_is_not_answers_in_the_same_format(api: Caller, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    told = {"code": 404, "status": "Not Found", "message": "Not found."}
    assert response.json == told | {"reason_code": "not_found", "reason_params": {}}
