"""Requests and workers at the same moment: every outcome is one of those that could have come one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import psycopg2
import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import (
    MAILING,
    Call,
    Caller,
    add_client,
    add_mailing,
    at_once,
    caller,
    client_body,
    mailing_body,
    once_blocked,
)


@pytest.fixture
def holder(clean_database: str) -> Iterator[Connection]:
    """A connection that holds locks until it commits, as a worker does for a moment."""
    connection = psycopg2.connect(clean_database)
    yield connection
    connection.close()


def put(app: Flask, path: str, body: dict[str, object], tag: str | None = None) -> Call:
    headers = {"If-Match": tag} if tag else {}
    return partial(caller(app).put, path, json=body, headers=headers)


def delete(app: Flask, path: str) -> Call:
    return partial(caller(app).delete, path)


TABLES = {"client": "client", "mailing": "mailing", "draft": "mailing_draft"}


def body(resource: str, words: str) -> dict[str, object]:
    """A resource with these words in it."""
    if resource == "client":
        return client_body(tag=words)
    return mailing_body(text=words)


@pytest.mark.parametrize("resource", TABLES)
def test_of_two_writers_with_the_same_tag_one_wins(
    app: Flask, api: Caller, connection: Connection, holder: Connection, resource: str
) -> None:
    path = api.post(f"/v1/{resource}/create/", json=body(resource, "first")).headers["Location"]
    tag = api.get(path).headers["ETag"]
    factories.execute(holder, f"SELECT FROM {TABLES[resource]} FOR UPDATE")
    writers = (put(app, path, body(resource, words), tag) for words in ("one", "two"))
    answers = once_blocked(connection, holder.commit, *writers)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (winner,) = [answer.json for answer in answers if answer.status_code == 200]
    assert api.get(path).json == winner


@pytest.mark.parametrize("resource", TABLES)
def test_a_change_and_a_removal_at_once_come_one_after_the_other(
    app: Flask, api: Caller, connection: Connection, holder: Connection, resource: str
) -> None:
    path = api.post(f"/v1/{resource}/create/", json=body(resource, "first")).headers["Location"]
    factories.execute(holder, f"SELECT FROM {TABLES[resource]} FOR UPDATE")
    change = put(app, path, body(resource, "other"))
    changed, removed = once_blocked(connection, holder.commit, change, delete(app, path))
    assert removed.status_code == 204
    assert changed.status_code in (200, 404)
    assert api.get(path).status_code == 404


def test_a_draft_that_is_sent_twice_at_once_becomes_one_mailing(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = api.post("/v1/draft/create/", json=mailing_body()).headers["Location"]
    factories.execute(holder, "SELECT FROM mailing_draft FOR UPDATE")
    send = partial(caller(app).post, f"{path}send/", json={"confirm": ["nobody_matches"]})
    answers = once_blocked(connection, holder.commit, send, send)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(api.get("/v1/mailing/").json) == 1


def test_the_second_of_two_removals_finds_nothing(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/client/{add_client(api)}/"
    factories.execute(holder, "SELECT FROM client FOR UPDATE")
    answers = once_blocked(connection, holder.commit, delete(app, path), delete(app, path))
    assert sorted(answer.status_code for answer in answers) == [204, 404]


def test_of_many_clients_with_one_phone_number_one_is_added(app: Flask, api: Caller) -> None:
    add = [partial(caller(app).post, "/v1/client/create/", json=client_body(tag=str(n))) for n in range(6)]
    answers = at_once(*add)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert len(api.get("/v1/client/").json) == 1


def test_of_two_clients_that_want_one_phone_number_one_gets_it(app: Flask, api: Caller) -> None:
    paths = [f"/v1/client/{add_client(api, phone_number=79160000000 + n)}/" for n in range(2)]
    answers = at_once(*(put(app, path, client_body()) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_many_changes_at_once_all_succeed_one_after_the_other(app: Flask, api: Caller) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    answers = at_once(*(put(app, path, mailing_body(text=f"text {n}")) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json["text_revision"] for answer in answers) == list(range(2, 10))


def test_a_mailing_that_is_launched_at_the_same_time_keeps_its_mark(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    factories.execute(
        holder, "UPDATE mailing SET status = 'running', launch_started_at = now(), max_client_id = 0 WHERE id = 1"
    )
    (answer,) = once_blocked(connection, holder.commit, put(app, path, mailing_body(mark="other")))
    assert answer.status_code == 409
    assert api.get(path).json["mark"] == MAILING["mark"]


def test_a_mailing_that_is_launched_at_the_same_time_is_cancelled_and_not_deleted(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    factories.execute(
        holder, "UPDATE mailing SET status = 'running', launch_started_at = now(), max_client_id = 0 WHERE id = 1"
    )
    (answer,) = once_blocked(connection, holder.commit, delete(app, path))
    assert answer.status_code == 204
    kept = factories.row(connection, "SELECT status, ended_at > launch_started_at AS in_order FROM mailing")
    assert kept == {"status": "cancelled", "in_order": True}


def test_a_text_that_is_written_at_the_same_time_is_not_lost(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/mailing/{add_mailing(api, text='one')}/"
    factories.execute(holder, "UPDATE mailing SET text_revision = 2")
    factories.execute(holder, "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (1, 2, 'two')")
    (answer,) = once_blocked(connection, holder.commit, put(app, path, mailing_body(text="three")))
    assert (answer.status_code, answer.json["text_revision"]) == (200, 3)
    assert factories.rows(connection, "SELECT text FROM mailing_text ORDER BY revision") == [
        ("one",),
        ("two",),
        ("three",),
    ]


LAUNCH = """
INSERT INTO message (mailing_id, client_id, phone_number)
SELECT 1, id, phone_number FROM client FOR KEY SHARE OF client
"""


def test_a_removal_waits_for_a_launch_and_then_ends_its_message(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/client/{add_client(api)}/"
    add_mailing(api)
    factories.execute(holder, LAUNCH)
    (answer,) = once_blocked(connection, holder.commit, delete(app, path))
    assert answer.status_code == 204
    assert [message["status"] for message in api.get("/v1/message/").json] == ["cancelled"]


def test_a_new_phone_number_waits_for_a_launch_and_then_reaches_its_message(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/client/{add_client(api)}/"
    add_mailing(api)
    factories.execute(holder, LAUNCH)
    (answer,) = once_blocked(connection, holder.commit, put(app, path, client_body(phone_number=79169999999)))
    assert answer.status_code == 200
    assert [message["phone_number"] for message in api.get("/v1/message/").json] == [79169999999]


def test_a_message_that_is_claimed_at_the_same_time_keeps_the_number_it_is_sent_to(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/client/{add_client(api)}/"
    add_mailing(api)
    factories.execute(connection, LAUNCH)
    factories.execute(holder, "UPDATE message SET status = 'sending', attempts = 1, claim_id = 1")
    (answer,) = once_blocked(connection, holder.commit, put(app, path, client_body(phone_number=79169999999)))
    assert answer.status_code == 200
    assert [message["phone_number"] for message in api.get("/v1/message/").json] == [79161234567]
