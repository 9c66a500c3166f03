"""Mailings whose audience is a segment, or that leave segments out, by the API."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import segment_count
from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_segment,
    begin_launch,
    change_mailing,
    execute,
    mailing,
    value,
)
from tests.integration.api.calls import (
    Caller,
    add_client,
    add_mailing,
    caller,
    mailing_body,
    once_blocked,
    wrong_fields,
)

PLAN = "/v1/mailing/plan/"
VIP = 'tag = "vip"'


def body(**changes: Any) -> dict[str, Any]:
    """The body of a mailing without a mark."""
    return {name: field for name, field in mailing_body(**changes).items() if name != "mark" or "mark" in changes}


def audience(answer: dict[str, Any]) -> dict[str, Any]:
    """The fields of a mailing that say whom it is for."""
    return {name: answer[name] for name in ("mark", "segment", "segment_id", "excluded_segment_ids")}


def test_a_mailing_takes_a_segment_of_its_own_a_saved_one_or_a_mark_and_leaves_segments_out(
    api: Caller, connection: Connection
) -> None:
    saved, other = add_segment(connection, VIP), add_segment(connection, 'tag = "staff"')
    path = f"/v1/mailing/{add_mailing(api, mark='', segment=VIP)}/"
    nobody: dict[str, Any] = {"mark": "", "segment": None, "segment_id": None, "excluded_segment_ids": []}
    assert audience(api.get(path).json) == {**nobody, "segment": VIP}
    assert mailing(connection, 1)["segment_tree"] == {"field": "tag", "operator": "=", "value": "vip"}

    given: list[dict[str, Any]] = [
        {"segment_id": saved, "excluded_segment_ids": [other]},
        {"segment": "operator_code = 916"},  # what is left out stays
        {"mark": "vip", "segment": None, "excluded_segment_ids": []},
    ]
    answers = [api.put(path, json=body(**change)) for change in given]

    assert [audience(answer.json) for answer in answers] == [
        {**nobody, "segment_id": saved, "excluded_segment_ids": [other]},
        {**nobody, "segment": "operator_code = 916", "excluded_segment_ids": [other]},
        {**nobody, "mark": "vip"},
    ]
    # What was read can be written back, by its ETag.
    read = api.get(path)
    editable = {name: read.json[name] for name in (*mailing_body(), *audience(read.json))}
    again = api.put(path, json=editable, headers={"If-Match": read.headers["ETag"]})
    assert (again.status_code, audience(again.json)) == (200, {**nobody, "mark": "vip"})
    changes = value(connection, "SELECT changes FROM mailing_event ORDER BY id LIMIT 1")
    assert changes["segment"] == [VIP, None]
    assert changes["excluded_segment_ids"] == [[], [other]]


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({}, "mark", "Missing data for required field."),
        ({"mark": " "}, "mark", "Must not be empty or only white space."),
        ({"mark": "vip", "segment": VIP}, "segment", "Give one of mark, segment and segment_id, and not several."),
        ({"segment": VIP, "segment_id": 1}, "segment_id", "Give one of mark, segment and segment_id, and not several."),
        ({"segment_id": 77}, "segment_id", "There is no segment 77."),
        ({"mark": "vip", "excluded_segment_ids": [77]}, "excluded_segment_ids", "There is no segment 77."),
        ({"mark": "vip", "excluded_segment_ids": [1, 1]}, "excluded_segment_ids", "Must be an array of at most 20 ids"),
        ({"segment": "colour = 1"}, "segment", "Column 1: "),
    ],
)
def test_an_audience_that_is_none_is_refused_with_the_field(
    given: dict[str, Any], field: str, said: str, api: Caller
) -> None:
    answer = api.post("/v1/mailing/create/", json=body(**given))
    assert (answer.status_code, wrong_fields(answer)) == (422, {field})
    assert answer.json["errors"]["json"][field][0].startswith(said)


@pytest.mark.parametrize("field", ["segment_id", "excluded_segment_ids"])
def test_a_saved_segment_that_names_messages_which_are_gone_is_refused(
    field: str, api: Caller, connection: Connection
) -> None:
    saved = add_segment(connection, f"not received mailing {add_mailing(api)}")
    given = {"mark": "vip", field: [saved]} if field == "excluded_segment_ids" else {field: saved}
    path = f"/v1/mailing/{add_mailing(api)}/"
    change_mailing(connection, 1, "purge_started_at = now()")

    answers = [
        api.post("/v1/mailing/create/", json=body(**given)),
        api.put(path, json=body(**given)),
        api.post(PLAN, json={**given, "text": "Hi"}),
        api.post("/v1/segment/count/", json={"segment": VIP, **given} if "mark" in given else given),
    ]

    for answer in answers[:3]:
        assert answer.status_code == 422
        assert answer.json["errors"]["json"] == {field: ["The messages of mailing 1 are no longer kept."]}
    assert answers[3].status_code == 422


@pytest.mark.parametrize("field", ["segment_id", "excluded_segment_ids"])
@pytest.mark.parametrize("is_new", [True, False], ids=["new mailing", "change"])
def test_a_segment_that_is_being_removed_is_taken_by_no_mailing(
    field: str, is_new: bool, app: Flask, api: Caller, connection: Connection, connect: Connect
) -> None:
    saved = add_segment(connection, VIP)
    given = body(segment_id=saved) if field == "segment_id" else body(mark="vip", excluded_segment_ids=[saved])
    path = f"/v1/mailing/{add_mailing(api)}/"
    removing = connect()
    removing.autocommit = False
    execute(removing, "SELECT FROM segment FOR UPDATE")
    execute(removing, "UPDATE segment SET removed_at = now()")

    writing = caller(app)
    write = partial(writing.post, "/v1/mailing/create/") if is_new else partial(writing.put, path)
    (refused,) = once_blocked(connection, removing.commit, lambda: write(json=given))

    assert (refused.status_code, wrong_fields(refused)) == (422, {field})


def test_the_audience_is_fixed_once_the_launch_has_begun_and_shows_the_segment_as_it_was(
    api: Caller, connection: Connection
) -> None:
    saved = add_segment(connection, VIP)
    path = f"/v1/mailing/{add_mailing(api, mark='', segment_id=saved)}/"
    begin_launch(connection, 1)
    change_mailing(connection, 1, f"audience_frozen_at = now(), segment = '{VIP}', segment_tree = '{{}}'")

    for change in ({"segment": "operator_code = 916"}, {"mark": "vip"}, {"excluded_segment_ids": [saved]}):
        given = body(**{"segment_id": saved, **change} if "excluded_segment_ids" in change else change)
        assert api.put(path, json=given).status_code == 409
    unchanged = api.put(path, json=body(segment_id=saved, text="Bye"))

    assert unchanged.status_code == 200
    assert (unchanged.json["segment"], unchanged.json["segment_id"]) == (None, saved)
    assert unchanged.json["launched_segment"] == VIP


def test_a_plan_counts_a_segment_and_whom_each_excluded_one_leaves_out(api: Caller, connection: Connection) -> None:
    vip = add_clients(connection, 10, tag="vip")
    add_clients(connection, 5, tag="other")
    execute(connection, "UPDATE client SET unknown_subscriber_count = 4 WHERE id = ANY(%s)", vip[8:])
    execute(connection, "UPDATE client SET tags = '{staff}' WHERE id = ANY(%s)", [*vip[:3], vip[9]])
    execute(connection, "UPDATE client SET tags = '{press}' WHERE id = ANY(%s)", vip[3:4])
    execute(connection, "UPDATE client SET tags = '{press,staff}' WHERE id = ANY(%s)", vip[4:5])
    press, staff = (add_segment(connection, f'tags contains "{tag}"') for tag in ("press", "staff"))
    given = {"excluded_segment_ids": [press, staff], "exclude_unknown_after": 3}

    for whom in ({"segment": VIP}, {"mark": "vip"}):
        plan = api.post(PLAN, json={**whom, **given, "text": "Hi"}).json

        assert (plan["audience"], plan["audience_is_exact"], plan["left_out"]) == (3, True, 1)
        assert [client["id"] for client in plan["sample"]] == vip[5:8]
        assert plan["excluded"] == [{"segment_id": press, "clients": 2}, {"segment_id": staff, "clients": 5}]
        assert [(share["gateway"], share["messages"]) for share in plan["shares"]] == [("default", 3)]
        assert plan["warnings"] == []


def test_a_plan_warns_of_a_segment_that_matches_nobody_and_names_what_is_wrong_with_one(api: Caller) -> None:
    add_client(api, tag="other")
    assert [one["code"] for one in api.post(PLAN, json={"segment": VIP}).json["warnings"]] == ["nobody_matches"]
    assert wrong_fields(api.post(PLAN, json={"segment": "tag ="})) == {"segment"}
    assert wrong_fields(api.post(PLAN, json={"segment_id": 7})) == {"segment_id"}


def test_a_count_that_takes_too_long_is_estimated(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clients(connection, 10, tag="vip")
    execute(connection, "ANALYZE client")
    slow = segment_count.COUNT.replace("AS audience", "AS audience, (SELECT pg_sleep(60)) AS slow")
    monkeypatch.setattr(segment_count, "COUNT", slow)
    monkeypatch.setitem(api.application.config, "SEGMENT_TIMEOUT", 0.2)  # type: ignore[attr-defined]

    plan = api.post(PLAN, json={"segment": VIP, "text": "Hi"}).json

    assert plan["audience_is_exact"] is False
    assert plan["audience"] == 10

    monkeypatch.setattr(segment_count, "ESTIMATE", "SELECT pg_sleep(60)")
    refused = api.post(PLAN, json={"segment": VIP, "text": "Hi"})
    assert (refused.status_code, wrong_fields(refused)) == (422, {"segment"})


def test_a_draft_with_segments_becomes_a_mailing_and_a_draft_again(api: Caller, connection: Connection) -> None:
    saved = add_segment(connection, VIP)
    add_clients(connection, 2, tag="vip", operator_code="79")
    fields = {"text": "Hi", "segment": "operator_code = 79", "excluded_segment_ids": f"{saved}"}
    window = {name: mailing_body()[name] for name in ("start_datetime", "end_datetime")}
    created = api.post("/v1/draft/create/", json=fields | window).json

    sent = api.post(f"/v1/draft/{created['id']}/send/", json={"confirm": ["nobody_matches"]})
    undone = api.post(f"/v1/mailing/{sent.json['id']}/undo/").json

    assert sent.status_code == 201, sent.text
    assert audience(sent.json) == {
        "mark": "",
        "segment": "operator_code = 79",
        "segment_id": None,
        "excluded_segment_ids": [saved],
    }
    assert {name: undone[name] for name in fields} == fields
    assert (undone["mark"], undone["segment_id"]) == (None, None)


def test_a_test_send_of_a_mailing_with_a_segment_goes_to_one_client(api: Caller, connection: Connection) -> None:
    add_client(api)
    saved = add_segment(connection, VIP)
    mailing_id = add_mailing(api, mark="", segment_id=saved, excluded_segment_ids=[saved])

    sent = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79161234567})

    assert sent.status_code == 201
    assert (sent.json["mark"], sent.json["audience"]) == (f"test of mailing {mailing_id}", 1)


def test_a_mailing_that_could_not_be_listed_is_resumed_to_be_listed_again(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, mark="", segment=VIP)
    begin_launch(connection, mailing_id)
    change_mailing(connection, mailing_id, "status = 'paused', audience_failed_at = now()")
    assert [one["code"] for one in api.get(f"/v1/mailing/{mailing_id}/").json["warnings"]] == ["audience_not_listed"]

    resumed = api.post(f"/v1/mailing/{mailing_id}/resume/")

    assert (resumed.json["status"], resumed.json["warnings"]) == ("running", [])
    assert mailing(connection, mailing_id)["audience_failed_at"] is None
