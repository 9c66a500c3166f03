"""Saved segments by the API, and the count of their clients."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.database import execute as execute_here
from api.segments import counts
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.parser import parse
from tests.factories import add_clients, execute, in_one_commit, value
from tests.integration.api.calls import Answer, Caller, add_mailing, wrong_fields
from tests.segments import FIELDS, TEXTS

PATH = "/v1/segment/"
TREE = {"field": "name", "operator": "=", "value": "Anna"}


def add(api: Caller, name: str = "Annas", **fields: Any) -> Answer:
    answer = api.post(f"{PATH}create/", json={"name": name} | (fields or {"text": "name = 'Anna'"}))
    assert answer.status_code == 201, answer.text
    return answer


def test_a_segment_is_saved_as_a_text_or_as_a_tree_and_answered_as_both(api: Caller) -> None:
    answer = add(api, text="NAME = «Anna»")
    segment = answer.json
    assert (segment["text"], segment["tree"]) == ("NAME = «Anna»", TREE)
    assert answer.headers["Location"] == f"{PATH}1/"
    assert api.get(f"{PATH}1/").json == segment

    other = add(api, "Not Annas", tree={"not": TREE}).json
    assert (other["text"], other["tree"]) == ('not name = "Anna"', {"not": TREE})
    assert api.get(PATH).json == [segment, other]
    assert api.get(f"{PATH}?limit=1").headers["Link"] == f'<{PATH}?limit=1&after=1>; rel="next"'


def test_a_changed_segment_keeps_what_is_left_out_and_one_change_of_two_is_refused(api: Caller) -> None:
    tag = add(api).headers["ETag"]
    answer = api.put(f"{PATH}1/", json={"name": "Friends"}, headers={"If-Match": tag})
    assert (answer.json["name"], answer.json["text"]) == ("Friends", "name = 'Anna'")
    both = {name: answer.json[name] for name in ("name", "text", "tree")}
    assert api.put(f"{PATH}1/", json=both).json == answer.json
    assert api.put(f"{PATH}1/", json={"text": "name exists"}, headers={"If-Match": tag}).status_code == 412
    assert api.put(f"{PATH}1/", json={"text": "name exists"}).json["tree"] == {"field": "name", "operator": "exists"}


def test_a_name_is_in_use_until_its_segment_is_removed(api: Caller) -> None:
    add(api)
    again = {"name": " Annas ", "text": "name exists"}
    assert api.post(f"{PATH}create/", json=again).status_code == 409
    other = add(api, "Other").json["id"]
    assert api.put(f"{PATH}{other}/", json={"name": "Annas"}).status_code == 409
    assert api.delete(f"{PATH}1/").status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        assert api.open(f"{PATH}1/", method=method, json={}).status_code == 404
    assert [one["id"] for one in api.get(PATH).json] == [other]
    assert api.post(f"{PATH}create/", json=again).status_code == 201


def test_a_segment_cannot_be_removed_while_a_mailing_that_is_not_launched_uses_it(
    api: Caller, connection: Connection
) -> None:
    for name in ("audience", "excluded"):
        add(api, name)
    mailing_id = add_mailing(api)
    execute(connection, "UPDATE mailing SET mark = '', segment_id = 1, excluded_segment_ids = '{7,2}'")
    for segment_id in (1, 2):
        refused = api.delete(f"{PATH}{segment_id}/")
        assert (refused.status_code, refused.json["reason_params"]) == (409, {"mailing": mailing_id})
    execute(connection, "UPDATE mailing SET audience_frozen_at = now()")
    assert [api.delete(f"{PATH}{segment_id}/").status_code for segment_id in (1, 2)] == [204, 204]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"text": "name ="}, "text", "Column 7: A value is expected here"),
        ({"text": "\n nane = 'Anna'"}, "text", "Column 3: There is no field nane. Did you mean name?"),
        ({"text": "received mailing 1"}, "text", "Column 18: There is no mailing 1."),
        ({"text": "phone_number in list 9"}, "text", "Column 22: There is no number list 9."),
        ({"text": "received mailing 2"}, "text", "Column 18: The messages of mailing 2 are no longer kept."),
        ({"tree": {"not": TREE | {"value": 7.5}}}, "tree", "In not.value: name is compared with a text"),
        ({"tree": {"event": "received", "mailing_id": 1}}, "tree", "There is no mailing 1."),
        ({"tree": []}, "tree", "Must be an object"),
        ({"tree": TREE, "text": "name exists"}, "tree", "Give one of: text, tree."),
        ({"tree": [], "text": "name exists"}, "tree", "Must be an object"),
        ({}, "text", "Give one of: text, tree."),
        ({"text": "name exists", "tree": None}, "tree", "Field may not be null."),
    ],
)
def test_what_is_wrong_with_a_segment_is_answered(
    api: Caller, connection: Connection, fields: dict[str, Any], field: str, message: str
) -> None:
    execute(connection, "ALTER SEQUENCE mailing_id_seq RESTART WITH 2")
    add_mailing(api)
    execute(
        connection,
        """
        UPDATE mailing SET status = 'cancelled', ended_at = now(), settled_at = now(), purge_started_at = now()
        """,
    )
    answer = api.post(f"{PATH}create/", json={"name": "Wrong", **fields})
    assert answer.status_code == 422
    assert wrong_fields(answer) == {field}
    assert answer.json["errors"]["json"][field][0].startswith(message)


def test_the_clients_of_a_segment_are_counted_and_what_each_excluded_segment_leaves_out(
    api: Caller, connection: Connection
) -> None:
    for code, clients in (("900", 7), ("90", 3)):
        add_clients(connection, clients, operator_code=code, tag="vip")
    add_clients(connection, 5, tag="other")
    add(api, "code", text="operator_code = 90")
    add(api, "first", text="phone_number = 79000000001 or operator_code = 90")

    body = {"segment": "tag = 'vip'", "excluded_segment_ids": [2, 1, 2]}
    answer = api.post(f"{PATH}count/", json=body).json
    assert (answer["count"], answer["is_exact"]) == (6, True)
    assert [client["id"] for client in answer["sample"]] == [2, 3, 4, 5, 6]
    assert answer["excluded"] == [
        {"segment_id": 2, "name": "first", "clients": 4},
        {"segment_id": 1, "name": "code", "clients": 3},
    ]
    assert answer["tree"] == {"field": "tag", "operator": "=", "value": "vip"}

    saved = api.post(f"{PATH}count/", json={"segment_id": 1}).json
    assert (saved["count"], saved["text"], saved["excluded"]) == (3, "operator_code = 90", [])
    assert api.post(f"{PATH}count/", json={"tree": {"not": answer["tree"]}}).json["count"] == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "segment"),
        ({"segment": "name"}, "segment"),
        ({"segment_id": 7}, "segment_id"),
        ({"segment_id": True}, "segment_id"),
        ({"segment": "name exists", "excluded_segment_ids": [7]}, "excluded_segment_ids"),
        ({"segment": "name exists", "excluded_segment_ids": [True]}, "excluded_segment_ids"),
        ({"segment": "name exists", "excluded_segment_ids": "7"}, "excluded_segment_ids"),
    ],
)
def test_what_cannot_be_counted_is_refused(api: Caller, body: dict[str, Any], field: str) -> None:
    answer = api.post(f"{PATH}count/", json=body)
    assert (answer.status_code, wrong_fields(answer)) == (422, {field})


SLOW = " and ".join(["not name contains 'x'"] * 150)


def add_many(connection: Connection, clients: int) -> None:
    with in_one_commit(connection):
        add_clients(connection, clients)
        execute(connection, "UPDATE client SET attributes = jsonb_build_object('name', repeat('abc ', 100))")
        execute(connection, "ANALYZE client")


def test_a_count_that_takes_too_long_says_what_to_do_and_the_request_goes_on(
    app: Flask, api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(connection, 2000)
    monkeypatch.setitem(app.config, "SEGMENT_TIMEOUT", 0.005)
    answer = api.post(f"{PATH}count/", json={"segment": SLOW})
    assert (answer.status_code, answer.json["reason_code"]) == (422, "segment_is_too_slow")
    assert "SEGMENT_TIMEOUT" in answer.json["message"]
    with app.app_context():
        timeout = execute_here("SHOW statement_timeout", {}).scalar_one()
        with pytest.raises(SegmentError):
            counts.count_segment(parse(SLOW, FIELDS))
        assert execute_here("SHOW statement_timeout", {}).scalar_one() == timeout


def test_a_count_that_takes_too_long_is_estimated_from_a_sample(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(connection, 2000)
    monkeypatch.setattr(counts, "ESTIMATE_ROWS", 500)
    count_until = counts._Counting.counted
    monkeypatch.setattr(counts._Counting, "counted", lambda self, _: count_until(self, deadline=0))
    add(api, "excluded", text="phone_number exists")
    body = {"segment": "not name contains 'x'", "excluded_segment_ids": [1]}
    answer = api.post(f"{PATH}count/", json=body).json
    assert (answer["is_exact"], answer["count"]) == (False, 0)
    assert 200 < answer["excluded"][0]["clients"] < 20_000


def test_hostile_texts_are_refused_or_counted(api: Caller, connection: Connection) -> None:
    add_clients(connection, 3)
    chosen = random.Random(17)
    pieces = ["name", "tag", "tags", "=", "contains", "in", "(", ")", "and", "or", "not", "'", '"', "\\", ";", "--"]
    pieces += [f'"{text}"' for text in TEXTS[3:8]]
    pieces += ["'%'", "'%s'", "{", "}", "$1", "received", "within 7 days", "%(x)s"]
    answers = set()
    for _ in range(300):
        head = chosen.choice(("", "tag = ", "name contains ", "tags contains ", "not received or "))
        text = head + " ".join(chosen.choices(pieces, k=chosen.randint(1, 5)))
        answers.add(api.post(f"{PATH}count/", json={"segment": text}).status_code)
    assert answers == {200, 422}
    assert value(connection, "SELECT count(*) FROM client") == 3
