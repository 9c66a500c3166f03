"""What the ledger tells of the earlier attempts of a message that refused the account."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, make_due, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from worker.queue import Queue


def test_only_refusals_of_the_account_count_and_only_those_of_the_message(
    connection: Connection, queue: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    for name in ("lost", "unauthorized", "unauthorized", "refused"):
        deliveries = queue.claim(2)
        queue.record([answer(one, name if one.message_id == 1 else "throttled") for one in deliveries])
        make_due(connection)

    claimed = queue.claim(2)
    found = queue.earlier_refusals(claimed)

    assert list(found) == [1]
    started = "SELECT extract(epoch FROM started_at)::float8 FROM attempt WHERE message_id = 1 AND number = "
    first, last = value(connection, f"{started} 2"), value(connection, f"{started} 3")
    assert found[1] == pytest.approx((first, last, 0.25), rel=0, abs=1e-3)
    assert open_queue(gateway="another").earlier_refusals(claimed) == {}
