"""What the ledger tells of the earlier attempts of a message that refused the account."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.results import Result
from tests.factories import add_running_mailing, make_due, value
from tests.integration.worker.attempt_results import ANSWERS
from tests.integration.worker.conftest import OpenQueue
from worker.claimed_message import AttemptResult, MessageGateway
from worker.queue import Queue


def test_only_refusals_of_the_account_count_and_only_those_of_the_message(
    connection: Connection, queue: Queue, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 2)
    no_credit = replace(ANSWERS["unauthorized"], result=Result.NO_CREDIT)
    for answered, duration in (
        (ANSWERS["lost"], 3.0),
        (ANSWERS["unauthorized"], 0.25),
        (no_credit, 0.75),
        (ANSWERS["unauthorized"], 0.5),
        (ANSWERS["refused"], 2.0),
    ):
        for one in queue.claim(2):
            result = answered if one.message_id == 1 else ANSWERS["throttled"]
            queue.record([AttemptResult(one, result, one.claim.at + 0.5, duration)])
        make_due(connection)

    claimed = queue.claim(2)
    found = queue.earlier_refusals(claimed)

    assert list(found) == [1]
    started = "SELECT extract(epoch FROM started_at)::float8 FROM attempt WHERE message_id = 1 AND number = "
    first, last = value(connection, f"{started} 2"), value(connection, f"{started} 4")
    assert found[1] == pytest.approx((first, last, 0.75), rel=0, abs=1e-3)
    assert open_queue(gateway=MessageGateway("another")).earlier_refusals(claimed) == {}
