"""What a person does to a mailing while it is being launched and while it is being sent."""

from __future__ import annotations

import threading
import time
from itertools import cycle

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_mailing,
    add_running_mailing,
    counted,
    mailing,
    message,
    message_counts,
    rows,
    value,
)
from tests.integration.api.calls import Answer, Caller, caller
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenMaintenance, OpenQueue
from tests.waiting import PATIENCE, eventually, in_background
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

CLIENTS = 30


@pytest.fixture
def launcher(open_maintenance: OpenMaintenance) -> Maintenance:
    """A worker that launches ten clients at a time."""
    return open_maintenance(launch_chunk=10)


@pytest.fixture
def launching(connection: Connection, launcher: Maintenance) -> int:
    """A mailing of which ten messages are made, and twenty are to come."""
    add_clients(connection, CLIENTS)
    mailing_id = add_mailing(connection, text="old")
    launcher.run()
    assert counted(connection, mailing_id) == {"pending": 10}
    return mailing_id


def edit(api: Caller, mailing_id: int, **changes: object) -> Answer:
    path = f"/v1/mailing/{mailing_id}/"
    body = {name: api.get(path).json[name] for name in ("text", "mark", "start_datetime", "end_datetime")}
    return api.put(path, json=body | changes)


def act(api: Caller, mailing_id: int, action: str) -> None:
    path = f"/v1/mailing/{mailing_id}/"
    done = api.delete(path) if action == "delete" else api.post(f"{path}{action}/")
    assert done.status_code in (200, 204)


def finish_launch(maintenance: Maintenance, connection: Connection, mailing_id: int) -> None:
    while mailing(connection, mailing_id)["launched_at"] is None:
        maintenance.run()
    maintenance.run()


def is_conserved(connection: Connection, mailing_id: int) -> bool:
    counts = counted(connection, mailing_id)
    return (
        counts == message_counts(connection, mailing_id)
        and sum(counts.values()) == mailing(connection, mailing_id)["audience"]
    )


def test_an_edit_during_the_launch_reaches_every_message_not_attempted(
    api: Caller, connection: Connection, launching: int, launcher: Maintenance, queue: Queue
) -> None:
    [attempted] = queue.claim(1)
    assert edit(api, launching, text="new").status_code == 200
    finish_launch(launcher, connection, launching)

    texts = {one.message_id: one.text for one in queue.claim(100)}
    assert attempted.text == "old"
    assert len(texts) == CLIENTS - 1
    assert set(texts.values()) == {"new"}


@pytest.mark.parametrize("change", [{"mark": "other"}, {"start_datetime": "2021-01-01T00:00:00Z"}])
def test_the_mark_and_start_of_a_mailing_are_not_changed_during_its_launch(
    change: dict[str, object], api: Caller, connection: Connection, launching: int, launcher: Maintenance
) -> None:
    assert edit(api, launching, **change).status_code == 409
    finish_launch(launcher, connection, launching)

    assert counted(connection, launching) == {"pending": CLIENTS}


def test_an_end_that_is_moved_before_now_during_the_launch_ends_every_message(
    api: Caller, connection: Connection, launching: int, launcher: Maintenance, queue: Queue
) -> None:
    start = value(connection, "SELECT start_datetime + interval '1 ms' FROM mailing")
    assert edit(api, launching, end_datetime=start.isoformat()).status_code == 200
    assert queue.claim(10) == []
    finish_launch(launcher, connection, launching)

    assert counted(connection, launching) == {"expired": CLIENTS}
    assert is_conserved(connection, launching)
    assert mailing(connection, launching)["status"] == "finished"


def test_a_pause_during_the_launch_lets_the_launch_end_and_sends_nothing(
    api: Caller, connection: Connection, launching: int, launcher: Maintenance, queue: Queue
) -> None:
    act(api, launching, "pause")
    finish_launch(launcher, connection, launching)

    assert counted(connection, launching) == {"pending": CLIENTS}
    assert queue.claim(100) == []
    act(api, launching, "resume")
    assert len(queue.claim(100)) == CLIENTS
    assert is_conserved(connection, launching)


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_a_cancellation_or_a_removal_during_the_launch_leaves_a_message_for_each_client_and_sends_none(
    action: str, api: Caller, connection: Connection, launching: int, launcher: Maintenance, queue: Queue
) -> None:
    act(api, launching, action)
    assert queue.claim(100) == []
    finish_launch(launcher, connection, launching)

    assert counted(connection, launching) == {"cancelled": CLIENTS}
    assert is_conserved(connection, launching)
    now = mailing(connection, launching)
    assert (now["status"], now["settled_at"] is None, now["deleted_at"] is None) == (
        "cancelled",
        False,
        action == "cancel",
    )


