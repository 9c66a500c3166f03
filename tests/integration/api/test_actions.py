"""Pause, resume and cancel; and the journal of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, execute, value
from tests.integration.api.calls import Caller, add_mailing, at_once, caller, mailing_body, once_blocked
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background
from worker.queue import Queue

STATES = {
    "scheduled": "",
    "running": "status = 'running', launch_started_at = now(), max_client_id = 0, launched_at = now()",
    "running, being launched": "status = 'running', launch_started_at = now(), max_client_id = 0",
    "paused before its launch": "status = 'paused'",
    "paused while being launched": "status = 'paused', launch_started_at = now(), max_client_id = 0",
    "paused": "status = 'paused', launch_started_at = now(), max_client_id = 0, launched_at = now()",
    "finished": "status = 'finished', launch_started_at = now(), max_client_id = 0, launched_at = now(), "
    "ended_at = now(), settled_at = now()",
    "cancelled before its launch": "status = 'cancelled', ended_at = now()",
    "cancelled": "status = 'cancelled', launch_started_at = now(), max_client_id = 0, launched_at = now(), "
    "ended_at = now()",
}
LEADS_TO = {
    #                                pause     resume       cancel
    "scheduled": ("paused", "scheduled", "cancelled"),
    "running": ("paused", "running", "cancelled"),
    "running, being launched": ("paused", "running", "cancelled"),
    "paused before its launch": ("paused", "scheduled", "cancelled"),
    "paused while being launched": ("paused", "running", "cancelled"),
    "paused": ("paused", "running", "cancelled"),
    "finished": (None, None, None),
    "cancelled before its launch": (None, None, "cancelled"),
    "cancelled": (None, None, "cancelled"),
}
ACTIONS = ("pause", "resume", "cancel")


def journal(api: Caller, mailing_id: int) -> list[str]:
    return [entry["action"] for entry in api.get(f"/v1/mailing/{mailing_id}/journal/").json]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", STATES)
def test_each_action_in_each_state(state: str, action: str, api: Caller, connection: Connection) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    if STATES[state]:
        execute(connection, f"UPDATE mailing SET {STATES[state]}")  # noqa: S608
    before = api.get(path).json
    leads_to = LEADS_TO[state][ACTIONS.index(action)]

    answer = api.post(f"{path}{action}/")

    after = api.get(path)
    if leads_to is None:
        assert answer.status_code == 409
        assert answer.json["errors"] == {"json": {"status": [answer.json["message"]]}}
        assert answer.json["reason_code"] == f"nothing_to_{action}"
        assert answer.json["reason_params"] == {"mailing": 1, "status": before["status"]}
        assert (after.json, journal(api, 1)) == (before, [])
        return
    assert (answer.status_code, answer.json["status"]) == (200, leads_to)
    assert (answer.json, answer.headers["ETag"]) == (after.json, after.headers["ETag"])
    assert (after.json["ended_at"] is not None) == (leads_to == "cancelled")
    assert journal(api, 1) == ([action] if leads_to != before["status"] else [])


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])
def test_a_mailing_is_paused_resumed_and_cancelled_and_each_is_written_down_once(api: Caller, slash: str) -> None:
    mailing_id = add_mailing(api)
    for action, status in (("pause", "paused"), ("resume", "scheduled"), ("cancel", "cancelled")):
        for _ in range(2):
            response = api.post(f"/v1/mailing/{mailing_id}/{action}{slash}")
            assert (response.status_code, response.json["status"]) == (200, status)

    entries = api.get(f"/v1/mailing/{mailing_id}/journal{slash}").json
    assert [entry["action"] for entry in entries] == ["pause", "resume", "cancel"]
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)


def test_the_journal_comes_page_by_page(api: Caller) -> None:
    mailing_id = add_mailing(api)
    for action in ("pause", "resume", "pause", "resume"):
        api.post(f"/v1/mailing/{mailing_id}/{action}/")

    first = api.get(f"/v1/mailing/{mailing_id}/journal/?limit=3")
    last = api.get(f"/v1/mailing/{mailing_id}/journal/?limit=3&after={first.json[-1]['id']}")

    assert [len(first.json), len(last.json)] == [3, 1]
    assert "next" in first.headers["Link"]


@pytest.mark.parametrize("action", [*ACTIONS, "retry"])
def test_of_what_is_not_there_or_was_removed_nothing_is_done(action: str, api: Caller, connection: Connection) -> None:
    removed = add_running_mailing(connection)
    api.delete(f"/v1/mailing/{removed}/")
    body = {"json": {"status": "failed"}} if action == "retry" else {}

    for mailing_id in (removed, removed + 1):
        assert api.post(f"/v1/mailing/{mailing_id}/{action}/", **body).status_code == 404
        assert api.get(f"/v1/mailing/{mailing_id}/journal/").status_code == 404


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_an_action_is_a_post(method: str, api: Caller) -> None:
    answer = getattr(api, method)(f"/v1/mailing/{add_mailing(api)}/pause/")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_of_many_people_who_pause_at_once_one_is_written_down(app: Flask, api: Caller) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/pause/"
    answers = at_once(*[partial(caller(app).post, path) for _ in range(5)])

    assert {answer.status_code for answer in answers} == {200}
    assert journal(api, 1) == ["pause"]


def test_a_resumption_and_a_cancellation_at_once_come_one_after_the_other(
    app: Flask, api: Caller, connection: Connection, connect: Callable[[], Connection]
) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    api.post(f"{path}pause/")
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM mailing FOR UPDATE")

    resume, cancel = (partial(caller(app).post, f"{path}{action}/") for action in ("resume", "cancel"))
    resumed, cancelled = once_blocked(connection, holder.commit, resume, cancel)

    assert cancelled.status_code == 200
    assert resumed.status_code in (200, 409)
    assert api.get(path).json["status"] == "cancelled"


@pytest.mark.parametrize("action", ["pause", "cancel", "delete"])
def test_once_it_is_answered_nothing_more_is_claimed(
    action: str,
    api: Caller,
    connection: Connection,
    open_queue: OpenQueue,
) -> None:
    path = f"/v1/mailing/{add_running_mailing(connection, 5000)}/"
    enough = threading.Event()

    def claim_on(queue: Queue) -> None:
        while not enough.wait(0.01):  # not all is claimed before the actions are over
            queue.claim(2)

    workers = [in_background(partial(claim_on, open_queue(f"worker {number}"))) for number in range(3)]
    try:
        for _ in range(5 if action == "pause" else 1):
            claimed = claims(connection)
            while claims(connection) == claimed:
                pass
            answer = api.delete(path) if action == "delete" else api.post(f"{path}{action}/")
            claimed = claims(connection)
            assert answer.status_code in (200, 204)
            enough.wait(0.2)
            assert claims(connection) == claimed < 5000
            if action == "pause":
                api.post(f"{path}resume/")
    finally:
        enough.set()
        for worker in workers:
            worker.result(PATIENCE)


def claims(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sending'"))


def test_a_paused_mailing_is_edited_like_a_running_one(api: Caller, connection: Connection) -> None:
    path = f"/v1/mailing/{add_running_mailing(connection)}/"
    api.post(f"{path}pause/")
    body = mailing_body(**{name: api.get(path).json[name] for name in ("mark", "start_datetime", "end_datetime")})

    assert api.put(path, json=body | {"text": "other", "on_unknown": "hold"}).status_code == 200
    assert api.put(path, json=body | {"mark": "other"}).status_code == 409


@pytest.mark.parametrize(("before", "after"), [("resend", "hold"), ("hold", "resend")])
def test_what_to_do_in_doubt_is_changed_for_every_claim_that_follows(
    before: str,
    after: str,
    api: Caller,
    connection: Connection,
    open_queue: OpenQueue,
) -> None:
    path = f"/v1/mailing/{add_running_mailing(connection, 2, on_unknown=before)}/"
    queue = open_queue()
    [first] = queue.claim(1)
    body = {name: api.get(path).json[name] for name in ("text", "mark", "start_datetime", "end_datetime")}
    assert api.put(path, json=body | {"on_unknown": after}).status_code == 200
    [second] = queue.claim(1)

    assert (first.on_unknown, second.on_unknown) == (before, after)
