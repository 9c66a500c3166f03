"""Mutations of what a worker does about suppressions, local windows and caps.

Like those of mutations.py, they edit the worker's own code.
"""

from __future__ import annotations

import os
import time
from typing import Any

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import caps
from shared.sql import claim_rules as statements
from shared.sql.conditions import end_unless_in_doubt
from tests.chaos.mutations import edit
from worker import claim_rules, queue


def suppressed_at_the_launch_only() -> None:
    """Whether a number is suppressed is asked when a mailing is launched, and not when a message is claimed."""
    edit(statements, "FIND_SUPPRESSED", "WHERE phone_number", "WHERE FALSE AND phone_number")


def suppressions_read_before_the_lease() -> None:
    """Suppressions are read first, and then messages are leased."""
    take_and_lease, suppressed = queue.Queue._take_and_lease, claim_rules._suppressed
    earlier: list[Cursor] = []

    def read_and_lease(self: queue.Queue, *given: Any, **options: Any) -> queue.Claimed:
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.set_isolation_level(ISOLATION_LEVEL_REPEATABLE_READ)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM suppression")
            time.sleep(0.2)
            earlier[:] = [cursor]
            claimed = take_and_lease(self, *given, **options)
        connection.close()
        return claimed

    queue.Queue._take_and_lease = read_and_lease  # type: ignore[method-assign]
    claim_rules._suppressed = lambda cursor, rows, gateway_id: suppressed(earlier[0], rows, gateway_id)


def local_window_at_the_launch_only() -> None:
    """When a local window is open is asked when a mailing is launched, and not when a message is claimed."""
    claim_rules._local_windows = lambda cursor, rows: []


def local_window_by_a_wrong_clock() -> None:
    """The local time is read from a clock that is three days fast."""
    edit(statements, "READ_LOCAL_WINDOWS", "now()", "(now() + interval '3 days')")


def local_window_forgotten_by_senders() -> None:
    """What was claimed while the local window was open is sent when it has closed."""
    apply_rules = claim_rules.apply_rules
    vars(queue)["apply_rules"] = lambda *given: apply_rules(*given)._replace(closes_in={})


def withdrawal_counted() -> None:
    """What a claim takes back counts as attempted."""
    edit(statements, "WITHDRAW", "attempts = attempts - 1", "attempts = attempts")


def doubt_withdrawn_as_cancelled() -> None:
    """A rule ends what is in doubt like any other message."""
    edit(statements, "WITHDRAW", end_unless_in_doubt("given.status"), "given.status")


def cap_not_locked() -> None:
    """How many messages a number has got is read first, and then one more is counted."""
    read_first = """AS given(id, phone_number)
    WHERE pg_sleep(0.01) IS NOT NULL AND NOT EXISTS (
        SELECT FROM number_usage AS read CROSS JOIN message_cap
        WHERE read.phone_number = given.phone_number AND cardinality(read.message_ids) >= messages
            AND given.id <> ALL(read.message_ids)
    )"""
    edit(caps, "COUNT_MESSAGES", "AS given(id, phone_number)", read_first)
    edit(caps, "COUNT_MESSAGES", "WHERE total >= messages AND own = 0", "WHERE FALSE")