@pytest.mark.parametrize("action", ["pause", "cancel", "delete"])
def test_claim_after_claim_lets_a_pause_a_cancellation_or_a_removal_through_and_none_comes_after_it(
    action: str, app: Flask, connection: Connection, open_queue: OpenQueue, connect: Connect
) -> None:
    mailing_id = add_running_mailing(connection, 1000)
    queue, over = open_queue(), threading.Event()

    def claim_on() -> int:
        """Four workers claim in turn, and there are always three claims under way. Tells how many claims there were."""
        workers = [connect() for _ in range(4)]
        claims = 0
        for worker in cycle(workers):
            worker.commit()
            worker.autocommit = False
            with worker.cursor() as cursor:
                rows, *_ = queue._claim(cursor, 1, idle=False)
            claims += len(rows)
            if over.wait(0.02):
                break
        for worker in workers:
            worker.commit()
        return claims

    claiming = in_background(claim_on)
    eventually(lambda: counted(connection, mailing_id).get("sending", 0) > 10)
    done = in_background(lambda: act(caller(app), mailing_id, action))
    try:
        done.result(PATIENCE)
        claimed = counted(connection, mailing_id)["sending"]
        time.sleep(0.2)
    finally:
        over.set()

    assert claiming.result(PATIENCE) == counted(connection, mailing_id)["sending"] == claimed


def test_a_pause_before_the_start_is_kept_beyond_it(
    api: Caller, connection: Connection, launcher: Maintenance, queue: Queue
) -> None:
    add_clients(connection, CLIENTS)
    mailing_id = add_mailing(connection)
    act(api, mailing_id, "pause")
    launcher.run()
    assert counted(connection, mailing_id) == {}

    act(api, mailing_id, "resume")
    finish_launch(launcher, connection, mailing_id)
    assert len(queue.claim(100)) == CLIENTS


def test_a_text_that_is_edited_while_messages_are_in_flight_reaches_only_those_never_attempted(
    api: Caller, connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 10, text="old")
    in_flight_requests = queue.claim(4)
    edit(api, mailing_id, text="new")
    queue.record([answer(one, "ambiguous") for one in in_flight_requests])

    texts = {one.message_id: one.text for one in queue.claim(10)}

    assert {texts[one.message_id] for one in in_flight_requests} == {"old"}
    assert sorted(texts.values()) == ["new"] * 6 + ["old"] * 4


@pytest.mark.parametrize("action", ["pause", "cancel", "delete"])
@pytest.mark.parametrize(
    ("name", "paused", "over"),
    [
        ("accepted", "sent", "sent"),
        ("refused for good", "failed", "failed"),
        ("refused", "pending", "cancelled"),
        ("throttled", "pending", "cancelled"),
        ("ambiguous", "pending", "unknown"),
        ("unauthorized", "pending", "cancelled"),
    ],
)
def test_what_is_in_flight_meanwhile_ends_as_its_answer_says(
    name: str,
    paused: str,
    over: str,
    action: str,
    api: Caller,
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    [delivery] = queue.claim(1)
    act(api, mailing_id, action)
    queue.record([answer(delivery, name)])
    maintenance.run()

    assert queue.claim(10) == []
    other = 3 - delivery.message_id
    assert message(connection, delivery.message_id)["status"] == (paused if action == "pause" else over)
    assert message(connection, other)["status"] == ("pending" if action == "pause" else "cancelled")
    assert is_conserved(connection, mailing_id)
    assert (mailing(connection, mailing_id)["settled_at"] is None) == (action == "pause")


@pytest.mark.parametrize("action", ["pause", "cancel", "delete"])
def test_what_is_released_meanwhile_was_never_sent(
    action: str, api: Caller, connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    claimed = queue.claim(3)
    act(api, mailing_id, action)
    queue.release(claimed)
    maintenance.run()

    assert counted(connection, mailing_id) == {"pending" if action == "pause" else "cancelled": 3}
    assert rows(connection, "SELECT DISTINCT attempts FROM message") == [(0,)]
    assert is_conserved(connection, mailing_id)


def test_a_success_that_comes_after_the_mailing_was_removed_is_recorded(
    api: Caller, connection: Connection, open_queue: OpenQueue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    queue = open_queue()
    [delivery] = queue.claim(1)
    act(api, mailing_id, "delete")
    queue.record([answer(delivery, "accepted")])
    maintenance.run()

    assert api.get(f"/v1/mailing/{mailing_id}/").status_code == 404
    assert api.get("/v1/message/1/").json["status"] == "sent"
    assert mailing(connection, mailing_id)["settled_at"] is not None
