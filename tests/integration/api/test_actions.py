"""Pause, resume, cancel; and a POST that is sent again."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, execute, value
from tests.integration.api.calls import MAILING, Caller, client_body


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])
def test_a_mailing_is_paused_resumed_and_cancelled_and_each_is_written_down_once(api: Caller, slash: str) -> None:
    mailing_id = api.post("/v1/mailing/create/", json=MAILING).json["id"]
    for action, status in (("pause", "paused"), ("resume", "scheduled"), ("cancel", "cancelled")):
        for _ in range(2):
            response = api.post(f"/v1/mailing/{mailing_id}/{action}{slash}")
            assert (response.status_code, response.json["status"]) == (200, status)
    journal = api.get(f"/v1/mailing/{mailing_id}/journal{slash}").json
    assert [entry["action"] for entry in journal] == ["pause", "resume", "cancel"]
    refused = api.post(f"/v1/mailing/{mailing_id}/pause{slash}")
    assert refused.status_code == 409
    assert "status" in refused.json["errors"]["json"]


def test_failed_messages_are_retried_with_their_ids_and_all_their_attempts(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET status = 'failed', attempts = 5, ended_at = now() WHERE id < 3")
    response = api.post(f"/v1/mailing/{mailing_id}/retry/", json={"status": "failed"})
    assert response.json == {"retried": 2, "more": False}
    retried = "SELECT count(*) FROM message WHERE status = 'pending' AND attempts = 5 AND attempts_spared = 5"
    assert value(connection, retried) == 2
    assert api.get(f"/v1/mailing/{mailing_id}/").json["messages"]["pending"] == 3
    assert api.get(f"/v1/mailing/{mailing_id}/journal/").json[0]["detail"] == "2 failed"


@pytest.mark.parametrize("body", [{"status": "sent"}, {}, {"status": None}])
def test_only_failed_and_unknown_messages_are_retried(
    api: Caller, connection: Connection, body: dict[str, Any]
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    assert api.post(f"/v1/mailing/{mailing_id}/retry/", json=body).status_code == 422


def test_a_post_that_is_sent_again_brings_the_same_answer_and_does_nothing(api: Caller, connection: Connection) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = api.post("/v1/client/create/", json=client_body(), headers=key)
    again = api.post("/v1/client/create", json=client_body(), headers=key)
    assert (again.status_code, again.data) == (first.status_code, first.data) == (201, first.data)
    assert (again.headers["Location"], again.headers["ETag"]) == (first.headers["Location"], first.headers["ETag"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert value(connection, "SELECT count(*) FROM client") == 1
    other = api.post("/v1/client/create/", json=client_body(tag="other"), headers=key)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json["errors"]["headers"]


def test_a_key_is_free_again_after_a_day(api: Caller, connection: Connection) -> None:
    key = {"Idempotency-Key": "order-17"}
    api.post("/v1/client/create/", json=client_body(), headers=key)
    execute(connection, "UPDATE kept_answer SET created_at = now() - interval '25 hours'")
    assert api.post("/v1/client/create/", json=client_body(), headers=key).status_code == 409  # the phone number's


def test_a_key_whose_request_is_still_running_answers_409(api: Caller, connection: Connection) -> None:
    connection.autocommit = False
    value(connection, "SELECT pg_try_advisory_xact_lock(hashtextextended('order-17', 0))")
    response = api.post("/v1/client/create/", json=client_body(), headers={"Idempotency-Key": "order-17"})
    connection.rollback()
    connection.autocommit = True
    assert response.status_code == 409


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_what_can_not_be_a_key_is_refused(api: Caller, key: str) -> None:
    response = api.post("/v1/client/create/", json=client_body(), headers={"Idempotency-Key": key})
    assert response.status_code == 422
