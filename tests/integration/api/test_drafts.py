"""Drafts by the API: the same rows, rules and versions as in the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.drafts import services
from api.drafts.sending import check_end, check_review
from api.mailings import audience_count
from shared.errors import Conflict, Invalid
from tests.factories import add_clients, add_report, add_running_mailing, execute, mailing, rows, value
from tests.integration.api.calls import Caller, add_mailing, mailing_body

FIELDS = {"text": "Half a ", "mark": "vip"}


@pytest.fixture(autouse=True)
def grace(app: Flask) -> Iterator[None]:
    """A minute in which a sending can be undone."""
    before = app.config["SEND_GRACE_SECONDS"]
    app.config["SEND_GRACE_SECONDS"] = 60.0
    yield
    app.config["SEND_GRACE_SECONDS"] = before


def add_draft(api: Caller, **fields: object) -> str:
    created = api.post("/v1/draft/create/", json=fields or FIELDS)
    assert created.status_code == 201, created.text
    return created.headers["Location"]


def present_window() -> dict[str, str]:
    now = datetime.now(UTC)
    return {"start_datetime": now.isoformat(), "end_datetime": (now + timedelta(hours=1)).isoformat()}


def test_a_draft_holds_whatever_is_written_and_keeps_what_was_written_before(api: Caller) -> None:
    path = add_draft(api, **FIELDS, start_datetime="tomorrow", end_datetime=None)
    draft = api.get(path).json
    assert {name: draft[name] for name in ("text", "mark", "start_datetime", "end_datetime", "on_unknown")} == {
        **FIELDS,
        "start_datetime": "tomorrow",
        "end_datetime": None,
        "on_unknown": None,
    }
    assert (draft["created_by_name"], draft["written_by_name"], draft["mailing_id"]) == ("API_KEY", "API_KEY", None)
    changed = api.put(path, json={"text": "A whole text"})
    assert (changed.json["text"], changed.json["mark"]) == ("A whole text", None)
    assert changed.json["updated_at"] > draft["updated_at"]
    versions = api.get(f"{path}version/").json
    assert [(one["text"], one["mark"], one["start_datetime"]) for one in versions] == [("Half a ", "vip", "tomorrow")]
    entries = api.get("/v1/audit/?operation=updateDraft&limit=1000").json
    assert api.put(path, json={"text": "A whole text"}).json == changed.json
    assert api.get(f"{path}version/").json == versions
    assert "Half a" not in str(api.get("/v1/audit/").json)
    assert api.get("/v1/audit/?operation=updateDraft&limit=1000").json == entries
    assert entries[-1]["detail"]["mark"] == ["vip", ""]


def test_only_the_latest_versions_are_kept(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "VERSIONS", 2)
    path, other = add_draft(api, text="0"), add_draft(api, text="other")
    api.put(other, json={"text": "another"})
    for number in range(1, 5):
        api.put(path, json={"text": str(number)})
    assert [version["text"] for version in api.get(f"{path}version/").json] == ["2", "3"]
    assert [version["text"] for version in api.get(f"{other}version/").json] == ["other"]


def test_a_draft_of_the_console_is_the_same_draft(api: Caller) -> None:
    api.post("/mailings/new/", data={"text": "Typed", "mark": "vip", "then": "keep"})
    [draft] = api.get("/v1/draft/").json
    assert (draft["text"], draft["mark"]) == ("Typed", "vip")
    api.put(f"/v1/draft/{draft['id']}/", json=draft_fields(draft) | {"text": "By a program"})
    assert "By a program" in api.get(f"/mailings/drafts/{draft['id']}/edit/").text


def draft_fields(draft: dict[str, object]) -> dict[str, object]:
    return {name: draft[name] for name in ("text", "mark", "start_datetime", "end_datetime", "on_unknown")}


def test_two_people_who_change_one_draft_find_out_by_the_etag(api: Caller) -> None:
    path = add_draft(api)
    seen = api.get(path).headers["ETag"]
    assert api.put(path, json={"text": "Mine"}, headers={"If-Match": seen}).status_code == 200
    assert api.put(path, json={"text": "Theirs"}, headers={"If-Match": seen}).status_code == 412
    assert api.delete(path, headers={"If-Match": seen}).status_code == 412
    latest = api.get(path)
    assert latest.json["text"] == "Mine"
    assert api.get(path, headers={"If-None-Match": latest.headers["ETag"]}).status_code == 304
    assert api.delete(path, headers={"If-Match": latest.headers["ETag"]}).status_code == 204
    assert api.get(path).status_code == 404


def test_what_is_wrong_with_a_draft_is_said_by_field_when_it_is_sent(api: Caller, connection: Connection) -> None:
    sent = api.post(f"{add_draft(api, text='Hello', start_datetime='tomorrow')}send/", json={})
    assert sent.status_code == 409
    assert set(sent.json["errors"]["json"]) == {"mark", "start_datetime", "end_datetime"}
    over = mailing_body(start_datetime="2022-06-02T00:00:00Z", end_datetime="2022-06-03T00:00:00Z")
    assert set(api.post(f"{add_draft(api, **over)}send/", json={}).json["errors"]["json"]) == {"end_datetime"}
    assert value(connection, "SELECT count(*) FROM mailing") == 0


def test_a_draft_is_sent_as_it_was_reviewed_and_once(api: Caller, connection: Connection) -> None:
    add_clients(connection, 3, tag="vip")
    path = add_draft(api, **mailing_body(mark="nobody"))
    assert set(api.post(f"{path}send/", json={}).json["errors"]["json"]) == {"confirm"}
    for confirm in ("nobody_matches", [1], None):
        assert api.post(f"{path}send/", json={"confirm": confirm}).status_code == 422
    api.put(path, json=mailing_body(mark="vip"))
    assert set(api.post(f"{path}send/", json={"audience": 2}).json["errors"]["json"]) == {"audience"}
    once = {"Idempotency-Key": "send-it"}
    sent = api.post(f"{path}send/", json={"audience": 3}, headers=once)
    assert (sent.status_code, sent.json["status"], sent.json["mark"]) == (201, "scheduled", "vip")
    assert sent.headers["Location"] == f"/v1/mailing/{sent.json['id']}/"
    assert api.post(f"{path}send/", json={"audience": 3}, headers=once).json == sent.json
    assert set(api.post(f"{path}send/", json={}).json["errors"]["json"]) == {"status"}
    assert api.put(path, json=FIELDS).status_code == 409
    assert api.delete(path).status_code == 409
    assert api.get("/v1/draft/").json == []
    assert (api.get(path).json["mailing_id"], api.get(path).json["text"]) == (sent.json["id"], None)
    assert "drafts-title" not in api.get("/mailings/").text
    add_draft(api)
    assert '<h2 id="drafts-title">Drafts <small>1</small></h2>' in api.get("/mailings/").text
    assert value(connection, "SELECT count(*) FROM mailing") == 1


def test_an_audience_may_have_grown_by_a_hundredth_since_it_was_reviewed() -> None:
    check_review({"audience": 101, "warnings": []}, 100, ())
    with pytest.raises(Conflict):
        check_review({"audience": 102, "warnings": []}, 100, ())


def test_an_audience_of_any_size_is_counted_when_it_is_sent(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience_count, "COUNT_LIMIT", 2)
    add_clients(connection, 6, tag="vip")
    execute(connection, "ANALYZE client")
    execute(connection, "DELETE FROM client WHERE id > 3")
    path = add_draft(api, **mailing_body(mark="vip"))
    assert api.post(f"{path}send/", json={"audience": 3}).status_code == 201


def test_a_window_that_is_too_short_at_the_present_speed_is_confirmed_before_sending(
    api: Caller, connection: Connection
) -> None:
    add_running_mailing(connection, 100)
    add_report(connection, accepted=50)
    add_clients(connection, 1000, tag="vip")
    in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
    window = {
        "start_datetime": in_a_minute.isoformat(),
        "end_datetime": (in_a_minute + timedelta(seconds=60)).isoformat(),
    }
    path = add_draft(api, **(mailing_body(mark="vip") | window))
    assert set(api.post(f"{path}send/", json={}).json["errors"]["json"]) == {"confirm"}
    assert api.post(f"{path}send/", json={"confirm": ["window_too_short"]}).status_code == 201


def test_a_window_that_closes_when_sending_starts_is_refused() -> None:
    start = datetime.now(UTC)
    check_end(start + timedelta(microseconds=1), start)
    with pytest.raises(Invalid):
        check_end(start, start)


def test_a_sending_can_be_undone_until_the_mailing_starts(api: Caller, connection: Connection) -> None:
    path = add_draft(api, **(mailing_body() | present_window()))
    sent = api.post(f"{path}send/", json={"confirm": ["nobody_matches"]}).json
    starts_in = datetime.fromisoformat(sent["start_datetime"]) - datetime.now(UTC)
    assert timedelta(seconds=30) < starts_in <= timedelta(seconds=60)
    before = api.get(path).json
    undone = api.post(f"/v1/mailing/{sent['id']}/undo/")
    assert undone.status_code == 200
    assert undone.json == api.get(path).json
    assert (undone.json["text"], undone.json["mailing_id"]) == (sent["text"], None)
    assert undone.json["updated_at"] > before["updated_at"]
    assert api.get(f"/v1/mailing/{sent['id']}/").status_code == 404
    # One that was never a draft becomes a new one, paused or not; one that has started or is cancelled does not.
    added, paused, cancelled = (add_mailing(api) for _ in range(3))
    api.post(f"/v1/mailing/{paused}/pause/")
    api.post(f"/v1/mailing/{cancelled}/cancel/")
    drafts = {api.post(f"/v1/mailing/{mailing_id}/undo/").json["id"] for mailing_id in (added, paused)}
    assert len(drafts - {undone.json["id"]}) == 2
    started, stopped = add_running_mailing(connection, 1), add_running_mailing(connection, 1)
    api.post(f"/v1/mailing/{stopped}/pause/")
    for mailing_id in (cancelled, started, stopped):
        assert api.post(f"/v1/mailing/{mailing_id}/undo/").status_code == 409


def test_a_test_send_is_a_launched_mailing_of_one_message_and_is_in_the_journal(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 2)
    number = value(connection, "SELECT phone_number FROM client WHERE id = 2")
    mailing_id = add_mailing(api)
    once = {"Idempotency-Key": "try-it"}
    sent = [api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": number}, headers=once) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [201, 201]
    test = sent[0].json
    assert sent[1].json == test
    assert sent[0].headers["Location"] == f"/v1/mailing/{test['id']}/"
    assert (test["status"], test["audience"], test["messages"]["pending"]) == ("running", 1, 1)
    assert test["text"] == mailing_body()["text"]
    assert rows(connection, "SELECT mailing_id, client_id, phone_number FROM message") == [(test["id"], 2, number)]
    [entry] = api.get(f"/v1/mailing/{mailing_id}/journal/").json
    assert (entry["action"], entry["actor_name"]) == ("test", "API_KEY")
    unknown = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79169999999})
    assert (unknown.status_code, set(unknown.json["errors"]["json"])) == (409, {"phone_number"})
    assert api.post("/v1/mailing/77/test/", json={"phone_number": number}).status_code == 404
    assert mailing(connection, mailing_id)["status"] == "scheduled"
