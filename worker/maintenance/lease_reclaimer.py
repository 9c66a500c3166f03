"""Reclaiming expired leases: their attempts may have reached the gateway, with an unknown result."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from shared.sql import claims
from worker.attempt_recorder import AttemptRecorder
from worker.claim_cursor import RESCAN_TIME_SHARE
from worker.claim_rows import LeasedRow, leased_message
from worker.claimed_message import AttemptResult
from worker.database import Database
from worker.rows import fetch_all
from worker.time_budget import TimeBudget

log = logging.getLogger(__name__)

RECLAIM_LIMIT = 1000
"""Leases reclaimed in one transaction."""

MAX_PAUSE = 30.0
"""Seconds by which a rescan is delayed at most; a lease, if that is shorter. The default of LEASE_SECONDS."""

COMMIT_DELAY = timedelta(seconds=5)
"""How late a lease may be committed, or its row be unlocked, and still be found by the next check without a rescan."""

FROM_THE_START = "-infinity"

LEASE_EXPIRED = SubmitResult(Result.AMBIGUOUS, reason=Reason(ReasonCode.LEASE_EXPIRED))


class Now(NamedTuple):
    """The database's clock."""

    now: datetime


class LeaseReclaimer:
    """Reclaims expired leases. For one thread."""

    def __init__(self, database: Database, recorder: AttemptRecorder, *, lease_seconds: float) -> None:
        """`lease_seconds` is this worker's setting; other workers may have longer leases."""
        self._database = database
        self._recorder = recorder
        self._lease_seconds = lease_seconds
        self._since: datetime | str = FROM_THE_START
        """Leases that expired before this time have been checked. Rescans find those that were locked or committed very
        late."""
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        """The time of the last check by the database's clock."""
        self._rescan = TimeBudget(RESCAN_TIME_SHARE, min(MAX_PAUSE, lease_seconds))

    def run(self, limit: int = RECLAIM_LIMIT) -> int:
        """Ends claims whose lease has expired, with an ambiguous result. Returns their number."""
        if rescan := self._rescan.is_due:
            self._since = FROM_THE_START
        before = self._database.seconds
        expired = self._database.transaction(lambda cursor: self._reclaim(cursor, limit))
        if rescan:
            self._rescan.spend(self._database.seconds - before)
        for attempt in expired:
            log.warning("lease.expired", extra={**attempt.message.log_fields(), "holder": attempt.message.worker})
        return len(expired)

    def _reclaim(self, cursor: Cursor, limit: int) -> list[AttemptResult]:
        cursor.execute("SELECT now()")
        [(looked_at,)] = fetch_all(cursor, Now)
        if looked_at < self._looked_at:  # the database's clock was set back
            self._since = FROM_THE_START
        self._looked_at = looked_at
        cursor.execute(claims.RENEW_LEASES, {"lease": self._lease_seconds, "limit": limit})
        if cursor.rowcount:  # dated in the future: the clock was set back, and they start again
            log.warning("leases.renewed", extra={"messages": cursor.rowcount})
        cursor.execute(claims.FIND_EXPIRED_LEASES, {"since": self._since, "limit": limit})
        claimed = [leased_message(row) for row in fetch_all(cursor, LeasedRow)]
        if len(claimed) < limit:
            self._since = looked_at - COMMIT_DELAY
        expired = [
            AttemptResult(message, LEASE_EXPIRED, started_at=message.claim.at, duration=None) for message in claimed
        ]
        self._recorder.record(cursor, expired)
        return expired
