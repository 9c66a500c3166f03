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

from shared.domain.statuses import Outcome
from shared.domain.worker_status import EVERY, KEPT, GatewayHealth
from worker.answers import SubmitResult
from worker.database import NOT_MIGRATED, Database

log = logging.getLogger(__name__)

WRITE = """
INSERT INTO worker_report (worker, seconds, accepted, refused, throttled, unreachable, unauthorized, ambiguous,
    in_hand, send_limit, gateway, detail, stopped)
VALUES (%(worker)s, %(seconds)s, %(accepted)s, %(refused)s, %(throttled)s, %(unreachable)s, %(unauthorized)s,
    %(ambiguous)s, %(in_hand)s, %(send_limit)s, %(gateway)s, %(detail)s, %(stopped)s)
"""

# The last contact of the whole fleet: the latest of each moment. One of the future was written before the database's
# clock was put back, and is forgotten. The clock is not that of the transaction's start: a worker's later contact is
# later here too, however long either took to be written.
NOTE_CONTACT = """
INSERT INTO gateway_contact AS known (id, asked_at, answered_at, accepted_at, outcome, detail)
SELECT 1, at - %(asked)s * interval '1 second', at - %(answered)s * interval '1 second',
    at - %(accepted)s * interval '1 second', %(outcome)s, %(detail)s
FROM clock_timestamp() AS at
ON CONFLICT (id) DO UPDATE
SET asked_at = greatest(CASE WHEN known.asked_at <= clock_timestamp() THEN known.asked_at END, excluded.asked_at),
    answered_at = greatest(
        CASE WHEN known.answered_at <= clock_timestamp() THEN known.answered_at END, excluded.answered_at),
    accepted_at = greatest(
        CASE WHEN known.accepted_at <= clock_timestamp() THEN known.accepted_at END, excluded.accepted_at),
    outcome = CASE WHEN known.asked_at > excluded.asked_at AND known.asked_at <= clock_timestamp()
        THEN known.outcome ELSE excluded.outcome END,
    detail = CASE WHEN known.asked_at > excluded.asked_at AND known.asked_at <= clock_timestamp()
        THEN known.detail ELSE excluded.detail END
"""

# In passing, by whoever writes: a few rows each time, and what another worker is just removing is left to it.
FORGET = """
DELETE FROM worker_report WHERE (at, worker) IN (
    SELECT at, worker FROM worker_report WHERE at < now() - %s * interval '1 second'
    ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""


class WorkerStatus(NamedTuple):
    """How a worker stands."""

    gateway: GatewayHealth
    in_hand: int
    send_limit: int


class Contact:
    """The last requests of one worker, by its monotonic clock, that are not written down yet."""

    def __init__(self) -> None:
        self._last: SubmitResult | None = None
        self._asked = 0.0
        self._answered: float | None = None
        self._accepted: float | None = None

    def note(self, answers: Sequence[SubmitResult], now: float) -> None:
        """Takes in requests that have ended by now, in the order of their ends."""
        if answers:
            self._last, self._asked = answers[-1], now
            if any(answer.http_status is not None for answer in answers):
                self._answered = now
            if any(answer.outcome is Outcome.ACCEPTED for answer in answers):
                self._accepted = now

    def write(self, cursor: Cursor) -> None:
        """Writes down what there is, as ages: the database has a clock of its own."""
        if self._last is None:
            return
        now = time.monotonic()
        row = {
            "asked": now - self._asked,
            "answered": None if self._answered is None else now - self._answered,
            "accepted": None if self._accepted is None else now - self._accepted,
            "outcome": self._last.outcome,
            "detail": None if self._last.outcome is Outcome.ACCEPTED else _in_words(self._last),
        }
        cursor.execute(NOTE_CONTACT, row)

    def forget(self) -> None:
        """It is committed."""
        self._last = None
        self._answered = self._accepted = None


class StatusReporter:
    """Counts for one worker, and writes. For one thread."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._counts: Counter[Outcome] = Counter()
        self._since = time.monotonic()
        self._due = 0.0
        self._trouble: str | None = None
        self._contact = Contact()

    def count(self, answers: Sequence[SubmitResult]) -> None:
        """Takes in what a batch of requests brought. To be called once the attempts are recorded."""
        self._counts.update(answer.outcome for answer in answers)
        self._contact.note(answers, time.monotonic())
        for answer in answers:
            if answer.outcome is not Outcome.ACCEPTED:
                self._trouble = _in_words(answer)

    def seconds_until_due(self) -> float:
        """How long the loop may wait without being late with the next report."""
        return max(0.0, self._due - time.monotonic())

    def report(self, standing: WorkerStatus, *, stopped: bool = False) -> None:
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
            self._contact.write(cursor)

        try:
            self._database.transaction(work)
        except NOT_MIGRATED:
            log.warning("the database is not migrated to this version yet: nothing is reported")
        self._counts.clear()
        self._contact.forget()
        self._since = now
        self._due = now + EVERY


def _in_words(answer: SubmitResult) -> str:
    status = f"HTTP {answer.http_status}" if answer.http_status else ""
    return ": ".join(filter(None, (status, answer.detail))) or answer.outcome.value
