"""Reclaiming expired leases: their attempts may have reached the gateway, with an unknown result."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from shared.sql import claims
from worker.attempt_recorder import AttemptRecorder
from worker.claim_rows import ClaimRow, delete_ended, lock_held
from worker.claimed_message import AttemptResult, MessageGateway
from worker.database import Database
from worker.rows import fetch_all

log = logging.getLogger(__name__)

RECLAIM_LIMIT = 10
"""Claims reclaimed in one transaction: a few thousand messages at most."""

LEASE_EXPIRED = SubmitResult(Result.AMBIGUOUS, reason=Reason(ReasonCode.LEASE_EXPIRED))


class LeaseReclaimer:
    """Reclaims expired leases. For one thread."""

    def __init__(
        self,
        database: Database,
        recorder: AttemptRecorder,
        *,
        lease_seconds: float,
        gateways: Mapping[str, MessageGateway] = MappingProxyType({}),
    ) -> None:
        """`lease_seconds` is this worker's setting; other workers may have longer leases.

        `gateways` are those that the worker knows, by name; it may change them.
        """
        self._gateways = gateways
        self._database = database
        self._recorder = recorder
        self._lease_seconds = lease_seconds

    def run(self) -> int:
        """Ends the attempts of claims whose lease has expired, with an ambiguous result. Returns their number."""
        expired = self._database.transaction(self._reclaim)
        for attempt in expired:
            log.warning("lease.expired", extra={**attempt.message.log_fields(), "holder": attempt.message.worker})
        return len(expired)

    def _reclaim(self, cursor: Cursor) -> list[AttemptResult]:
        cursor.execute(claims.RENEW_LEASES, {"lease": self._lease_seconds, "limit": RECLAIM_LIMIT})
        if cursor.rowcount:  # dated in the future: the clock was set back, and they start again
            log.warning("leases.renewed", extra={"claims": cursor.rowcount})
        cursor.execute(claims.FIND_EXPIRED, {"limit": RECLAIM_LIMIT})
        found = fetch_all(cursor, ClaimRow)
        if not found:
            return []
        expired = [
            AttemptResult(message, LEASE_EXPIRED, started_at=message.claim.at, duration=None)
            for message in lock_held(cursor, found, self._gateways)
        ]
        self._recorder.record(cursor, expired)
        delete_ended(cursor, found)
        return expired
