"""Message counts: how many messages are in which status, right at every moment, whatever workers do to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.counts import COMPACT_COUNTS
from tests.conftest import Connect
from tests.factories import (
    add_clients,
    add_mailing,
    add_messages,
    add_running_mailing,
    cancel,
    change_mailing,
    change_message,
    counted,
    execute,
    expire_leases,
    make_due,
    message_counts,
    rows,
    value,
)
from tests.integration.worker.attempt_results import ANSWERS, answer
from tests.integration.worker.conftest import OpenMaintenance, OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background
from worker.maintenance.duties import Maintenance
from worker.queue import Queue


def compact(connection: Connection, above: int = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COMPACT_COUNTS, {"rows": above})


def total(connection: Connection) -> dict[str, int]:
    """Messages by status as the figures of everything have them."""
    statement = "SELECT status, sum(delta)::int FROM message_count_delta WHERE NOT compacted GROUP BY 1"
    return {status: messages for status, messages in rows(connection, statement) if messages}


def count_rows(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message_count_delta"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("status = 'sent', sent_at = now(), ended_at = now()", {"pending": 2, "sent": 1}),
        ("status = 'failed', ended_at = now()", {"pending": 2, "failed": 1}),
        ("status = 'sending', claim_id = 1", {"pending": 2, "sending": 1}),
        ("due_at = now() + interval '1 hour'", {"pending": 3}),
    ],
)
def test_the_counts_follow_a_message(change: str, expected: dict[str, int], connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)

    change_message(connection, 2, change)

    assert message_counts(connection, mailing_id) == expected


def test_a_statement_adds_a_count_for_each_mailing_and_status_and_not_for_each_row(connection: Connection) -> None:
    left, right = add_running_mailing(connection, 100), add_running_mailing(connection, 50)
    before = count_rows(connection)

    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mod(id, 2) = 0")

    assert message_counts(connection, left) == {"pending": 50, "failed": 50}
    assert message_counts(connection, right) == {"pending": 25, "failed": 25}
    assert count_rows(connection) == before + 4


def test_a_change_that_moves_no_message_adds_nothing(connection: Connection) -> None:
    add_running_mailing(connection, 10)
    before = count_rows(connection)

    make_due(connection)
    execute(connection, "UPDATE message SET reason_code = 'why not' WHERE id > 1000")

    assert count_rows(connection) == before


def test_messages_that_are_deleted_by_hand_are_no_longer_counted(connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 10)
    change_mailing(connection, add_running_mailing(connection), "purge_started_at = now()")

    execute(connection, "DELETE FROM message WHERE id <= 4")

    assert message_counts(connection, mailing_id) == {"pending": 6}


def test_what_is_rolled_back_was_never_counted(connection: Connection, connect: Connect) -> None:
    mailing_id = add_running_mailing(connection, 3)
    another = connect()
    another.autocommit = False
    change_message(another, 1, "status = 'failed', ended_at = now()")
    assert message_counts(another, mailing_id) == {"pending": 2, "failed": 1}
    assert message_counts(connection, mailing_id) == {"pending": 3}

    another.rollback()

    assert message_counts(connection, mailing_id) == {"pending": 3}


def test_two_transactions_that_count_the_same_do_not_wait_for_each_other(
    connection: Connection, connect: Connect
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    another = connect()
    another.autocommit = False
    change_message(another, 1, "status = 'failed', ended_at = now()")

    in_background(lambda: change_message(connection, 2, "status = 'failed', ended_at = now()")).result(PATIENCE)

    another.commit()
    assert message_counts(connection, mailing_id) == {"failed": 2}


def test_compaction_changes_no_sum_and_leaves_a_row_for_each(connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 60)
    for message_id in range(1, 41):
        change_message(connection, message_id, "status = 'failed', ended_at = now()")
    assert count_rows(connection) == 81

    compact(connection)

    assert message_counts(connection, mailing_id) == counted(connection, mailing_id) == {"pending": 20, "failed": 40}
    assert count_rows(connection) == 2


def test_a_count_of_few_rows_is_not_compacted(connection: Connection) -> None:
    add_running_mailing(connection, 10)
    cancelled = add_running_mailing(connection, 10)
    for message_id in (1, 11):
        change_message(connection, message_id, "status = 'failed', ended_at = now()")
    cancel(connection, cancelled)
    before = count_rows(connection)

    compact(connection, above=3)

    assert count_rows(connection) == before


def test_compaction_skips_rows_that_are_locked_or_not_committed(connection: Connection, connect: Connect) -> None:
    mailing_id = add_running_mailing(connection, 30)
    for message_id in range(1, 11):
        change_message(connection, message_id, "status = 'failed', ended_at = now()")
    compacting, moving = connect(), connect()
    compacting.autocommit = moving.autocommit = False
    compact(compacting)
    change_message(moving, 11, "status = 'failed', ended_at = now()")

    in_background(lambda: compact(connection)).result(PATIENCE)

    assert message_counts(connection, mailing_id) == {"pending": 20, "failed": 10}
    compacting.commit()
    moving.commit()
    assert message_counts(connection, mailing_id) == counted(connection, mailing_id) == {"pending": 19, "failed": 11}


def test_maintenance_compacts_the_counts_of_a_busy_mailing(connection: Connection, maintenance: Maintenance) -> None:
    mailing_id = add_running_mailing(connection, 80)
    for message_id in range(1, 61):
        change_message(connection, message_id, "status = 'failed', ended_at = now()")

    maintenance.run()

    assert count_rows(connection) == 2
    assert message_counts(connection, mailing_id) == {"pending": 20, "failed": 60}


def test_the_counts_of_a_mailing_that_has_just_ended_are_compacted_a_last_time(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 60)
    for message_id in range(1, 61):
        change_message(connection, message_id, "status = 'failed', ended_at = now()")

    for _ in range(2):
        maintenance.run()

        assert value(connection, "SELECT status FROM mailing") == "finished"
        assert message_counts(connection, mailing_id) == total(connection) == {"failed": 60}
        assert count_rows(connection) == 2  # its final count, and the total


def test_what_changes_after_the_last_time_is_added_when_the_mailing_ends_again(
    connection: Connection, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now()")
    maintenance.run()
    change_mailing(connection, mailing_id, "status = 'running', ended_at = NULL, settled_at = NULL")
    change_message(connection, 1, "status = 'sent', sent_at = now()")

    maintenance.run()

    assert message_counts(connection, mailing_id) == total(connection) == {"failed": 2, "sent": 1}


@contextmanager
def at_the_same_time(*jobs: Callable[[], object]) -> Iterator[None]:
    """Does each job again and again, in a thread of its own, until the block is left."""
    over = threading.Event()

    def repeat_until_stopped(job: Callable[[], object]) -> None:
        while not over.is_set():
            job()

    workers = [in_background(partial(repeat_until_stopped, job)) for job in jobs]
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.result(PATIENCE)


def test_conservation_holds_at_every_moment_whatever_is_going_on(
    connect: Connect, open_queue: OpenQueue, open_maintenance: OpenMaintenance
) -> None:
    editor, observer = connect(), connect()
    add_clients(editor, 400)
    mailings = [add_mailing(editor, on_unknown="hold"), add_mailing(editor)]
    mailings.append(add_running_mailing(editor, 200, mark="nobody"))
    dice = Random(7)

    def work(queue: Queue) -> None:
        claimed = queue.claim(dice.randint(1, 40))
        kept = [one for one in claimed if dice.random() < 0.6]
        queue.release([one for one in claimed if one not in kept and dice.random() < 0.7])
        queue.record([answer(one, dice.choice(list(ANSWERS))) for one in kept])

    def expire_and_reclaim(queue: Queue, own: Connection) -> None:
        expire_leases(own)
        reclaim(queue)

    workers = [open_queue(f"worker {n}", max_attempts=6) for n in range(2)]
    maintenance, loser, loser_connection, folder = (
        open_maintenance(launch_chunk=15),
        open_queue("heir"),
        connect(),
        connect(),
    )
    observer.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, autocommit=False)
    ends: set[str] = set()
    seen, deadline = 0, time.monotonic() + PATIENCE
    with at_the_same_time(
        *[partial(work, queue) for queue in workers],
        partial(expire_and_reclaim, loser, loser_connection),
        maintenance.run,
        partial(compact, folder),
    ):
        while seen < 100 or not {"sent", "failed", "unknown", "cancelled"} <= ends:
            assert time.monotonic() < deadline
            for mailing_id in mailings:
                now = message_counts(observer, mailing_id)
                assert now == counted(observer, mailing_id)
                assert sum(now.values()) == value(observer, "SELECT audience FROM mailing WHERE id = %s", mailing_id)
                observer.commit()
                ends |= now.keys()
            seen += 1
            if seen == 30:
                cancel(editor, mailings[0])
                add_messages(editor, mailings[2], 20)

    assert value(editor, "SELECT count(*) FROM message WHERE attempts < 0 OR uncounted_attempts > attempts") == 0
