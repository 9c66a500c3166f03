"""Launching: turning an audience into messages, chunk by chunk, whatever happens in between."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.mailings import LAUNCH_CHUNK, LAUNCH_DENSE_CHUNK, LOCK_LAUNCH, READ_LAUNCH
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_clients,
    add_mailing,
    add_messages,
    add_running_mailing,
    begin_launch,
    cancel,
    change_mailing,
    close_window,
    counted,
    execute,
    mailing,
    message_counts,
    row,
    rows,
    value,
)
from tests.integration.worker.conftest import OpenMaintenance, OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import LAUNCH_SECONDS, Maintenance
from worker.maintenance.launcher import LaunchStage


def launched_clients(connection: Connection, mailing_id: int) -> list[int]:
    statement = "SELECT client_id FROM message WHERE mailing_id = %s ORDER BY client_id"
    return [client_id for (client_id,) in rows(connection, statement, mailing_id)]


def launch(maintenance: Maintenance) -> int:
    """Keeps up until there is nothing more to do at once; tells how many rounds that took."""
    rounds = 1
    while maintenance.run():
        rounds += 1
    return rounds


def launch_chunk_and_hold(connection: Connection, mailing_id: int, chunk: int = 1000) -> None:
    """Launches a chunk as a worker does, and leaves the transaction open."""
    standing = row(connection, READ_LAUNCH.replace("%(mailing_id)s", str(mailing_id)))
    with connection.cursor() as cursor:
        cursor.execute(LOCK_LAUNCH, {"mailing_id": mailing_id})
        cursor.execute(LAUNCH_CHUNK, {"mailing_id": mailing_id, "chunk": chunk, **standing})


@pytest.fixture
def editor(connect: Connect) -> Connection:
    """A connection whose transactions last until it commits."""
    connection = connect()
    connection.autocommit = False
    return connection


def test_everybody_whom_the_mark_matches_gets_one_message(connection: Connection, maintenance: Maintenance) -> None:
    by_tag = add_clients(connection, 3, tag="sample", operator_code="900")
    add_clients(connection, 3, tag="another", operator_code="900")
    mailing_id = add_mailing(connection, mark="sample")

    launch(maintenance)

    assert launched_clients(connection, mailing_id) == by_tag
    now = mailing(connection, mailing_id)
    assert (now["status"], now["audience"]) == ("running", 3)
    assert now["launch_started_at"] <= now["launched_at"]


def test_the_mark_matches_an_operator_code_or_a_tag_and_who_has_both_gets_one_message(
    connection: Connection, maintenance: Maintenance
) -> None:
    by_code = add_clients(connection, 2, tag="sample", operator_code="900")
    by_both = add_clients(connection, 2, tag="900", operator_code="900")
    by_tag = add_clients(connection, 2, tag="900", operator_code="79")
    mailing_id = add_mailing(connection, mark="900")

    launch(maintenance)

    assert launched_clients(connection, mailing_id) == by_code + by_both + by_tag
    assert mailing(connection, mailing_id)["audience"] == 6


def test_a_message_is_made_with_the_phone_number_and_due_at_once(
    connection: Connection, maintenance: Maintenance
) -> None:
    [client_id] = add_clients(connection, 1)
    mailing_id = add_mailing(connection)

    launch(maintenance)

    made = row(connection, "SELECT *, due_at <= now() AS due FROM message")
    assert (made["mailing_id"], made["client_id"], made["phone_number"]) == (mailing_id, client_id, FIRST_PHONE + 1)
    assert (made["status"], made["attempts"], made["text_revision"], made["due"]) == ("pending", 0, None, True)


@pytest.mark.parametrize(
    "change",
    [
        "start_datetime = now() + interval '1 minute'",
        "status = 'paused'",
        "status = 'cancelled', ended_at = now()",
        "status = 'finished', ended_at = now()",
    ],
)
def test_a_mailing_whose_time_has_not_come_or_that_is_not_scheduled_is_not_launched(
    change: str, connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 1)
    mailing_id = add_mailing(connection)
    change_mailing(connection, mailing_id, change)

    launch(maintenance)

    assert mailing(connection, mailing_id)["launch_started_at"] is None
    assert counted(connection, mailing_id) == {}


@pytest.mark.parametrize("clients", [0, 1, 9, 10, 11, 20, 35])
def test_an_audience_is_launched_chunk_by_chunk_to_the_last_client(
    clients: int, connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, clients)
    add_clients(connection, 5, tag="another")
    mailing_id = add_mailing(connection)

    launch(open_maintenance(launch_chunk=10))

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == clients
    assert mailing(connection, mailing_id)["launched_at"] is not None


def test_the_audience_grows_with_each_chunk_and_the_end_is_told_once(
    connection: Connection, open_maintenance: OpenMaintenance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    add_clients(connection, 25)
    mailing_id = add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)

    seen = []
    for _ in range(4):
        more = maintenance.run()
        now = mailing(connection, mailing_id)
        seen.append((more, now["audience"], now["launched_at"] is not None))

    assert seen == [(True, 10, False), (True, 20, False), (True, 25, True), (False, 25, True)]
    assert caplog.messages == ["mailing.started", "mailing.launched"]


def test_a_worker_goes_on_where_one_that_died_has_stopped(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, 25)
    mailing_id = add_mailing(connection)
    open_maintenance(launch_chunk=10).run()

    launch(open_maintenance(launch_chunk=10))

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == 25


def test_a_chunk_whose_connection_is_cut_is_launched_once(
    connection: Connection, editor: Connection, maintenance: Maintenance
) -> None:
    audience = add_clients(connection, 5)
    mailing_id = add_mailing(connection)
    execute(editor, "SELECT FROM client WHERE id = %s FOR UPDATE", audience[-1])
    launching = in_background(lambda: launch(maintenance))
    execute(connection, "SELECT pg_terminate_backend(%s)", wait_for_lock_waiter(connection))
    editor.rollback()

    launching.result(PATIENCE)

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == 5


def test_a_launch_that_was_set_back_by_hand_adds_missing_clients_and_no_client_twice(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    first = add_clients(connection, 25)
    mailing_id = add_mailing(connection)
    launch(open_maintenance(launch_chunk=10))
    later = add_clients(connection, 15)
    change_mailing(connection, mailing_id, f"last_client_id = 0, max_client_id = {later[-1]}, launched_at = NULL")

    launch(open_maintenance(launch_chunk=10))

    assert launched_clients(connection, mailing_id) == first + later
    assert mailing(connection, mailing_id)["audience"] == 40
    assert mailing(connection, mailing_id)["launched_at"] is not None


def test_workers_that_launch_together_launch_each_client_once(
    connection: Connection, connect: Connect, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, 500)
    mailings = [add_mailing(connection) for _ in range(3)]

    def launch_all(maintenance: Maintenance, own: Connection) -> None:
        while value(own, "SELECT count(*) FROM mailing WHERE launched_at IS NULL"):
            maintenance.run()

    workers = [partial(launch_all, open_maintenance(launch_chunk=20), connect()) for _ in range(3)]
    for worker in [in_background(worker) for worker in workers]:
        worker.result(PATIENCE)

    for mailing_id in mailings:
        assert launched_clients(connection, mailing_id) == audience
        assert mailing(connection, mailing_id)["audience"] == 500


def test_a_mailing_that_another_worker_is_launching_is_passed_over_without_waiting(
    connection: Connection, editor: Connection, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 30)
    held, free = add_mailing(connection), add_mailing(connection)
    begin_launch(connection, held)
    with editor.cursor() as cursor:
        cursor.execute(LOCK_LAUNCH, {"mailing_id": held})

    maintenance = open_maintenance(launch_chunk=10)
    in_background(lambda: launch(maintenance)).result(PATIENCE)

    assert mailing(connection, held)["audience"] == 0
    assert mailing(connection, free)["audience"] == 30
    assert maintenance.launching  # it sends the slower for it


def test_a_mailing_that_another_worker_is_starting_is_passed_over_without_waiting(
    connection: Connection, editor: Connection, maintenance: Maintenance
) -> None:
    held, free = add_mailing(connection), add_mailing(connection)
    execute(editor, "SELECT FROM mailing WHERE id = %s FOR UPDATE", held)

    in_background(maintenance.run).result(PATIENCE)

    assert mailing(connection, held)["launch_started_at"] is None
    assert mailing(connection, free)["launch_started_at"] is not None


def test_a_worker_knows_when_nothing_is_being_launched_any_more(
    connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 5)
    add_mailing(connection)
    maintenance.run()

    launch(maintenance)

    assert not maintenance.launching


def test_claims_one_after_another_do_not_keep_a_launch_waiting(
    connection: Connection, connect: Connect, open_queue: OpenQueue, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 20)
    add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    claiming = connect()
    claiming.autocommit = False
    with claiming.cursor() as cursor:
        open_queue("claiming")._claim(cursor, 1, idle=True)
    round_ = in_background(maintenance.run)
    wait_for_lock_waiter(connection)

    # There are messages, and the mailing runs; but its launch is waiting.
    assert open_queue("next").claim(1, idle=False) == []

    claiming.commit()
    round_.result(PATIENCE)
    assert value(connection, "SELECT audience FROM mailing") == 20
    assert len(open_queue("after").claim(1, idle=False)) == 1


def test_a_chunk_that_waits_for_a_client_does_not_keep_claims_waiting(
    connection: Connection, editor: Connection, open_queue: OpenQueue, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 20)
    add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    execute(editor, "SELECT FROM client WHERE id = 20 FOR UPDATE")
    round_ = in_background(maintenance.run)
    wait_for_lock_waiter(connection)

    assert len(open_queue("claiming").claim(1, idle=False)) == 1

    editor.rollback()
    round_.result(PATIENCE)


def test_a_launch_that_another_worker_has_just_ended_is_left_alone(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection)
    before = mailing(connection, mailing_id)

    with connection.cursor() as cursor:
        assert maintenance._launcher._launch_chunk(cursor, mailing_id, LaunchStage.BY_MARK, again=False) is None

    assert mailing(connection, mailing_id) == before


@pytest.mark.parametrize("mark", ["sample", "900"], ids=["by tag", "by operator code"])
def test_who_joins_the_directory_after_the_start_is_not_in_the_audience(
    mark: str, connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, 15, tag="sample", operator_code="900")
    mailing_id = add_mailing(connection, mark=mark)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    add_clients(connection, 5)

    launch(maintenance)

    assert launched_clients(connection, mailing_id) == audience


def test_a_small_mailing_does_not_wait_behind_a_large_one(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 1000)
    few = add_clients(connection, 5, tag="few")
    large = add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=100)
    maintenance.run()
    maintenance.run()
    small = add_mailing(connection, mark="few")

    maintenance.run()

    assert launched_clients(connection, small) == few
    assert mailing(connection, small)["launched_at"] is not None
    assert mailing(connection, large)["audience"] == 200


def test_an_audience_that_is_dense_at_first_and_sparse_later_is_launched_whole(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, 35)
    for _ in range(3):
        add_clients(connection, 100, tag="another")
        audience += add_clients(connection, 4)
    add_clients(connection, 100, tag="another")
    mailing_id = add_mailing(connection)

    launch(open_maintenance(launch_chunk=10))

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == len(audience)
    assert mailing(connection, mailing_id)["launched_at"] is not None


def test_a_dense_audience_is_read_in_the_order_of_the_clients(
    connection: Connection, open_maintenance: OpenMaintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = [client_id for _ in range(20) for client_id in add_clients(connection, 4)[:3]]
    execute(connection, "UPDATE client SET tag = 'another' WHERE id <> ALL(%s)", audience)
    mailing_id = add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    monkeypatch.setattr("shared.sql.mailings.LAUNCH_CHUNK", "SELECT 1 / 0")

    launch(maintenance)

    assert launched_clients(connection, mailing_id) == audience


def test_other_duties_wait_between_two_chunks_and_not_for_the_end_of_the_launch(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    cancelled = add_running_mailing(connection, 1)
    add_clients(connection, 100)
    add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    change_mailing(connection, cancelled, "status = 'cancelled', ended_at = now()")
    ended = "SELECT status::text FROM message WHERE mailing_id = %s"

    assert maintenance.run()
    assert value(connection, ended, cancelled) == "pending"

    time.sleep(LAUNCH_SECONDS)
    assert maintenance.run()
    assert value(connection, ended, cancelled) == "cancelled"
    assert value(connection, "SELECT count(*) FROM mailing WHERE launched_at IS NULL") == 1


def test_during_a_launch_the_other_duties_do_what_there_is_without_a_pause(
    connection: Connection, open_maintenance: OpenMaintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.message_ender.END_LIMIT", 1)
    monkeypatch.setattr("worker.maintenance.duties.LAUNCH_SECONDS", PATIENCE)
    cancelled = add_running_mailing(connection)
    for _ in range(2):
        add_messages(connection, cancelled, 1)
    cancel(connection, cancelled)
    add_clients(connection, 100)
    add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)

    for _ in range(3):
        assert maintenance.run()

    assert message_counts(connection, cancelled) == {"cancelled": 3}
    assert value(connection, "SELECT count(*) FROM mailing WHERE launched_at IS NULL") == 1


@pytest.mark.parametrize("change", ["status = 'paused'", "status = 'cancelled', ended_at = now()"])
def test_a_mailing_stopped_in_the_middle_of_its_launch_still_gets_all_its_messages(
    change: str, connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    audience = add_clients(connection, 25)
    mailing_id = add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    change_mailing(connection, mailing_id, change)

    launch(maintenance)

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == 25


def test_after_its_launch_a_cancelled_mailing_has_only_cancelled_messages(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 25)
    mailing_id = add_mailing(connection)
    maintenance = open_maintenance(launch_chunk=10)
    maintenance.run()
    cancel(connection, mailing_id)

    launch(maintenance)

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"cancelled": 25}
    assert mailing(connection, mailing_id)["settled_at"] is not None


def test_a_mailing_whose_window_has_already_closed_is_launched_and_expires(
    connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 5)
    mailing_id = add_mailing(connection)
    close_window(connection, mailing_id)

    launch(maintenance)

    assert counted(connection, mailing_id) == {"expired": 5}
    assert mailing(connection, mailing_id)["status"] == "finished"


def test_a_client_whose_removal_is_under_way_is_waited_for_and_left_out(
    connection: Connection, editor: Connection, maintenance: Maintenance
) -> None:
    stays, goes = add_clients(connection, 2)
    mailing_id = add_mailing(connection)
    execute(editor, "DELETE FROM client WHERE id = %s", goes)
    launching = in_background(lambda: launch(maintenance))
    wait_for_lock_waiter(connection)

    editor.commit()

    launching.result(PATIENCE)
    assert launched_clients(connection, mailing_id) == [stays]
    assert mailing(connection, mailing_id)["audience"] == 1


def test_a_client_whose_removal_comes_during_a_chunk_has_a_message_to_cancel(
    connection: Connection, connect: Connect, editor: Connection
) -> None:
    [client_id] = add_clients(connection, 1)
    mailing_id = add_mailing(connection)
    begin_launch(connection, mailing_id)
    launch_chunk_and_hold(editor, mailing_id)
    remover = connect()
    remover.autocommit = False
    removal = in_background(lambda: execute(remover, "DELETE FROM client WHERE id = %s", client_id))
    wait_for_lock_waiter(connection)

    editor.commit()

    removal.result(PATIENCE)
    execute(remover, "UPDATE message SET status = 'cancelled', ended_at = now() WHERE client_id = %s", client_id)
    remover.commit()
    assert counted(connection, mailing_id) == {"cancelled": 1}


def test_a_phone_number_whose_change_is_under_way_is_waited_for(
    connection: Connection, editor: Connection, maintenance: Maintenance
) -> None:
    [client_id] = add_clients(connection, 1)
    add_mailing(connection)
    execute(editor, "UPDATE client SET phone_number = 79990001122, operator_code = '999' WHERE id = %s", client_id)
    launching = in_background(lambda: launch(maintenance))
    wait_for_lock_waiter(connection)

    editor.commit()

    launching.result(PATIENCE)
    assert value(connection, "SELECT phone_number FROM message") == 79990001122


def test_a_change_of_phone_number_that_comes_during_a_chunk_finds_the_message(
    connection: Connection, connect: Connect, editor: Connection
) -> None:
    [client_id] = add_clients(connection, 1)
    mailing_id = add_mailing(connection)
    begin_launch(connection, mailing_id)
    launch_chunk_and_hold(editor, mailing_id)
    changer = connect()
    changer.autocommit = False
    statement = "UPDATE client SET phone_number = 79990001122, operator_code = '999' WHERE id = %s"
    change = in_background(lambda: execute(changer, statement, client_id))
    wait_for_lock_waiter(connection)

    editor.commit()

    change.result(PATIENCE)
    execute(changer, "UPDATE message SET phone_number = 79990001122 WHERE client_id = %s AND attempts = 0", client_id)
    changer.commit()
    assert value(connection, "SELECT phone_number FROM message") == 79990001122


def test_a_chunk_does_not_wait_for_a_client_of_whom_something_else_changes(
    connection: Connection, editor: Connection, maintenance: Maintenance
) -> None:
    [client_id] = add_clients(connection, 1)
    mailing_id = add_mailing(connection)
    execute(editor, "UPDATE client SET timezone = 'Asia/Omsk' WHERE id = %s", client_id)

    in_background(lambda: launch(maintenance)).result(PATIENCE)

    assert launched_clients(connection, mailing_id) == [client_id]


@pytest.mark.parametrize("passed", [0, 45_000])
def test_a_chunk_reads_only_what_it_launches_however_large_the_directory(passed: int, connection: Connection) -> None:
    add_clients(connection, 45_000, tag="another")
    add_clients(connection, 5_000)
    execute(connection, "ANALYZE client")
    mailing_id = add_mailing(connection)
    given: dict[str, Any] = {"mailing_id": mailing_id, "mark": "sample", "last_client_id": passed}
    given |= {"max_client_id": 50_000, "only_path": 1, "route_id": None, "exclude_unknown_after": None}
    given |= {"kind": "marketing", "requires_consent": False, "has_local_window": False, "has_suppressions": False}

    for statement, scans in ((LAUNCH_CHUNK, 3), (LAUNCH_DENSE_CHUNK, 1)):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}", {**given, "chunk": 1000})
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert len(re.findall("Index (Only )?Scan using [a-z_]+ on client", plan)) == scans, plan
        assert "Seq Scan on client" not in plan
