"""A transaction that stays open, so that vacuum can remove nothing, while tens of thousands of messages pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import add_running_mailing, counted, execute, mailing, message_counts, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.query_plans import AUTOVACUUM, NO_AUTOVACUUM, pages_of_a_claim
from worker.maintenance.duties import Maintenance

MESSAGES, AT_ONCE = 30_000, 300


@pytest.fixture
def _no_autovacuum(connection: Connection) -> Iterator[None]:
    execute(connection, NO_AUTOVACUUM)
    yield
    execute(connection, AUTOVACUUM)


@pytest.mark.usefixtures("_no_autovacuum")
def test_a_snapshot_that_prevents_vacuum_makes_a_claim_step_over_batches_and_not_over_messages(
    connection: Connection, connect: Connect, open_queue: OpenQueue, maintenance: Maintenance
) -> None:
    mailing_id = add_running_mailing(connection, MESSAGES)
    batches = value(connection, "SELECT count(*) FROM queue_batch")
    execute(connection, "ANALYZE")
    holder = connect()
    holder.set_session(isolation_level="REPEATABLE READ", autocommit=False)
    assert counted(holder, mailing_id) == {"pending": MESSAGES}

    queue = open_queue()
    costs = []
    while claimed := queue.claim(AT_ONCE):
        costs.append(pages_of_a_claim(connection, limit=1))
        queue.record([answer(one, "accepted") for one in claimed])
        if len(costs) % 10 == 0:
            maintenance.run()
    maintenance.run()

    assert counted(holder, mailing_id) == message_counts(holder, mailing_id) == {"pending": MESSAGES}
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": MESSAGES}
    assert value(connection, "SELECT count(*) FROM attempt") == MESSAGES
    assert mailing(connection, mailing_id)["status"] == "finished"
    # A claim steps three times over each batch of 200 messages that has passed: this is all that it costs more.
    assert batches == MESSAGES / 200
    assert costs[-2] - costs[1] < 4 * batches
