"""Launching audiences that are segments or leave segments out: listed once, then launched chunk by chunk."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.errors import CheckViolation
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.mailings import LAUNCH_CHUNK, READ_LAUNCH
from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_mailing,
    add_segment,
    begin_launch,
    cancel,
    change_mailing,
    close_window,
    counted,
    execute,
    mailing,
    row,
    rows,
    value,
)
from tests.integration.worker.conftest import OpenDatabase, OpenMaintenance
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.audience_lister import AudienceLister
from worker.maintenance.duties import Maintenance

OpenLister = Callable[..., AudienceLister]

KAZAN = 'city = "Казань"'


@pytest.fixture
def open_lister(open_database: OpenDatabase) -> OpenLister:
    """Opens the lister of one worker; chunks have ten clients."""

    def open_one(*, chunk: int = 10, timeout: float = 30.0, **given: Callable[[], None]) -> AudienceLister:
        return AudienceLister(open_database(), chunk=chunk, timeout=timeout, **given)

    return open_one


@pytest.fixture
def lister(open_lister: OpenLister) -> AudienceLister:
    """The lister of one worker."""
    return open_lister()


@pytest.fixture
def editor(connect: Connect) -> Connection:
    """A connection whose transactions last until it commits."""
    connection = connect()
    connection.autocommit = False
    return connection


@pytest.fixture
def city(connection: Connection) -> None:
    """A declared field of clients."""
    execute(connection, "INSERT INTO client_field (name, type) VALUES ('city', 'text')")


def add_citizens(connection: Connection, count: int, city: str = "Казань", tag: str = "sample") -> list[int]:
    """So many clients of a city; answers their ids."""
    clients = add_clients(connection, count, tag=tag)
    attributes = json.dumps({"city": city}, ensure_ascii=False)
    execute(connection, "UPDATE client SET attributes = %s WHERE id = ANY(%s)", attributes, clients)
    return clients


def launch(maintenance: Maintenance, lister: AudienceLister) -> None:
    """Keeps up, and lists what is to be listed, until there is nothing more to do at once."""
    maintenance.run()
    lister.run()
    while maintenance.run():
        lister.run()


def start(maintenance: Maintenance) -> None:
    """Starts what is to be started, and launches no part of it."""
    maintenance._launcher.start_mailings()


def launched_clients(connection: Connection, mailing_id: int) -> list[int]:
    statement = "SELECT client_id FROM message WHERE mailing_id = %s ORDER BY client_id"
    return [client_id for (client_id,) in rows(connection, statement, mailing_id)]


def history(connection: Connection, mailing_id: int) -> list[tuple[str, str]]:
    """The actions in the history of a mailing, each with its code."""
    found = rows(
        connection, "SELECT action, detail_code FROM mailing_event WHERE mailing_id = %s ORDER BY id", mailing_id
    )
    return [(action, code) for action, code in found]


def fail(connection: Connection, lister: AudienceLister, maintenance: Maintenance) -> int:
    """A running mailing whose segment names a field that is not declared any more; answers its id."""
    mailing_id = add_mailing(connection, segment=KAZAN)
    execute(connection, "DELETE FROM client_field WHERE name = 'city'")
    start(maintenance)
    lister.run()
    return mailing_id


@pytest.mark.usefixtures("city")
def test_everybody_whom_the_segment_matches_gets_one_message_except_who_is_left_out(
    connection: Connection, open_maintenance: OpenMaintenance, lister: AudienceLister
) -> None:
    audience = add_citizens(connection, 25)
    add_citizens(connection, 5, "Пермь")
    add_citizens(connection, 5, tag="staff")
    [out_of_service] = add_citizens(connection, 1)
    execute(connection, "UPDATE client SET unknown_subscriber_count = 3 WHERE id = %s", out_of_service)
    segment, excluded = (
        add_segment(connection, f"{KAZAN} and operator_code = 900"),
        add_segment(connection, 'tag = "staff"'),
    )
    mailing_id = add_mailing(connection, segment=segment, excluded=[excluded])
    change_mailing(connection, mailing_id, "exclude_unknown_after = 3")

    launch(open_maintenance(launch_chunk=10), lister)

    assert launched_clients(connection, mailing_id) == audience
    now = mailing(connection, mailing_id)
    assert (now["status"], now["audience"], now["launched_at"] is not None) == ("running", 25, True)
    assert now["segment"] == f"{KAZAN} and operator_code = 900"
    assert now["segment_tree"] == value(connection, "SELECT tree FROM segment WHERE id = %s", segment)
    assert [one["id"] for one in now["excluded_trees"]] == [excluded]
    assert rows(connection, "SELECT FROM mailing_audience") == []


def test_a_mark_leaves_segments_out_and_a_segment_of_several_alternatives_is_left_out_as_a_whole(
    connection: Connection, maintenance: Maintenance, lister: AudienceLister
) -> None:
    by_tag, by_code = add_clients(connection, 2, tag="79"), add_clients(connection, 2, operator_code="79")
    add_clients(connection, 1, tag="79", operator_code="790")
    execute(connection, "UPDATE client SET tags = '{vip}' WHERE id = %s", by_code[1])
    before = add_mailing(connection, mark="79", starts_in=1800.0)
    excluded = add_segment(connection, f'operator_code = 790 or tags contains "vip" or received mailing {before}')
    other = add_segment(connection, 'not (tag = "79" or operator_code = 79)')
    mailing_id = add_mailing(connection, mark="79", excluded=[excluded, other])

    launch(maintenance, lister)

    assert launched_clients(connection, mailing_id) == [*by_tag, by_code[0]]


@pytest.mark.parametrize("clients", [0, 1, 10, 11, 20])
def test_a_listed_audience_is_launched_chunk_by_chunk_to_the_last_client(
    clients: int, connection: Connection, open_maintenance: OpenMaintenance, lister: AudienceLister
) -> None:
    audience = add_clients(connection, clients)
    mailing_id = add_mailing(connection, segment='tag = "sample"')

    launch(open_maintenance(launch_chunk=10), lister)

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == clients
    assert mailing(connection, mailing_id)["launched_at"] is not None


def test_what_changes_after_the_listing_does_not_change_the_audience(
    connection: Connection, open_maintenance: OpenMaintenance, lister: AudienceLister
) -> None:
    audience = add_clients(connection, 15)
    segment = add_segment(connection, 'tag = "sample"')
    mailing_id = add_mailing(connection, segment=segment)
    maintenance = open_maintenance(launch_chunk=10)
    start(maintenance)
    late = add_clients(connection, 1)
    lister.run()

    execute(connection, "UPDATE client SET tag = 'another' WHERE id = %s", audience[3])
    execute(connection, "DELETE FROM client WHERE id = ANY(%s)", [audience[0], audience[12]])
    execute(connection, "UPDATE segment SET text = 'x', tree = '{}' WHERE id = %s", segment)
    add_clients(connection, 3)
    launch(maintenance, lister)

    expected = [one for one in audience if one not in (audience[0], audience[12])]
    assert launched_clients(connection, mailing_id) == expected
    assert late[0] not in expected
    assert mailing(connection, mailing_id)["audience"] == 13


@pytest.mark.usefixtures("city")
def test_a_mailing_whose_field_was_removed_is_paused_with_the_reason_and_listed_again_when_it_is_resumed(
    connection: Connection, maintenance: Maintenance, lister: AudienceLister, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    audience = add_citizens(connection, 3)
    mailing_id = fail(connection, lister, maintenance)
    other = add_mailing(connection)

    launch(maintenance, lister)
    lister.run()

    assert mailing(connection, mailing_id)["status"] == "paused"
    assert history(connection, mailing_id) == [("launch", "audience_field_removed")]
    assert value(connection, "SELECT detail_params FROM mailing_event") == {"field": "city"}
    assert caplog.messages.count("audience.failed") == 1
    assert launched_clients(connection, other) == audience
    assert not maintenance.launching

    execute(connection, "INSERT INTO client_field (name, type) VALUES ('city', 'text')")
    change_mailing(connection, mailing_id, "status = 'running', audience_failed_at = NULL")  # as `resume` does
    launch(maintenance, lister)

    assert launched_clients(connection, mailing_id) == audience


def test_a_mailing_that_leaves_out_a_segment_that_is_gone_is_paused(
    connection: Connection, maintenance: Maintenance, lister: AudienceLister
) -> None:
    mailing_id = add_mailing(connection, excluded=[7])

    launch(maintenance, lister)

    assert history(connection, mailing_id) == [("launch", "audience_segment_removed")]


@pytest.mark.parametrize(
    "removal",
    ["UPDATE mailing SET purge_started_at = now() WHERE id = %s", "DELETE FROM mailing WHERE id = %s"],
    ids=["dropped", "dropped and removed"],
)
@pytest.mark.parametrize("is_saved", [True, False])
def test_nobody_is_written_to_whom_messages_that_are_not_kept_any_more_would_leave_out(
    removal: str, is_saved: bool, connection: Connection, maintenance: Maintenance, lister: AudienceLister
) -> None:
    add_clients(connection, 2)
    before = add_mailing(connection, starts_in=1800.0)
    received = f"received mailing {before}"
    given: dict[str, Any] = (
        {"mark": "sample", "excluded": [add_segment(connection, received)]}
        if is_saved
        else {"segment": f"not {received}"}
    )
    mailing_id = add_mailing(connection, **given)
    execute(connection, removal, before)

    launch(maintenance, lister)

    assert launched_clients(connection, mailing_id) == []
    assert mailing(connection, mailing_id)["status"] == "paused"
    assert history(connection, mailing_id) == [("launch", "audience_ledger_removed")]


def test_a_listing_that_takes_too_long_pauses_its_mailing_and_holds_up_nothing(
    connection: Connection, editor: Connection, open_lister: OpenLister, open_maintenance: OpenMaintenance
) -> None:
    add_clients(connection, 3)
    execute(connection, "INSERT INTO number_list (name, is_complete) VALUES ('all', true)")
    mailing_id, other = add_mailing(connection, segment="phone_number in list 1"), add_mailing(connection)
    execute(editor, "LOCK TABLE number_list_entry IN ACCESS EXCLUSIVE MODE")
    maintenance = open_maintenance(launch_chunk=10)
    start(maintenance)

    listing = in_background(open_lister(timeout=5.0).run)
    wait_for_lock_waiter(connection)
    maintenance.run()
    assert mailing(connection, other)["audience"] == 3
    # A person changes the mailing meanwhile: the listing holds no lock that this needs.
    execute(connection, "SET lock_timeout = '500ms'")
    execute(connection, "SELECT pg_advisory_lock(%s), pg_advisory_unlock(%s)", mailing_id, mailing_id)
    row(connection, "SELECT 1 AS one FROM mailing WHERE id = %s FOR UPDATE", mailing_id)
    listing.result(PATIENCE)

    assert history(connection, mailing_id) == [("launch", "audience_timed_out")]
    assert mailing(connection, mailing_id)["status"] == "paused"


@pytest.mark.usefixtures("city")
@pytest.mark.parametrize(
    ("end", "status", "code"),
    [(close_window, "finished", "audience_missed"), (cancel, "cancelled", "audience_cancelled")],
    ids=["window closes", "cancelled"],
)
def test_a_mailing_that_could_not_be_listed_in_time_ends_without_messages_and_its_history_says_so(
    end: Callable[[Connection, int], None],
    status: str,
    code: str,
    connection: Connection,
    maintenance: Maintenance,
    lister: AudienceLister,
) -> None:
    add_citizens(connection, 3)
    mailing_id = fail(connection, lister, maintenance)

    end(connection, mailing_id)
    launch(maintenance, lister)

    now = mailing(connection, mailing_id)
    assert (now["status"], now["audience"], now["settled_at"] is not None) == (status, 0, True)
    assert history(connection, mailing_id)[1:] == [("launch", code)]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ("status = 'paused'", {"pending": 15}),
        ("status = 'cancelled', ended_at = now()", {"cancelled": 15}),
        ("start_datetime = now() - interval '1 hour', end_datetime = now()", {"expired": 15}),
    ],
    ids=["paused", "cancelled", "window closed"],
)
def test_a_mailing_that_is_stopped_before_its_audience_is_listed_still_gets_all_its_messages(
    change: str,
    counts: dict[str, int],
    connection: Connection,
    open_maintenance: OpenMaintenance,
    lister: AudienceLister,
) -> None:
    add_clients(connection, 15)
    mailing_id = add_mailing(connection, segment='tag = "sample"')
    maintenance = open_maintenance(launch_chunk=10)
    start(maintenance)
    change_mailing(connection, mailing_id, change)

    launch(maintenance, lister)

    assert counted(connection, mailing_id) == counts


def test_one_worker_at_a_time_lists_an_audience(
    connection: Connection, editor: Connection, maintenance: Maintenance, open_lister: OpenLister
) -> None:
    audience = add_clients(connection, 15)
    mailing_id = add_mailing(connection, segment='tag = "sample"')
    start(maintenance)
    execute(editor, "LOCK TABLE mailing_audience IN ACCESS EXCLUSIVE MODE")
    first = in_background(open_lister().run)
    wait_for_lock_waiter(connection)

    in_background(open_lister().run).result(PATIENCE)  # passes it over

    editor.rollback()
    first.result(PATIENCE)
    open_lister().run()
    assert value(connection, "SELECT sum(cardinality(client_ids)) FROM mailing_audience") == 15
    launch(maintenance, open_lister())
    assert launched_clients(connection, mailing_id) == audience


def test_a_listing_whose_connection_is_cut_is_done_once_and_a_launch_goes_on_where_one_that_died_has_stopped(
    connection: Connection, editor: Connection, open_maintenance: OpenMaintenance, open_lister: OpenLister
) -> None:
    audience = add_clients(connection, 25)
    mailing_id = add_mailing(connection, segment='tag = "sample"')
    start(open_maintenance(launch_chunk=10))
    execute(editor, "LOCK TABLE mailing_audience IN ACCESS EXCLUSIVE MODE")
    listed: list[bool] = []
    listing = in_background(open_lister(on_listed=lambda: listed.append(True)).run)
    execute(connection, "SELECT pg_terminate_backend(%s)", wait_for_lock_waiter(connection))
    editor.rollback()
    listing.result(PATIENCE)
    assert listed == [True]

    open_maintenance(launch_chunk=10).run()
    launch(open_maintenance(launch_chunk=10), open_lister())

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == 25


def test_a_listed_chunk_that_was_put_back_by_hand_adds_no_client_twice(
    connection: Connection, open_maintenance: OpenMaintenance, lister: AudienceLister
) -> None:
    audience = add_clients(connection, 15)
    mailing_id = add_mailing(connection, segment='tag = "sample"')
    launch(open_maintenance(launch_chunk=10), lister)
    execute(connection, "INSERT INTO mailing_audience VALUES (%s, %s, %s)", mailing_id, audience[0], audience[:10])
    change_mailing(connection, mailing_id, "last_client_id = 0, launched_at = NULL")

    launch(open_maintenance(launch_chunk=10), lister)

    assert launched_clients(connection, mailing_id) == audience
    assert mailing(connection, mailing_id)["audience"] == 15


@pytest.mark.parametrize("given", [{"segment": 'tag = "sample"'}, {"excluded": [1]}], ids=["segment", "exclusion"])
def test_the_database_refuses_a_launch_that_leaves_the_listing_out(
    given: dict[str, str | list[int]], connection: Connection
) -> None:
    add_clients(connection, 2)
    mailing_id = add_mailing(connection, **given)  # type: ignore[arg-type]
    begin_launch(connection, mailing_id)
    standing = row(connection, READ_LAUNCH.replace("%(mailing_id)s", str(mailing_id)))

    # As a worker of an earlier version does, which knows only marks.
    with connection.cursor() as cursor, pytest.raises(CheckViolation):
        cursor.execute(LAUNCH_CHUNK, {"mailing_id": mailing_id, "chunk": 10, **standing})


def test_nothing_is_left_of_the_audience_of_a_settled_mailing(
    connection: Connection, maintenance: Maintenance, lister: AudienceLister
) -> None:
    [client_id] = add_clients(connection, 1)
    mailing_id = add_mailing(connection, segment='tag = "sample"')
    launch(maintenance, lister)
    execute(connection, "INSERT INTO mailing_audience VALUES (%s, %s, %s)", mailing_id, client_id, [client_id])
    close_window(connection, mailing_id)

    launch(maintenance, lister)

    assert mailing(connection, mailing_id)["settled_at"] is not None
    assert rows(connection, "SELECT FROM mailing_audience") == []
