"""What a claim reads of the tables, whatever the planner knows of them.

On a database of its own, where nothing is analyzed but by a test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql.claim_rules import FIND_SUPPRESSED
from shared.sql.claims import CLAIM
from shared.sql.queue import TAKE_DUE, TAKE_ENDED
from tests.conftest import MakeDatabase
from tests.database import connected
from tests.factories import FIRST_PHONE, add_running_mailing, cancel, change_mailing, execute, rows
from tests.integration.worker.attempt_results import TAKE_ONE_HUNDRED
from tests.query_plans import (
    NO_AUTOVACUUM,
    claim_parameters,
    pages_of_a_claim,
    pages_touched,
    pairs_compared,
    plan,
)
from worker.parameters import bigints

MESSAGES = 25_000
SUPPRESSED = 1000
TAKE_ENDED_SOME = {"limit": 2}


@pytest.fixture
def connection(migrated: str, make_database: MakeDatabase) -> Iterator[Connection]:
    with connected(make_database(migrated)) as connection:
        execute(connection, NO_AUTOVACUUM)
        yield connection


def test_a_claim_reads_only_what_it_takes_however_large_the_tables(connection: Connection) -> None:
    def check() -> None:
        taking = plan(connection, TAKE_DUE, TAKE_ONE_HUNDRED)
        assert {name for name in taking.indexes if name.startswith("queue_batch")} == {
            "queue_batch_due_idx",
            "queue_batch_pkey",
        }
        # What is claimed is found by its ids, and by nothing else.
        claiming = plan(connection, CLAIM, claim_parameters(connection))
        assert {name for name in claiming.indexes if name.startswith("message")} == {"message_0_pkey"}
        assert taking.read_as_a_whole == claiming.read_as_a_whole == set()

    add_running_mailing(connection, MESSAGES)
    check()  # never analyzed
    execute(connection, "ANALYZE message, queue_batch")
    check()  # all are pending
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id <= 24000")
    execute(connection, "DELETE FROM queue_batch WHERE message_ids[1] < 24000")
    check()  # most have ended, and the planner does not know it
    execute(connection, "ANALYZE message, queue_batch")
    check()


def test_a_claim_of_many_suppressed_numbers_compares_no_pairs(connection: Connection) -> None:
    add_running_mailing(connection, SUPPRESSED)
    given = {"phones": bigints(range(FIRST_PHONE + 1, FIRST_PHONE + SUPPRESSED + 1)), "gateway_id": 1}
    suppress = """
        INSERT INTO suppression (phone_number, scope, reason, source)
        SELECT phone_number, 'everything', 'opted_out', 'import' FROM client
    """
    lift = """
        UPDATE suppression SET lifted_at = now(), lifted_by = 'anna', lift_evidence = '{}' WHERE lifted_at IS NULL
    """
    for _ in range(3):
        execute(connection, suppress)
        found = {number for number, _ in rows(connection, FIND_SUPPRESSED % given)}
        assert len(found) == SUPPRESSED
        assert pairs_compared(connection, FIND_SUPPRESSED, given) < 10 * SUPPRESSED
        execute(connection, lift)
        execute(connection, "ANALYZE")  # none is in force, as far as the planner knows


def test_a_claim_reads_only_the_mailings_that_run(connection: Connection) -> None:
    execute(
        connection,
        """
        INSERT INTO mailing (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id, launched_at,
            ended_at, settled_at)
        SELECT 'm', now() - interval '2 h', now() - interval '1 h', 'finished', now(), 0, now(), now(), now()
        FROM generate_series(1, 5000)
        """,
    )
    for _ in range(3):
        add_running_mailing(connection, 10)
    execute(connection, "ANALYZE mailing")

    taking = plan(connection, TAKE_DUE, TAKE_ONE_HUNDRED)
    assert {name for name in taking.indexes if name.startswith("mailing")} == {"mailing_unsettled_idx", "mailing_pkey"}


def test_claims_and_closing_cost_the_same_however_many_are_pending(connection: Connection) -> None:
    few_id = add_running_mailing(connection, 2_500)
    execute(connection, "ANALYZE message, queue_batch")
    few = pages_of_a_claim(connection)
    cancel(connection, few_id)
    few_closed = pages_touched(connection, TAKE_ENDED, TAKE_ENDED_SOME)
    change_mailing(connection, few_id, "status = 'paused', ended_at = NULL")

    many_id = add_running_mailing(connection, 97_500)
    execute(connection, "ANALYZE message, queue_batch")

    assert pages_of_a_claim(connection) <= 1.3 * few
    cancel(connection, many_id)
    assert pages_touched(connection, TAKE_ENDED, TAKE_ENDED_SOME) <= 1.3 * few_closed + 5
