"""The worker's report: what it did and how it stands, written every few seconds for whoever watches.

The daemon counts what it records and offers its standing in every tick; a row is written when the time has come.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.ledger import Outcome
from shared.reports import EVERY, KEPT, GatewayHealth
from worker.answers import Answer
from worker.database import NOT_MIGRATED, Database

log = logging.getLogger(__name__)

WRITE = """
INSERT INTO worker_report (worker, seconds, accepted, refused, throttled, unreachable, unauthorized, ambiguous,
    in_hand, send_limit, gateway, detail, stopped)
VALUES (%(worker)s, %(seconds)s, %(accepted)s, %(refused)s, %(throttled)s, %(unreachable)s, %(unauthorized)s,
    %(ambiguous)s, %(in_hand)s, %(send_limit)s, %(gateway)s, %(detail)s, %(stopped)s)
"""

# In passing, by whoever writes: a few rows each time, and what another worker is just removing is left to it.
FORGET = """
DELETE FROM worker_report WHERE (at, worker) IN (
    SELECT at, worker FROM worker_report WHERE at < now() - %s * interval '1 second'
    ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""


class Standing(NamedTuple):
    """How a worker stands."""

    gateway: GatewayHealth
    in_hand: int
    send_limit: int


class Reporter:
    """Counts for one worker, and writes. For one thread."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._counts: Counter[Outcome] = Counter()
        self._since = time.monotonic()
        self._due = 0.0
        self._trouble: str | None = None

    def count(self, answers: Sequence[Answer]) -> None:
        """Takes in what a batch of requests brought. To be called once the attempts are recorded."""
        self._counts.update(answer.outcome for answer in answers)
        for answer in answers:
            if answer.outcome is not Outcome.ACCEPTED:
                self._trouble = _in_words(answer)

    def seconds_until_due(self) -> float:
        """How long the loop may wait without being late with the next report."""
        return max(0.0, self._due - time.monotonic())

    def report(self, standing: Standing, *, stopped: bool = False) -> None:
        """Writes a row, if it is time or this is the last one. The counts are kept until they are committed.

        After a commit whose answer was lost a row may be there twice: it is for a screen, not for the ledger.
        """
        now = time.monotonic()
        if now < self._due and not stopped:
            return
        row = {
            "worker": self._worker,
            "seconds": now - self._since,
            **{outcome.value: self._counts[outcome] for outcome in Outcome},
            **standing._asdict(),
            "detail": None if standing.gateway is GatewayHealth.OK else self._trouble,
            "stopped": stopped,
        }

        def work(cursor: Cursor) -> None:
            cursor.execute(WRITE, row)
            cursor.execute(FORGET, (KEPT,))

        try:
            self._database.transaction(work)
        except NOT_MIGRATED:
            log.warning("the database is not migrated to this version yet: nothing is reported")
        self._counts.clear()
        self._since = now
        self._due = now + EVERY


def _in_words(answer: Answer) -> str:
    status = f"HTTP {answer.http_status}" if answer.http_status else ""
    return ": ".join(filter(None, (status, answer.detail))) or answer.outcome.value
