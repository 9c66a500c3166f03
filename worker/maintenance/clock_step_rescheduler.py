"""Repair after a step of the database's clock: messages that are due later than any retry can be are made due now."""

from __future__ import annotations

import logging

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import messages
from worker.database import Database

log = logging.getLogger(__name__)

CLOCK_STEP = 60.0
"""Seconds by which the database's clock may be set back without a correction: messages then wait for so long."""

ADVANCE_LIMIT = 5000
"""Messages made due in one transaction: some tens of milliseconds of work."""


class ClockStepRescheduler:
    """Advances due times. For one thread."""

    def __init__(self, database: Database, longest_retry: float) -> None:
        """`longest_retry`: seconds until a retry at most."""
        self._database = database
        self._wait = longest_retry + CLOCK_STEP

    def run(self) -> None:
        """Makes at most ADVANCE_LIMIT messages due."""

        def work(cursor: Cursor) -> int:
            cursor.execute(messages.ADVANCE_DUE, {"wait": self._wait, "limit": ADVANCE_LIMIT})
            return cursor.rowcount

        if advanced := self._database.transaction(work):
            log.warning("messages.due_advanced", extra={"messages": advanced})
