"""A transaction that stays open, so that vacuum can remove nothing, while tens of thousands of messages pass."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claims import CLAIM
from tests.conftest import Connect
from tests.factories import add_running_mailing, counted, execute, mailing, message_counts, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.query_plans import pages_touched
from worker.maintenance.round import Maintenance
from worker.queue import Queue

MESSAGES, AT_ONCE = 30_000, 300


def test_a_snapshot_that_prevents_vacuum_does_not_make_claims_ever_more_expensive(
    connection: Connection, connect: Connect, open_queue: OpenQueue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, MESSAGES)
    execute(connection, "ANALYZE")
    holder = connect()
    holder.set_session(isolation_level="REPEATABLE READ", autocommit=False)
    assert counted(holder, mailing_id) == {"pending": MESSAGES}

    queue = open_queue()
    costs = []
    while claimed := queue.claim(AT_ONCE):
        costs.append(_pages_of_a_claim(connection, queue))
        queue.record([answer(one, "accepted") for one in claimed])
        if len(costs) % 10 == 0:
            maintenance.run()
    maintenance.run()

    assert counted(holder, mailing_id) == message_counts(holder, mailing_id) == {"pending": MESSAGES}
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": MESSAGES}
    assert value(connection, "SELECT count(*) FROM attempt") == MESSAGES
    assert mailing(connection, mailing_id)["status"] == "finished"
    # Without the place that the claim before it reached, each would step over all that have passed.
    assert sum(costs[-10:-1]) < 2 * sum(costs[:9])


def _pages_of_a_claim(connection: Connection, queue: Queue) -> int:
    """How many pages the worker's next claim would read, if it were made for one message."""
    given = {"limit": 1, "lease": 30.0, "worker": "left", "wait": False, **queue._cursor.positions()}
    return pages_touched(connection, CLAIM, given)
