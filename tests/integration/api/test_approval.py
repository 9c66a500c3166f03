"""A mailing that requires approval does not run before a second person has approved it."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql import mailings
from tests.factories import (
    add_clients,
    add_running_mailing,
    begin_launch,
    change_mailing,
    change_message,
    execute,
    message,
    rows,
    value,
)
from tests.integration.api.calls import MAILING, Answer, Caller, caller
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

AWAITS = (409, "Mailing 1 must be approved by a second person first.")

RUNNING = MAILING | {"start_datetime": "2022-06-02T18:25:43Z"}


@pytest.fixture(autouse=True)
def required(connection: Connection, clean_database: str) -> None:
    execute(connection, "UPDATE sending_rules SET requires_approval = true")


@pytest.fixture
def author(app: Flask, api: Caller) -> Caller:
    return operator(app, api, "Anna")


@pytest.fixture
def approver(app: Flask, api: Caller) -> Caller:
    # Her name is the author's, and she is somebody else.
    return operator(app, api, "Anna")


def operator(app: Flask, api: Caller, name: str) -> Caller:
    return caller(app, api.post("/v1/key/create/", json={"name": name, "role": "operator"}).json["key"])


def create(author: Caller, **fields: object) -> int:
    return int(author.post("/v1/mailing/create/", json=RUNNING | fields).json["id"])


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status_code, answer.json["message"]


def codes(answer: Answer) -> list[str]:
    return [one["code"] for one in answer.json["warnings"]]


def test_it_starts_once_somebody_else_has_approved_it(
    author: Caller, approver: Caller, connection: Connection, maintenance: Maintenance, queue: Queue
) -> None:
    add_clients(connection, 1, tag="vip")
    mailing_id = create(author)
    path = f"/v1/mailing/{mailing_id}/"
    before = author.get(path)
    assert (before.json["status"], before.json["requires_approval"]) == ("scheduled", True)
    assert (before.json["approved_at"], codes(before)) == (None, ["awaiting_approval"])
    maintenance.run()
    assert value(connection, "SELECT status::text FROM mailing") == "scheduled"
    # A pause and a resumption in between change nothing.
    author.post(f"{path}pause/")
    assert author.post(f"{path}resume/").json["status"] == "scheduled"

    approved = approver.post(f"{path}approve/", headers={"If-Match": before.headers["ETag"]})

    assert approved.status_code == 200
    assert (approved.json["approved_by"], codes(approved)) == ("Anna", [])
    maintenance.run()
    assert len(queue.claim(10)) == 1
    assert [one["action"] for one in author.get(f"{path}journal/").json] == ["pause", "resume", "approve"]
    audited = "SELECT actor_name FROM audit_entry WHERE operation = 'approveMailing' ORDER BY id"
    assert rows(connection, audited)[-1] == ("Anna",)


def test_neither_its_author_nor_who_changed_it_last_may_approve_it(author: Caller, approver: Caller) -> None:
    path = f"/v1/mailing/{create(author)}/"
    by_its_author = (409, "You have created mailing 1: somebody else must approve it.")
    assert refusal(author.post(f"{path}approve/")) == by_its_author
    approver.put(path, json=RUNNING | {"text": "Other"})

    by_its_editor = (409, "You have changed mailing 1 last: somebody else must approve it.")
    assert refusal(approver.post(f"{path}approve/")) == by_its_editor
    assert refusal(author.post(f"{path}approve/")) == by_its_author


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Other"},
        {"mark": "other"},
        {"end_datetime": "2033-06-03T18:25:43.511Z"},
        {"requires_consent": True},
        {"spending_limit": "5", "spending_currency": "EUR"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_change_takes_the_approval_back(author: Caller, approver: Caller, change: dict[str, object]) -> None:
    path = f"/v1/mailing/{create(author)}/"
    seen = approver.get(path).headers["ETag"]
    approver.post(f"{path}approve/")
    assert author.put(path, json=RUNNING).json["approved_at"]  # which changes nothing

    changed = author.put(path, json=RUNNING | change)

    assert (changed.json["approved_at"], changed.json["approved_by"]) == (None, None)
    # What was seen is not what would be approved.
    assert approver.post(f"{path}approve/", headers={"If-Match": seen}).status_code == 412
    assert approver.post(f"{path}approve/").status_code == 200


def test_a_change_of_one_that_runs_pauses_it_until_it_is_approved_again(
    author: Caller, approver: Caller, connection: Connection, maintenance: Maintenance, queue: Queue
) -> None:
    add_clients(connection, 2, tag="vip")
    path = f"/v1/mailing/{create(author)}/"
    approver.post(f"{path}approve/")
    maintenance.run()
    [claimed] = queue.claim(1)
    queue.release([claimed])

    changed = author.put(path, json=RUNNING | {"text": "Other"})

    assert (changed.json["status"], codes(changed)) == ("paused", ["awaiting_approval"])
    assert queue.claim(10) == []
    assert refusal(author.post(f"{path}resume/")) == AWAITS
    last = author.get(f"{path}journal/").json[-1]
    assert (last["action"], last["detail"].split(".")[0]) == ("pause", "The change took its approval back")
    approver.post(f"{path}approve/")
    author.post(f"{path}resume/")
    assert {one.text for one in queue.claim(10)} == {"Other"}


def segment_of(author: Caller, text: str = 'tag = "vip"') -> int:
    return int(author.post("/v1/segment/create/", json={"name": "Regulars", "text": text}).json["id"])


@pytest.mark.parametrize("used", ["segment_id", "excluded_segment_ids"])
def test_a_change_of_its_saved_segment_takes_the_approval_back(author: Caller, approver: Caller, used: str) -> None:
    segment_id = segment_of(author)
    audience = {"mark": "", "segment_id": segment_id} if used == "segment_id" else {used: [segment_id]}
    path = f"/v1/mailing/{create(author, **audience)}/"
    approver.post(f"{path}approve/")
    author.put(f"/v1/segment/{segment_id}/", json={"name": "Regular clients"})
    author.put(f"/v1/segment/{segment_id}/", json={"text": '(tag = "vip")'})  # which means the same
    assert author.get(path).json["approved_by"] == "Anna"

    assert approver.put(f"/v1/segment/{segment_id}/", json={"text": 'tag = "other"'}).status_code == 200

    changed = author.get(path)
    assert (changed.json["status"], changed.json["approved_by"]) == ("scheduled", None)
    assert "awaiting_approval" in codes(changed)
    taken_back = ("unapprove", "The saved segment Regular clients was changed: approve the mailing again.")
    assert [(one["action"], one["detail"]) for one in author.get(f"{path}journal/").json][1:] == [taken_back]
    by_its_editor = (409, "You have changed mailing 1 last: somebody else must approve it.")
    assert refusal(approver.post(f"{path}approve/")) == by_its_editor


def test_a_change_of_its_saved_segment_pauses_one_whose_clients_are_not_listed_yet(
    author: Caller, approver: Caller, connection: Connection
) -> None:
    segment_id = segment_of(author)
    path = f"/v1/mailing/{create(author, mark='', segment_id=segment_id)}/"
    approver.post(f"{path}approve/")
    execute(connection, mailings.START_MAILINGS)

    author.put(f"/v1/segment/{segment_id}/", json={"text": 'tag = "other"'})

    changed = author.get(path)
    assert (changed.json["status"], codes(changed)) == ("paused", ["awaiting_approval"])
    assert [one["action"] for one in author.get(f"{path}journal/").json] == ["approve", "unapprove", "pause"]
    assert refusal(author.post(f"{path}resume/")) == AWAITS


def test_a_change_of_its_saved_segment_leaves_one_alone_whose_clients_are_listed(
    author: Caller, approver: Caller, connection: Connection
) -> None:
    segment_id = segment_of(author)
    path = f"/v1/mailing/{create(author, mark='', segment_id=segment_id)}/"
    approver.post(f"{path}approve/")
    execute(connection, mailings.START_MAILINGS)
    execute(connection, "UPDATE mailing SET audience_frozen_at = now()")

    author.put(f"/v1/segment/{segment_id}/", json={"text": 'tag = "other"'})

    assert (author.get(path).json["status"], author.get(path).json["approved_by"]) == ("running", "Anna")


def test_what_cannot_be_approved(author: Caller, approver: Caller, connection: Connection) -> None:
    def tried(mailing_id: int) -> str:
        refused = approver.post(f"/v1/mailing/{mailing_id}/approve/")
        assert refused.status_code == 409
        return str(refused.json["message"])

    closed = create(author, end_datetime="2022-06-03T18:25:43Z")
    assert tried(closed).startswith("The window of mailing 1 has closed")
    # It stays, says so, and can be cancelled.
    assert codes(author.get(f"/v1/mailing/{closed}/")) == ["window_closed", "nobody_matches", "awaiting_approval"]
    assert author.post(f"/v1/mailing/{closed}/cancel/").json["status"] == "cancelled"
    assert tried(closed).startswith("Mailing 1 is cancelled")
    approved = create(author)
    approver.post(f"/v1/mailing/{approved}/approve/")
    assert tried(approved) == "Mailing 2 is approved already."
    begin_launch(connection, approved)
    assert tried(approved) == "Mailing 2 is approved already."
    execute(connection, "UPDATE sending_rules SET requires_approval = false")
    assert tried(create(author)) == "Mailing 3 needs no approval."
    assert approver.post("/v1/mailing/77/approve/").status_code == 404


def test_a_test_can_be_sent_before_the_approval_and_sends_its_own_message_alone(
    author: Caller, connection: Connection, maintenance: Maintenance, queue: Queue
) -> None:
    add_clients(connection, 2, tag="vip")
    mailing_id = create(author)
    test = author.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79000000001})

    assert test.json["requires_approval"] is False
    maintenance.run()
    assert [one.mailing_id for one in queue.claim(10)] == [test.json["id"]]


def test_a_retry_waits_for_the_approval_too(author: Caller, connection: Connection) -> None:
    mailing_id = create(author)
    execute(
        connection,
        "UPDATE mailing SET launch_started_at = now(), max_client_id = 0, launched_at = now(), ended_at = now(), "
        "status = 'finished'",
    )

    assert refusal(author.post(f"/v1/mailing/{mailing_id}/retry/", json={"status": "failed"})) == AWAITS


def test_an_unknown_message_is_sent_again_only_once_its_mailing_is_approved(
    author: Caller, approver: Caller, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection)
    change_mailing(connection, mailing_id, "status = 'paused', requires_approval = true")
    change_message(connection, 1, "status = 'unknown', in_doubt = true, attempts = 1, ended_at = now()")
    resend = {"outcome": "resend"}

    assert refusal(author.post("/v1/message/1/resolve/", json=resend)) == AWAITS
    assert message(connection, 1)["status"] == "unknown"
    assert approver.post(f"/v1/mailing/{mailing_id}/approve/").status_code == 200
    assert author.post("/v1/message/1/resolve/", json=resend).json["status"] == "pending"
