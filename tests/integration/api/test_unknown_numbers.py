"""Numbers that receipts call unknown: shown, found, and left out of mailings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import audience_count
from tests.factories import add_clients, add_gateway, execute, rows, value
from tests.integration.api.calls import CLIENT, Caller, add_client, add_mailing, mailing_body
from tests.integration.api.html_forms import fields_of
from worker.maintenance.duties import Maintenance

NOW = {"start_datetime": "2022-06-02T18:25:43.511Z", "end_datetime": "2099-06-02T18:25:43.511Z"}


@pytest.fixture
def directory(connection: Connection) -> list[int]:
    """Six clients with the mark vip: their numbers were not in service 0 to 5 times in a row."""
    ids = add_clients(connection, 6, tag="vip")
    execute(connection, "UPDATE client SET unknown_subscriber_count = id - %s", ids[0])
    add_clients(connection, 2, tag="other")
    return ids


def test_a_client_says_how_often_its_number_was_not_in_service(
    api: Caller, connection: Connection, directory: list[int]
) -> None:
    assert [one["unknown_subscriber_count"] for one in api.get("/v1/client/?tag=vip").json] == [0, 1, 2, 3, 4, 5]
    page = api.get(f"/clients/{directory[3]}/").text
    assert "the number was not in service 3 times in a row" in page
    assert "was not in service" not in api.get(f"/clients/{directory[0]}/").text
    refused = api.put(f"/v1/client/{directory[3]}/", json=CLIENT | {"unknown_subscriber_count": 0})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("min_unknown_subscriber_count=3", [3, 4, 5]),
        ("min_unknown_subscriber_count=3&limit=2", [3, 4]),
        ("min_unknown_subscriber_count=3&tag=vip", [3, 4, 5]),
        ("min_unknown_subscriber_count=1&tag=other", []),
        ("min_unknown_subscriber_count=5&phone_number={last}", [5]),
        ("min_unknown_subscriber_count=6", []),
    ],
)
def test_clients_are_found_by_it(
    api: Caller, connection: Connection, directory: list[int], query: str, places: list[int]
) -> None:
    last = value(connection, "SELECT phone_number FROM client WHERE id = %s", directory[5])
    found = api.get(f"/v1/client/?{query.format(last=last)}").json
    assert [one["id"] for one in found] == [directory[place] for place in places]


def test_the_console_s_search_finds_them(api: Caller, directory: list[int]) -> None:
    for query in ("unknown=4", "unknown=4&phone=79", "unknown=4&tag=vip"):
        page = api.get(f"/clients/?{query}").text
        assert [f'href="/clients/{id_}/"' in page for id_ in directory] == [False] * 4 + [True] * 2, query
    assert "must be a number from 1" in api.get("/clients/?unknown=often").text


def test_a_new_phone_number_is_not_known_to_be_out_of_service(api: Caller, connection: Connection) -> None:
    client_id = add_client(api)
    execute(connection, "UPDATE client SET unknown_subscriber_count = 2")
    path = f"/v1/client/{client_id}/"
    assert api.put(path, json=CLIENT | {"tag": "regular"}).json["unknown_subscriber_count"] == 2
    assert api.put(path, json=CLIENT | {"phone_number": 79161234599}).json["unknown_subscriber_count"] == 0


@pytest.mark.parametrize(("after", "places"), [(None, [0, 1, 2, 3, 4, 5]), (3, [0, 1, 2]), (1, [0])])
def test_an_estimate_and_the_launch_leave_out_the_same_clients(
    api: Caller,
    connection: Connection,
    maintenance: Maintenance,
    directory: list[int],
    after: int | None,
    places: list[int],
) -> None:
    kept = [directory[place] for place in places]
    body = mailing_body(exclude_unknown_after=after, **NOW)
    plan = api.post("/v1/mailing/plan/", json=body).json
    assert (plan["audience"], plan["left_out"]) == (len(kept), 6 - len(kept))
    assert [one["id"] for one in plan["sample"]] == kept[: audience_count.SAMPLE]
    assert [share["messages"] for share in plan["shares"]] == [len(kept)]

    mailing_id = add_mailing(api, **body)
    while maintenance.run():
        pass

    launched = rows(connection, "SELECT client_id FROM message WHERE mailing_id = %s ORDER BY id", mailing_id)
    assert launched == [(id_,) for id_ in kept]
    mailing = api.get(f"/v1/mailing/{mailing_id}/").json
    assert (mailing["audience"], mailing["exclude_unknown_after"]) == (len(kept), after)


def test_shares_of_routes_leave_them_out_too(api: Caller, connection: Connection, directory: list[int]) -> None:
    add_gateway(connection, "second")
    body = {"name": "abroad", "gateways": [{"gateway": "second"}], "prefixes": ["380"]}
    assert api.post("/v1/route/", json=body).status_code == 201
    execute(connection, "UPDATE client SET phone_number = 380501234560 + id, operator_code = '50' WHERE id = ANY(%s)",
            directory[4:])  # fmt: skip
    plan = api.post("/v1/mailing/plan/", json={"mark": "vip", "text": "Hello", "exclude_unknown_after": 5}).json
    assert {share["gateway"]: share["messages"] for share in plan["shares"]} == {"default": 4, "second": 1}


def test_of_an_estimated_audience_they_are_taken_off(
    api: Caller, connection: Connection, directory: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience_count, "COUNT_LIMIT", 3)
    execute(connection, "ANALYZE client")
    plan = api.post("/v1/mailing/plan/", json={"mark": "vip", "exclude_unknown_after": 4}).json
    assert (plan["audience"], plan["audience_is_exact"], plan["left_out"]) == (4, False, 2)


def test_a_mailing_that_leaves_out_everybody_says_so(api: Caller, connection: Connection, directory: list[int]) -> None:
    execute(connection, "UPDATE client SET unknown_subscriber_count = 9")
    (warning,) = api.post("/v1/mailing/plan/", json=mailing_body(exclude_unknown_after=2)).json["warnings"]
    assert warning["code"] == "nobody_matches"
    assert "not in service" in warning["message"]


@pytest.mark.parametrize("wrong", [0, -1, 2**31, 1.5, "3", True])
def test_what_is_no_count_is_refused(api: Caller, wrong: Any) -> None:
    refused = api.post("/v1/mailing/create/", json=mailing_body(exclude_unknown_after=wrong))
    assert refused.status_code == 422
    assert "exclude_unknown_after" in refused.json["errors"]["json"]


def test_who_is_left_out_is_fixed_by_the_launch(
    api: Caller, connection: Connection, maintenance: Maintenance, directory: list[int]
) -> None:
    mailing_id = add_mailing(api, **mailing_body(exclude_unknown_after=3))
    path = f"/v1/mailing/{mailing_id}/"
    assert api.put(path, json=mailing_body(exclude_unknown_after=4)).json["exclude_unknown_after"] == 4
    assert api.put(path, json=mailing_body()).json["exclude_unknown_after"] == 4
    (edit,) = api.get(f"{path}journal/").json
    assert edit["changes"] == {"exclude_unknown_after": [3, 4]}
    assert "Leave out numbers not in service" in api.get(f"/mailings/{mailing_id}/").text
    assert api.put(path, json=mailing_body(exclude_unknown_after=None, **NOW)).json["exclude_unknown_after"] is None
    while maintenance.run():
        pass
    late = api.put(path, json=mailing_body(exclude_unknown_after=1, **NOW))
    assert (late.status_code, late.json["reason_code"]) == (409, "exclusion_is_fixed")


def test_a_draft_keeps_it_from_the_form_to_the_mailing_and_back(
    app: Flask, api: Caller, connection: Connection, directory: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SEND_GRACE_SECONDS", 60.0)
    now = datetime.now(UTC)
    fields = {"text": "Hello", "mark": "vip", "exclude_unknown_after": "3"}
    fields |= {"start_datetime": now.isoformat(), "end_datetime": (now + timedelta(hours=1)).isoformat()}
    path = api.post("/v1/draft/create/", json=fields).headers["Location"]
    draft_id = int(path.strip("/").split("/")[-1])
    assert fields_of(api.get(f"/mailings/drafts/{draft_id}/edit/"))["exclude_unknown_after"] == "3"
    review = api.get(f"/mailings/drafts/{draft_id}/").text
    assert "3 clients are left out: their numbers are not in service" in review

    sent = api.post(f"{path}send/", json={"audience": 3})
    assert (sent.status_code, sent.json["exclude_unknown_after"]) == (201, 3)
    mailing_id = sent.json["id"]
    form = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    assert form["exclude_unknown_after"] == "3"
    assert api.post(f"/mailings/{mailing_id}/edit/", data=form | {"exclude_unknown_after": ""}).status_code == 302
    assert api.get(f"/v1/mailing/{mailing_id}/").json["exclude_unknown_after"] is None
    refused = api.post(
        f"/mailings/{mailing_id}/edit/",
        data=fields_of(api.get(f"/mailings/{mailing_id}/edit/")) | {"exclude_unknown_after": "often"},
    )
    assert refused.status_code == 409
    assert "Must be a whole number from 1" in refused.text
    assert api.post(f"/v1/mailing/{mailing_id}/undo/").status_code == 200
    assert api.get(path).json["exclude_unknown_after"] is None


def test_a_test_send_reaches_a_number_that_would_be_left_out(
    api: Caller, connection: Connection, directory: list[int]
) -> None:
    mailing_id = add_mailing(api, **mailing_body(exclude_unknown_after=1))
    number = value(connection, "SELECT phone_number FROM client WHERE id = %s", directory[5])
    tested = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": number})
    assert (tested.status_code, tested.json["audience"]) == (201, 1)
