"""The worker's report on each gateway: what it did and how it is, written every few seconds for the console.

The loop counts what it records and offers the lanes' statuses in every tick; rows are written when it is time to.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import Json

from shared.domain.results import TAKEN, Result
from shared.domain.worker_status import REPORT_INTERVAL, REPORT_RETENTION, GatewayHealth
from shared.gateways.base import SubmitResult
from worker.database import NOT_MIGRATED, Database

log = logging.getLogger(__name__)

WRITE_REPORT = """
INSERT INTO worker_report (worker, gateway, interval_seconds, accepted, duplicate, refused, retriable, opted_out,
    throttled, unreachable, misconfigured, no_credit, ambiguous, in_flight, concurrency_limit, gateway_state,
    provider_code, reason_code, reason_params, stopped)
VALUES (%(worker)s, %(gateway)s, %(interval_seconds)s, %(accepted)s, %(duplicate)s, %(refused)s, %(retriable)s,
    %(opted_out)s, %(throttled)s, %(unreachable)s, %(misconfigured)s, %(no_credit)s, %(ambiguous)s, %(in_flight)s,
    %(concurrency_limit)s, %(state)s, %(provider_code)s, %(reason_code)s, %(reason_params)s, %(stopped)s)
"""

_LAST_RESULT = ("result", "provider_code", "reason_code", "reason_params")

_KNOWN_IS_LATER = "known.asked_at > excluded.asked_at AND known.asked_at <= clock_timestamp()"

# The last contact of the whole fleet with a gateway: the latest of each moment. One of the future was written before
# the database's clock was put back, and is overwritten. The clock is not that of the transaction's start: a worker's
# later contact is later here too, however long either took to be written.
WRITE_CONTACT = f"""
INSERT INTO gateway_contact AS known (gateway, asked_at, answered_at, accepted_at, {", ".join(_LAST_RESULT)})
SELECT %(gateway)s, at - %(asked)s * interval '1 second', at - %(answered)s * interval '1 second',
    at - %(accepted)s * interval '1 second', %(result)s, %(provider_code)s, %(reason_code)s, %(reason_params)s
FROM clock_timestamp() AS at
ON CONFLICT (gateway) DO UPDATE
SET asked_at = greatest(CASE WHEN known.asked_at <= clock_timestamp() THEN known.asked_at END, excluded.asked_at),
    answered_at = greatest(
        CASE WHEN known.answered_at <= clock_timestamp() THEN known.answered_at END, excluded.answered_at),
    accepted_at = greatest(
        CASE WHEN known.accepted_at <= clock_timestamp() THEN known.accepted_at END, excluded.accepted_at),
    {
    ", ".join(
        f"{name} = CASE WHEN {_KNOWN_IS_LATER} THEN known.{name} ELSE excluded.{name} END" for name in _LAST_RESULT
    )
}
"""  # noqa: S608  put together of constants

# In passing, by whichever worker writes: a few rows each time, and what another worker is just deleting is skipped.
DELETE_OLD_REPORTS = """
DELETE FROM worker_report WHERE (at, worker, gateway) IN (
    SELECT at, worker, gateway FROM worker_report WHERE at < now() - %s * interval '1 second'
    ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""


class LaneStatus(NamedTuple):
    """How one gateway is, as this worker sees it."""

    gateway: str
    state: GatewayHealth
    in_flight: int
    concurrency_limit: int


class Contact:
    """The last requests of one worker to one gateway, by its monotonic clock, that are not written down yet."""

    def __init__(self) -> None:
        self._last: SubmitResult | None = None
        self._asked = 0.0
        self._answered: float | None = None
        self._accepted: float | None = None

    def note(self, results: Sequence[SubmitResult], now: float) -> None:
        """Takes in requests that have ended by now, in the order of their ends."""
        if results:
            self._last, self._asked = results[-1], now
            if any(result.answered for result in results):
                self._answered = now
            if any(result.result in TAKEN for result in results):
                self._accepted = now

    def write(self, cursor: Cursor, gateway: str) -> None:
        """Writes what there is, as ages: the database has a clock of its own."""
        if self._last is None:
            return
        now = time.monotonic()
        row = {
            "gateway": gateway,
            "asked": now - self._asked,
            "answered": None if self._answered is None else now - self._answered,
            "accepted": None if self._accepted is None else now - self._accepted,
            "result": self._last.result,
            **_reason_columns(None if self._last.result in TAKEN else self._last),
        }
        cursor.execute(WRITE_CONTACT, row)


class _LaneCounts:
    """What was attempted at one gateway since the last report."""

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.contact = Contact()


class StatusReporter:
    """Counts for one worker, and writes. For one thread."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._counts: defaultdict[str, _LaneCounts] = defaultdict(_LaneCounts)
        self._last_failures: dict[str, SubmitResult] = {}
        """By gateway."""
        self._since = time.monotonic()
        self._due = 0.0

    def count(self, gateway: str, results: Sequence[SubmitResult]) -> None:
        """Takes in the results of a batch. To be called once the attempts are recorded."""
        counts = self._counts[gateway]
        counts.results.update(result.result for result in results)
        counts.contact.note(results, time.monotonic())
        for result in results:
            if result.result not in TAKEN:
                self._last_failures[gateway] = result

    def seconds_until_due(self) -> float:
        """How long the loop may wait without being late with the next report."""
        return max(0.0, self._due - time.monotonic())

    def report(self, statuses: Sequence[LaneStatus], *, stopped: bool = False) -> None:
        """Writes a row for each lane, if it is time to or this is the last one. Counts are kept until the commit.

        After a commit whose acknowledgement was lost a row may be there twice: it is for a screen, not for the ledger.
        """
        now = time.monotonic()
        if now < self._due and not stopped:
            return

        def work(cursor: Cursor) -> None:
            for status in statuses:
                cursor.execute(WRITE_REPORT, self._row(status, now - self._since, stopped=stopped))
            cursor.execute(DELETE_OLD_REPORTS, (REPORT_RETENTION,))
            for status in statuses:
                self._counts[status.gateway].contact.write(cursor, status.gateway)

        try:
            self._database.transaction(work)
        except NOT_MIGRATED:
            log.warning("database.not_migrated")
        self._counts.clear()
        self._since = now
        self._due = now + REPORT_INTERVAL

    def _row(self, status: LaneStatus, seconds: float, *, stopped: bool) -> dict[str, Any]:
        failure = None if status.state is GatewayHealth.OK else self._last_failures.get(status.gateway)
        results = self._counts[status.gateway].results
        return {
            "worker": self._worker,
            "interval_seconds": seconds,
            **{result.value: results[result] for result in Result},
            **status._asdict(),
            **_reason_columns(failure),
            "stopped": stopped,
        }


def _reason_columns(submitted: SubmitResult | None) -> dict[str, Any]:
    """What the gateway or the network said, as columns."""
    reason = submitted.reason if submitted else None
    return {
        "provider_code": submitted.code if submitted else None,
        "reason_code": reason.code if reason else None,
        "reason_params": Json(dict(reason.parameters)) if reason and reason.parameters else None,
    }
