"""The worker's report on each gateway: counts of results and its status, written every few seconds for the console.

The loop counts the recorded results and passes the lanes' statuses in every tick; rows are written when due.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import ReasonCode
from shared.domain.results import TAKEN, Result
from shared.domain.worker_status import REPORT_INTERVAL, REPORT_RETENTION, STOPPED, GatewayHealth
from shared.gateways.base import SubmitResult
from shared.json_parameter import json_parameter
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

# The last contact of the whole fleet with a gateway: the latest of each time. One in the future was written before the
# database's clock was set back, and is overwritten. The clock is not that of the transaction's start, so that a later
# contact of a worker is later here too, however long the writes took.
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

# Executed with each report: a few rows each time. Rows that another worker is deleting are skipped.
DELETE_OLD_REPORTS = """
DELETE FROM worker_report WHERE (at, worker, gateway) IN (
    SELECT at, worker, gateway FROM worker_report WHERE at < now() - %s * interval '1 second'
    ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""


class LaneStatus(NamedTuple):
    """The status of one gateway according to this worker."""

    gateway: str
    state: GatewayHealth
    in_flight: int
    concurrency_limit: int
    problem: SubmitResult | None = None
    """Why it cannot be used at all, if it cannot."""
    withdrawn: Mapping[ReasonCode, int] = {}
    """How many messages claims have ended or postponed, by the rules that forbid them."""


class Contact:
    """The last requests of one worker to one gateway that are not written yet. Times are monotonic."""

    def __init__(self) -> None:
        self._last: SubmitResult | None = None
        self._asked = 0.0
        self._answered: float | None = None
        self._accepted: float | None = None

    def note(self, results: Sequence[SubmitResult], now: float) -> None:
        """Records requests that have ended by `now`, in the order of their ends."""
        if results:
            self._last, self._asked = results[-1], now
            if any(result.answered for result in results):
                self._answered = now
            if any(result.result in TAKEN for result in results):
                self._accepted = now

    def write(self, cursor: Cursor, gateway: str) -> None:
        """Writes the times as ages, since the database has its own clock."""
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
    """Counts of the attempts at one gateway since the last report."""

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.contact = Contact()


class StatusReporter:
    """Counts results of one worker, and writes reports. For one thread."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._counts: defaultdict[str, _LaneCounts] = defaultdict(_LaneCounts)
        self._last_failures: dict[str, SubmitResult] = {}
        """By gateway."""
        self._since = time.monotonic()
        self._due = 0.0
        self._out_of_order: set[str] = set()
        """The gateways that were stopped at the last report."""

    def count(self, gateway: str, results: Sequence[SubmitResult]) -> None:
        """Counts the results of a batch. To be called once the attempts are recorded."""
        counts = self._counts[gateway]
        counts.results.update(result.result for result in results)
        counts.contact.note(results, time.monotonic())
        for result in results:
            if result.result not in TAKEN:
                self._last_failures[gateway] = result

    def seconds_until_due(self) -> float:
        """Seconds until the next report is due."""
        return max(0.0, self._due - time.monotonic())

    def report(self, statuses: Sequence[LaneStatus], *, stopped: bool = False) -> None:
        """Writes a row for each lane, if a report is due, a lane has stopped or resumed, or this is the last report.

        Counts are kept until the commit.

        After a commit whose acknowledgement was lost a row may exist twice, which is acceptable: it is only displayed.
        """
        now = time.monotonic()
        out_of_order = {status.gateway for status in statuses if status.state in STOPPED}
        if now < self._due and not stopped and out_of_order == self._out_of_order:
            return
        self._out_of_order = out_of_order

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
        failed = status.problem or self._last_failures.get(status.gateway)
        failure = None if status.state is GatewayHealth.OK else failed
        results = self._counts[status.gateway].results
        return {
            "worker": self._worker,
            "interval_seconds": seconds,
            **{result.value: results[result] for result in Result},
            "gateway": status.gateway,
            "state": status.state,
            "in_flight": status.in_flight,
            "concurrency_limit": status.concurrency_limit,
            **_reason_columns(failure),
            "stopped": stopped,
        }


def _reason_columns(submitted: SubmitResult | None) -> dict[str, Any]:
    """The columns of the code and reason of a result."""
    reason = submitted.reason if submitted else None
    return {
        "provider_code": submitted.code if submitted else None,
        "reason_code": reason.code if reason else None,
        "reason_params": json_parameter(dict(reason.parameters)) if reason and reason.parameters else None,
    }
