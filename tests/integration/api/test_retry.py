"""Trying the failed and the unknown messages of a mailing again."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import services
from tests.conftest import Connect
from tests.factories import (
    add_running_mailing,
    attempts_of,
    change_mailing,
    change_message,
    close_window,
    counted,
    execute,
    mailing,
    message,
    message_counts,
    revise_text,
    rows,
    value,
)
from tests.integration.api.calls import Answer, Caller, add_mailing, caller, once_blocked
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def retry(api: Caller, mailing_id: int, status: str = "failed") -> Answer:
    return api.post(f"/v1/mailing/{mailing_id}/retry/", json={"status": status})


def fail(connection: Connection, queue: Queue, name: str = "refused for good") -> None:
    """Lets a worker send everything that is due, and fail."""
    while claimed := queue.claim(100):
        queue.record([answer(one, name) for one in claimed])


def end(connection: Connection, maintenance: Maintenance, mailing_id: int) -> None:
    """Lets a worker notice that a mailing is over."""
    maintenance.run()
    assert mailing(connection, mailing_id)["status"] == "finished"


def test_failed_messages_are_sent_with_the_ids_and_the_bodies_that_they_had(
    api: Caller, connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 3, text="as it was")
    fail(connection, queue)
    revise_text(connection, mailing_id, "another")
    execute(connection, "UPDATE client SET phone_number = phone_number + 1000000, operator_code = '9'")

    assert retry(api, mailing_id).json == {"retried": 3, "more": False}

    before = dict(rows(connection, "SELECT id, phone_number FROM message"))
    again = queue.claim(10)
    assert {one.message_id: one.phone_number for one in again} == before
    assert {(one.text, one.number) for one in again} == {("as it was", 2)}
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sending": 3}


@pytest.mark.parametrize("name", ["refused", "ambiguous"])
def test_they_get_all_their_attempts_anew_and_the_ledger_keeps_those_before(
    name: str, api: Caller, connection: Connection, open_queue: OpenQueue
) -> None:
    mailing_id = add_running_mailing(connection)
    queue = open_queue(max_attempts=3)
    status = "failed" if name == "refused" else "unknown"
    for life in (1, 2, 3):
        fail(connection, queue, name)
        assert message(connection, 1)["status"] == status
        assert [one["number"] for one in attempts_of(connection, 1)] == list(range(1, 3 * life + 1))
        assert retry(api, mailing_id, status).json["retried"] == 1


def test_a_message_in_doubt_stays_in_doubt(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, on_unknown="hold")
    fail(connection, queue, "ambiguous")
    assert message(connection, 1)["status"] == "unknown"
    retry(api, mailing_id, "unknown")

    fail(connection, queue, "refused for good")

    now = message(connection, 1)
    assert (now["status"], now["in_doubt"]) == ("unknown", True)


def test_only_those_in_the_status_that_was_asked_for(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 6)
    for id_, status in enumerate(("failed", "unknown", "cancelled", "expired"), 1):
        execute(connection, "UPDATE message SET status = %s, ended_at = now() WHERE id = %s", status, id_)
    execute(connection, "UPDATE message SET status = 'sent', sent_at = now(), ended_at = now() WHERE id = 5")
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mailing_id <> %s", mailing_id)

    assert retry(api, mailing_id, "unknown").json == {"retried": 1, "more": False}

    statuses = [status for (status,) in rows(connection, "SELECT status FROM message ORDER BY id")]
    assert statuses == ["failed", "pending", "cancelled", "expired", "sent", "pending"]


def test_a_client_who_was_removed_is_not_written_to(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 3)
    fail(connection, queue)
    api.delete(f"/v1/client/{message(connection, 2)['client_id']}/")

    assert retry(api, mailing_id).json == {"retried": 2, "more": False}

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"pending": 2, "failed": 1}
    assert message(connection, 2)["status"] == "failed"


def test_a_client_who_is_being_removed_is_not_written_to(
    app: Flask, connection: Connection, connect: Connect, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    fail(connection, queue)
    removing = connect()
    removing.autocommit = False
    execute(removing, "DELETE FROM client WHERE id = (SELECT client_id FROM message WHERE id = 1)")

    (answer,) = once_blocked(connection, removing.commit, lambda: retry(caller(app), mailing_id))

    assert answer.json == {"retried": 1, "more": False}
    assert counted(connection, mailing_id) == {"pending": 1, "failed": 1}


@pytest.mark.parametrize(
    ("change", "status"),
    [("phone_number = 0", "failed"), ("status = 'unknown'", "unknown")],  # the client has another number since
    ids=["erased number", "another status"],
)
def test_a_message_that_is_not_retried_counts_towards_no_limit(
    change: str,
    status: str,
    api: Caller,
    connection: Connection,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "RETRY_LIMIT", 1)
    mailing_id = add_running_mailing(connection, 2)
    fail(connection, queue)
    change_message(connection, 1, change)

    assert retry(api, mailing_id).json == {"retried": 1, "more": False}

    assert message(connection, 1)["status"] == status


def test_a_retry_touches_no_other_mailing(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id, other = add_running_mailing(connection, 2), add_running_mailing(connection, 3)
    fail(connection, queue)

    assert retry(api, mailing_id).json == {"retried": 2, "more": False}

    assert counted(connection, mailing_id) == {"pending": 2}
    assert counted(connection, other) == {"failed": 3}


def test_a_finished_mailing_runs_again_and_finishes_again(
    api: Caller, connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    fail(connection, queue)
    end(connection, maintenance, mailing_id)

    retry(api, mailing_id)

    now = mailing(connection, mailing_id)
    assert (now["status"], now["ended_at"], now["settled_at"]) == ("running", None, None)
    fail(connection, queue, "accepted")
    end(connection, maintenance, mailing_id)
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 2}


def test_a_paused_mailing_stays_paused(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection)
    fail(connection, queue)
    api.post(f"/v1/mailing/{mailing_id}/pause/")

    assert retry(api, mailing_id).json["retried"] == 1

    assert mailing(connection, mailing_id)["status"] == "paused"
    assert queue.claim(1) == []


def test_what_is_written_down(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 3)
    fail(connection, queue)
    retry(api, mailing_id)
    retry(api, mailing_id, "unknown")

    entries = api.get(f"/v1/mailing/{mailing_id}/journal/").json
    assert [(entry["action"], entry["detail"]) for entry in entries] == [("retry", "3 failed")]
    assert [(one["detail_code"], one["detail_params"]) for one in entries] == [
        ("retried", {"count": 3, "status": "failed"})
    ]
    page = api.get(f"/mailings/{mailing_id}/", headers={"Accept-Language": "ru"}).text
    assert "не отправлено: 3" in page


def test_where_there_is_nothing_to_retry_nothing_happens(
    api: Caller, connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    fail(connection, queue, "accepted")
    end(connection, maintenance, mailing_id)

    assert retry(api, mailing_id).json == {"retried": 0, "more": False}

    assert mailing(connection, mailing_id)["status"] == "finished"
    assert api.get(f"/v1/mailing/{mailing_id}/journal/").json == []


@pytest.mark.parametrize(("late", "retried"), [((1, 2), 0), ((1,), 1)], ids=["all", "one of two"])
def test_what_turns_out_to_be_sent_at_the_same_time_is_not_retried_and_not_counted(
    late: tuple[int, ...],
    retried: int,
    app: Flask,
    api: Caller,
    connection: Connection,
    connect: Connect,
    queue: Queue,
    maintenance: Maintenance,
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    fail(connection, queue)
    end(connection, maintenance, mailing_id)
    accepting = connect()
    accepting.autocommit = False
    execute(
        accepting,
        "UPDATE message SET status = 'sent', sent_at = now(), ended_at = now() WHERE id = ANY(%s)",
        list(late),
    )

    (answer,) = once_blocked(connection, accepting.commit, lambda: retry(caller(app), mailing_id))

    assert answer.json == {"retried": retried, "more": False}
    assert mailing(connection, mailing_id)["status"] == ("running" if retried else "finished")
    assert (mailing(connection, mailing_id)["settled_at"] is None) == bool(retried)
    journal = api.get(f"/v1/mailing/{mailing_id}/journal/").json
    assert [entry["detail"] for entry in journal] == ["1 failed"] * retried


def test_one_request_retries_so_many_and_says_whether_there_are_more(
    api: Caller, connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services.RETRY_LIMIT == 50_000
    monkeypatch.setattr(services, "RETRY_LIMIT", 3)
    mailing_id = add_running_mailing(connection, 6)
    fail(connection, queue)

    answers = [retry(api, mailing_id).json for _ in range(3)]

    assert answers == [{"retried": 3, "more": True}, {"retried": 3, "more": False}, {"retried": 0, "more": False}]
    entries = api.get(f"/v1/mailing/{mailing_id}/journal/").json
    assert [entry["detail"] for entry in entries] == ["3 failed", "3 failed"]


def test_after_the_window_has_closed_nothing_is_retried(api: Caller, connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection)
    fail(connection, queue)
    close_window(connection, mailing_id)

    refused = retry(api, mailing_id)

    assert refused.status_code == 409
    assert set(refused.json["errors"]["json"]) == {"end_datetime"}
    assert counted(connection, mailing_id) == {"failed": 1}


@pytest.mark.parametrize(
    "change",
    [
        "status = 'cancelled', ended_at = now()",
        "launched_at = NULL",
        "status = 'scheduled', launched_at = NULL, launch_started_at = NULL, max_client_id = NULL",
    ],
    ids=["cancelled", "being launched", "scheduled"],
)
def test_a_mailing_that_is_cancelled_or_not_launched_yet_is_not_retried(
    change: str, api: Caller, connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection)
    fail(connection, queue)
    change_mailing(connection, mailing_id, change)

    refused = retry(api, mailing_id)

    assert (refused.status_code, set(refused.json["errors"]["json"])) == (409, {"status"})
    assert counted(connection, mailing_id) == {"failed": 1}


@pytest.mark.parametrize(
    "body", [{"status": "sent"}, {"status": "pending"}, {"status": "lost"}, {}, {"status": None}, {"ids": [1]}, []]
)
def test_only_failed_and_unknown_messages_are_retried(api: Caller, connection: Connection, body: Any) -> None:
    mailing_id = add_running_mailing(connection, 1)

    assert api.post(f"/v1/mailing/{mailing_id}/retry/", json=body).status_code in (400, 422)
    assert value(connection, "SELECT count(*) FROM mailing_event") == 0


def test_a_retry_of_a_mailing_never_launched_touches_no_other(api: Caller, connection: Connection) -> None:
    other = add_running_mailing(connection)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now()")

    assert retry(api, add_mailing(api)).status_code == 409
    assert counted(connection, other) == {"failed": 1}
