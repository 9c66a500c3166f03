"""Mailings: their life as far as the API decides it."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import MAILING, Caller, add_mailing, mailing_body, wrong_fields
from tests.integration.api.worker_steps import end, launch

slashes = pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])

NO_MESSAGES = dict.fromkeys(("pending", "sending", "sent", "failed", "expired", "cancelled", "unknown"), 0)
CHANGED: dict[str, Any] = {
    "text": "До свидания!",
    "mark": "916",
    "start_datetime": "2032-06-02T18:25:43.512Z",
    "end_datetime": "2032-06-03T18:25:44.000Z",
    "on_unknown": "hold",
}


@slashes
def test_a_mailing_is_added(api: Caller, slash: str) -> None:
    response = api.post(f"/v1/mailing/create{slash}", json=MAILING)
    mailing: dict[str, Any] = response.json
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/mailing/{mailing['id']}/"
    assert mailing == {
        **MAILING,
        "id": 1,
        "on_unknown": "resend",
        "segment": None,
        "segment_id": None,
        "excluded_segment_ids": [],
        "launched_segment": None,
        "route": None,
        "exclude_unknown_after": None,
        "kind": "marketing",
        "local_from": None,
        "local_until": None,
        "local_weekdays": None,
        "holiday_calendar_id": None,
        "default_timezone": None,
        "requires_consent": False,
        "over_cap": "wait",
        "spending_limit": None,
        "spending_currency": None,
        "requires_approval": False,
        "approved_at": None,
        "approved_by": None,
        "gateway": None,
        "status": "scheduled",
        "audience": 0,
        "messages": NO_MESSAGES,
        "delivery": {"awaiting": 0, "delivered": 0, "undelivered": 0, "no_receipt": 0},
        "warnings": [
            {"code": "nobody_matches", "message": "No client has its mark as operator code or as tag."},
        ],
        "text_revision": 1,
        "from_template_id": None,
        "from_template_revision": None,
        "launched_at": None,
        "ended_at": None,
        "created_at": mailing["created_at"],
        "updated_at": mailing["updated_at"],
    }


@slashes
def test_mailings_are_listed_in_the_order_of_their_ids(api: Caller, slash: str) -> None:
    ids = [add_mailing(api) for _ in range(3)]
    listed = api.get(f"/v1/mailing{slash}").json
    assert [mailing["id"] for mailing in listed] == ids
    assert listed[1] == api.get(f"/v1/mailing/{ids[1]}").json


@pytest.mark.parametrize(
    "change",
    [
        "mark = 'ab\"c\\ц', kind = 'service', on_unknown = 'hold', over_cap = 'cancel', requires_consent = true",
        "local_from = 540, local_until = 1440, local_weekdays = 31, default_timezone = 'Europe/Moscow'",
        "spending_limit = 1500.50, spending_currency = 'RUB', exclude_unknown_after = 3",
        "requires_approval = true, approved_at = now(), approved_by = 'Анна'",
        "status = 'paused', audience_failed_at = now()",
        "start_datetime = '1999-12-31T23:59:59.999999Z', end_datetime = '9999-12-31T23:59:59Z'",
        "created_at = '2026-01-02T03:04:05.120+03', updated_at = '2026-01-02T03:04:05.000120Z'",
        "end_datetime = start_datetime + interval '1 microsecond'",
        "audience = 4294967296",
    ],
)
def test_a_mailing_is_the_same_in_a_list_as_alone(api: Caller, connection: Connection, change: str) -> None:
    ids = [factories.add_mailing(connection, text='"Привет",\n\t\x7f%s'), add_mailing(api), add_mailing(api)]
    factories.revise_text(connection, ids[0], "До свидания!")
    for mailing_id in ids:
        factories.change_mailing(connection, mailing_id, change)
    alone = [api.get(f"/v1/mailing/{mailing_id}/").text.strip() for mailing_id in ids]
    assert api.get("/v1/mailing/").text == f"[{','.join(alone)}]\n"


def test_a_list_has_the_counts_of_each_mailing_as_it_has_them_alone(api: Caller, connection: Connection) -> None:
    ids = [add_mailing(api) for _ in range(5)]
    launch(connection, ids[0], "sent", "pending", "failed", "sent", "unknown")
    launch(connection, ids[2], "sent", "expired", "cancelled")
    launch(connection, ids[3], "pending", "pending")
    end(connection, ids[2], "finished")
    api.delete(f"/v1/mailing/{ids[1]}/")
    factories.change_mailing(connection, ids[3], "deleted_at = now()")
    shown = [ids[0], ids[2], ids[4]]
    listed = api.get("/v1/mailing/").json
    assert listed == [api.get(f"/v1/mailing/{mailing_id}/").json for mailing_id in shown]
    assert [sum(mailing["messages"].values()) for mailing in listed] == [5, 3, 0]
    assert [sum(mailing["delivery"].values()) for mailing in listed] == [2, 1, 0]


@slashes
def test_a_mailing_is_read(api: Caller, slash: str) -> None:
    mailing_id = add_mailing(api, on_unknown="hold")
    response = api.get(f"/v1/mailing/{mailing_id}{slash}")
    assert response.status_code == 200
    assert response.json["on_unknown"] == "hold"


@slashes
def test_a_mailing_is_changed(api: Caller, slash: str) -> None:
    mailing_id = add_mailing(api)
    before = api.get(f"/v1/mailing/{mailing_id}").json
    response = api.put(f"/v1/mailing/{mailing_id}{slash}", json=CHANGED)
    assert response.status_code == 200
    changed = {**before, **CHANGED, "text_revision": 2, "updated_at": response.json["updated_at"]}
    assert response.json == changed == api.get(f"/v1/mailing/{mailing_id}").json
    assert response.json["updated_at"] > before["updated_at"]


@slashes
def test_a_mailing_never_launched_is_removed_for_good(api: Caller, connection: Connection, slash: str) -> None:
    mailing_id = add_mailing(api)
    response = api.delete(f"/v1/mailing/{mailing_id}{slash}")
    assert (response.status_code, response.data) == (204, b"")
    assert factories.value(connection, "SELECT count(*) FROM mailing") == 0
    assert factories.value(connection, "SELECT count(*) FROM mailing_text") == 0


@slashes
def test_the_messages_of_a_mailing_are_listed(api: Caller, connection: Connection, slash: str) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, "sent", "pending", "failed")
    listed = api.get(f"/v1/mailing/{mailing_id}/message{slash}").json
    assert [message["status"] for message in listed] == ["sent", "pending", "failed"]


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_mailing_that_there_is_not_is_not_found(api: Caller, method: str) -> None:
    response = getattr(api, method)("/v1/mailing/1/", **({"json": MAILING} if method == "put" else {}))
    assert response.status_code == 404
    assert response.json["message"] == "There is no mailing 1."
    assert api.get("/v1/mailing/1/message/").status_code == 404


def test_times_are_compared_as_instants_and_answered_in_utc(api: Caller) -> None:
    mailing_id = add_mailing(api, start_datetime="2032-06-02T21:25:43.511000+03:00")
    mailing = api.get(f"/v1/mailing/{mailing_id}").json
    assert mailing["start_datetime"] == "2032-06-02T18:25:43.511Z"
    unchanged = api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(end_datetime="2032-06-03T20:25:43.511+02:00"))
    assert unchanged.json == mailing


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("end_datetime", ["2032-06-02T18:25:43.511Z", "2031-01-01T00:00:00Z"])
def test_a_window_must_end_after_its_start(api: Caller, method: str, end_datetime: str) -> None:
    path = "/v1/mailing/create/" if method == "post" else f"/v1/mailing/{add_mailing(api)}/"
    response = getattr(api, method)(path, json=mailing_body(end_datetime=end_datetime))
    assert response.status_code == 422
    assert wrong_fields(response) == {"end_datetime"}


def test_what_to_do_in_doubt_stays_as_it_is_when_it_is_left_out(api: Caller) -> None:
    mailing_id = add_mailing(api, on_unknown="hold")
    assert api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(text="Other")).json["on_unknown"] == "hold"


def test_a_new_text_is_a_new_revision_and_the_old_one_is_kept(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, text="One")
    launch(connection, mailing_id, "pending")
    for text in ("Two", "Two", "Three"):
        assert api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(text=text)).status_code == 200
    texts = factories.rows(connection, "SELECT revision, text FROM mailing_text ORDER BY revision")
    assert texts == [(1, "One"), (2, "Two"), (3, "Three")]
    assert api.get(f"/v1/mailing/{mailing_id}").json["text_revision"] == 3


@pytest.mark.parametrize("field", ["text", "end_datetime", "on_unknown"])
def test_a_launched_mailing_still_takes(api: Caller, connection: Connection, field: str) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, "pending")
    response = api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(**{field: CHANGED[field]}))
    assert response.status_code == 200
    assert response.json[field] == CHANGED[field]


@pytest.mark.parametrize("field", ["mark", "start_datetime"])
def test_the_history_of_a_launched_mailing_is_not_rewritten(api: Caller, connection: Connection, field: str) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, "pending")
    before = api.get(f"/v1/mailing/{mailing_id}").json
    response = api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(text="Other", **{field: CHANGED[field]}))
    assert response.status_code == 409
    assert wrong_fields(response) == {field}
    assert f"Cancel it (POST /v1/mailing/{mailing_id}/cancel/)" in response.json["message"]
    assert api.get(f"/v1/mailing/{mailing_id}").json == before


@pytest.mark.parametrize("status", ["finished", "cancelled"])
@pytest.mark.parametrize("field", CHANGED)
def test_a_mailing_that_is_over_is_not_changed(api: Caller, connection: Connection, status: str, field: str) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, "sent")
    end(connection, mailing_id, status)
    refused = api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(**{field: CHANGED[field]}))
    assert refused.status_code == 409
    assert wrong_fields(refused) == {field}
    assert api.put(f"/v1/mailing/{mailing_id}", json=MAILING).status_code == 200


@pytest.mark.parametrize(
    ("status", "becomes"),
    [("running", "cancelled"), ("paused", "cancelled"), ("finished", "finished"), ("cancelled", "cancelled")],
)
def test_a_launched_mailing_that_is_removed_is_cancelled_and_hidden_and_its_ledger_kept(
    api: Caller, connection: Connection, status: str, becomes: str
) -> None:
    mailing_id = add_mailing(api)
    launch(connection, mailing_id, "sent", "pending")
    if status == "paused":
        factories.execute(connection, "UPDATE mailing SET status = 'paused'")
    elif status != "running":
        end(connection, mailing_id, status)

    assert api.delete(f"/v1/mailing/{mailing_id}/").status_code == 204

    kept = factories.row(connection, "SELECT * FROM mailing")
    assert kept["status"] == becomes
    assert kept["ended_at"] is not None
    assert kept["deleted_at"] is not None
    assert api.get("/v1/mailing/").json == []
    assert api.get(f"/v1/mailing/{mailing_id}/").status_code == 404
    assert api.put(f"/v1/mailing/{mailing_id}/", json=MAILING).status_code == 404
    assert api.delete(f"/v1/mailing/{mailing_id}/").status_code == 404
    assert api.get(f"/v1/mailing/{mailing_id}/message/").status_code == 404
    assert len(api.get(f"/v1/message/?mailing_id={mailing_id}").json) == 2
    assert factories.rows(connection, "SELECT action, actor_name FROM mailing_event") == [("remove", "API_KEY")]
