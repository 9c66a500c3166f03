"""A POST that a client sends again because it has lost the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.http import idempotency
from api.settings import ApiSettings
from tests.factories import add_running_mailing, execute, rows, value
from tests.fault_proxy import CommitMoment, FaultProxy
from tests.integration.api.calls import (
    Answer,
    Caller,
    add_mailing,
    at_once,
    caller,
    client_body,
    mailing_body,
    wait_until_blocked,
)
from tests.waiting import PATIENCE, eventually

KEY = {"Idempotency-Key": "order-17"}


def add(api: Caller, key: str = "order-17", **changes: object) -> Answer:
    return api.post("/v1/client/create/", json=client_body(**changes), headers={"Idempotency-Key": key})


def clients(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM client"))


def is_replay(answer: Answer) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


@pytest.fixture
def proxy(clean_database: str) -> Iterator[FaultProxy]:
    with FaultProxy(clean_database) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy: FaultProxy) -> Iterator[Caller]:
    """A caller of an application whose connections the proxy can cut."""
    app = create_app(ApiSettings(database_url=parse_database_url(proxy.url)))
    yield caller(app)
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def test_the_same_request_brings_the_same_answer_and_does_nothing(api: Caller, connection: Connection) -> None:
    first = add(api)
    again = api.post("/v1/client/create", json=client_body(), headers=KEY)

    assert (again.status_code, again.data) == (first.status_code, first.data) == (201, first.data)
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert clients(connection) == 1


def test_everybody_has_keys_of_their_own(app: Flask, api: Caller, connection: Connection) -> None:
    key = api.post("/v1/key/create/", json={"name": "somebody else", "role": "operator"}).json["key"]
    add(api)

    another = add(caller(app, key), phone_number=79161234568)

    assert (another.status_code, is_replay(another)) == (201, False)
    assert clients(connection) == 2


def test_without_a_key_every_request_counts(api: Caller, connection: Connection) -> None:
    for _ in range(2):
        add_mailing(api)

    assert value(connection, "SELECT count(*) FROM mailing") == 2
    assert value(connection, "SELECT count(*) FROM idempotency_key") == 0


def test_the_answer_is_that_of_then_whatever_has_happened_since(api: Caller) -> None:
    first = add(api)
    path = first.headers["Location"]
    api.put(path, json=client_body(tag="other"))
    assert add(api).data == first.data
    api.delete(path)

    assert add(api).data == first.data
    assert api.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/client/create/", client_body(tag="other")),
        ("/v1/client/create/", {}),
        ("/v1/mailing/create/", mailing_body()),
        ("/v1/mailing/1/cancel/", None),
    ],
    ids=["another body", "a wrong body", "another path", "an action"],
)
def test_the_same_key_with_another_request_is_refused(
    path: str, body: dict[str, object] | None, api: Caller, connection: Connection
) -> None:
    add_mailing(api)
    add(api)
    answer = api.post(path, json=body, headers=KEY)

    assert answer.status_code == 422
    assert set(answer.json["errors"]["headers"]) == {"Idempotency-Key"}
    assert rows(connection, "SELECT status FROM mailing") == [("scheduled",)]
    assert clients(connection) == 1


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_an_action_that_is_sent_again_is_done_once(action: str, api: Caller, connection: Connection) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    first = api.post(f"{path}{action}/", headers=KEY)
    if action == "pause":
        api.post(f"{path}resume/")

    again = api.post(f"{path}{action}/", headers=KEY)

    assert again.data == first.data
    assert api.get(path).json["status"] == ("scheduled" if action == "pause" else "cancelled")
    assert [entry["action"] for entry in api.get(f"{path}journal/").json].count(action) == 1
    # The key stands for this action of this mailing alone.
    other = f"/v1/mailing/{add_mailing(api)}/"
    assert api.post(f"{other}{action}/", headers=KEY).status_code == 422
    assert api.get(other).json["status"] == "scheduled"


def test_a_retry_that_is_sent_again_is_done_once(api: Caller, connection: Connection) -> None:
    path = f"/v1/mailing/{add_running_mailing(connection, 2)}/retry/"
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 1")
    first = api.post(path, json={"status": "failed"}, headers=KEY)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 1")

    again = api.post(path, json={"status": "failed"}, headers=KEY)

    assert again.json == first.json == {"retried": 1, "more": False}
    assert value(connection, "SELECT status FROM message WHERE id = 1") == "failed"


def test_while_the_first_request_runs_the_second_is_told_so(
    app: Flask, api: Caller, connection: Connection, connect: Callable[[], Connection]
) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/pause/"
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM mailing FOR UPDATE")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(caller(app).post, path, headers=KEY)
        wait_until_blocked(connection, 1)

        second = api.post(path, headers=KEY)
        another = api.post("/v1/client/create/", json=client_body(), headers={"Idempotency-Key": "order-18"})

        holder.commit()
        first = running.result(PATIENCE)
    assert (second.status_code, set(second.json["errors"]["headers"])) == (409, {"Idempotency-Key"})
    assert another.status_code == 201
    assert first.status_code == 200
    third = api.post(path, headers=KEY)
    assert (third.data, is_replay(third)) == (first.data, True)


def test_of_many_at_the_same_time_one_is_done(app: Flask, api: Caller, connection: Connection) -> None:
    body = mailing_body()
    answers = at_once(*[partial(caller(app).post, "/v1/mailing/create/", json=body, headers=KEY) for _ in range(4)])

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.data for answer in answers if answer.status_code == 201}) == 1
    assert value(connection, "SELECT count(*) FROM mailing") == 1


def test_a_failure_is_not_kept(api: Caller, connection: Connection) -> None:
    add(api, "another")
    assert add(api).status_code == 409  # the phone number is another client's
    execute(connection, "DELETE FROM client")

    assert (add(api).status_code, clients(connection)) == (201, 1)


def test_after_a_failure_the_key_may_come_with_another_request(api: Caller) -> None:
    assert add(api, phone_number=1).status_code == 422

    answer = add(api)
    assert (answer.status_code, is_replay(answer)) == (201, False)


@pytest.mark.parametrize(("age", "replayed"), [("23 hours 59 minutes", True), ("24 hours 1 second", False)])
def test_an_answer_is_kept_for_24_hours(
    age: str, replayed: bool, api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "CLEANUP_BATCH", 0)  # as when others hold the row of the expired key
    body = mailing_body()
    first = api.post("/v1/mailing/create/", json=body, headers=KEY)
    execute(connection, "UPDATE idempotency_key SET created_at = now() - %s::interval", age)

    again = api.post("/v1/mailing/create/", json=body, headers=KEY)

    assert is_replay(again) == replayed
    assert (again.json["id"] == first.json["id"]) == replayed
    assert value(connection, "SELECT count(*) FROM idempotency_key WHERE created_at > now() - interval '24 hours'") == 1


def test_answers_past_their_time_are_swept_by_who_comes_next(api: Caller, connection: Connection) -> None:
    for number in range(5):
        add(api, f"old-{number}", phone_number=79161234560 + number)
    execute(connection, "UPDATE idempotency_key SET created_at = now() - interval '25 hours'")
    for number, key in enumerate(("new", "newer"), start=8):
        add(api, key, phone_number=79161234560 + number)

    kept = rows(connection, "SELECT key FROM idempotency_key ORDER BY created_at")
    assert [key.split()[-1] for (key,) in kept] == ["new", "newer"]


def test_nobody_waits_for_a_request_that_removes_an_old_answer(
    api: Caller, connection: Connection, connect: Callable[[], Connection]
) -> None:
    for number, key in enumerate(("held", "old")):
        add(api, key, phone_number=79161234560 + number)
    execute(connection, "UPDATE idempotency_key SET created_at = now() - interval '25 hours'")
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM idempotency_key WHERE key LIKE '%% held' FOR UPDATE")

    assert add(api, "new").status_code == 201

    kept = rows(connection, "SELECT key FROM idempotency_key ORDER BY created_at")
    assert [key.split()[-1] for (key,) in kept] == ["held", "new"]


KEYS_IN_USE = """
SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND datname = current_database()
"""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_what_was_done_and_its_answer_are_written_together_or_not_at_all(
    moment: CommitMoment, proxied: Caller, proxy: FaultProxy, connection: Connection
) -> None:
    proxied.get("/v1/client/")  # so that the next commit is that of the request
    proxy.cut_at_commit(moment)

    assert add(proxied).status_code == 503

    assert proxy.cuts == 1
    done = int(moment == "after the commit")
    assert (clients(connection), value(connection, "SELECT count(*) FROM idempotency_key")) == (done, done)
    # The server ends the transaction of a connection that was cut a moment later; until then, the key is in use.
    eventually(lambda: not rows(connection, KEYS_IN_USE))
    again = add(proxied)
    assert (again.status_code, is_replay(again)) == (201, bool(done))
    assert clients(connection) == 1


def test_a_server_that_dies_within_a_request_has_done_nothing(
    app: Flask, connection: Connection, connect: Callable[[], Connection], api: Caller
) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/cancel/"
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM mailing FOR UPDATE")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(caller(app).post, path, headers=KEY)
        wait_until_blocked(connection, 1)
        execute(
            connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        assert running.result(PATIENCE).status_code == 503
    holder.rollback()

    assert rows(connection, "SELECT status FROM mailing") == [("scheduled",)]
    answer = api.post(path, headers=KEY)
    assert (answer.json["status"], is_replay(answer)) == ("cancelled", False)


def test_a_restarted_api_accepts_the_keys(api: Caller, clean_database: str) -> None:
    first = add(api)
    restarted = create_app(ApiSettings(database_url=parse_database_url(clean_database)))

    again = add(caller(restarted))

    assert (again.data, is_replay(again)) == (first.data, True)
    with restarted.app_context():
        restarted.extensions["sqlalchemy"].engine.dispose()


@pytest.mark.parametrize("key", ["a", "!", "~", "x" * 255, '"quoted"', "8e03978e-40d5-43dd-bc93-6894a57f9324", "%s"])
def test_a_key_is_1_to_255_visible_characters(key: str, api: Caller) -> None:
    assert [is_replay(add(api, key)) for _ in range(2)] == [False, True]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ", "a\tb"])
def test_what_can_not_be_a_key_is_refused(api: Caller, key: str, connection: Connection) -> None:
    answer = add(api, key)

    assert answer.status_code == 422
    assert set(answer.json["errors"]["headers"]) == {"Idempotency-Key"}
    assert clients(connection) == 0


def test_keys_that_differ_in_case_are_different(api: Caller, connection: Connection) -> None:
    for key in ("a", "A"):
        api.post("/v1/mailing/create/", json=mailing_body(), headers={"Idempotency-Key": key})

    assert value(connection, "SELECT count(*) FROM mailing") == 2


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_put_and_a_delete_need_no_key_and_take_no_notice_of_one(method: str, api: Caller) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    body = {"json": mailing_body(text="other")} if method == "put" else {}

    answers = [getattr(api, method)(path, headers=KEY, **body) for _ in range(2)]

    assert not any(is_replay(answer) for answer in answers)
    assert [answer.status_code for answer in answers] == ([200, 200] if method == "put" else [204, 404])
