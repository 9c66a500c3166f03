"""Recipients who have opted out at a provider, as its answers say: their numbers are suppressed at that gateway."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.results import Result
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from worker.claimed_message import AttemptResult
from worker.rows import fetch_all
from worker.suppressions import NewSuppression, suppress

log = logging.getLogger(__name__)

# The gateways of these names, which never change.
FIND_GATEWAYS = "SELECT id, name FROM gateway WHERE name = ANY(%(names)s)"


class GatewayRow(NamedTuple):
    """A row of FIND_GATEWAYS."""

    id: int
    name: str


def suppress_opted_out(cursor: Cursor, attempted: Sequence[AttemptResult]) -> None:
    """Suppresses the numbers whose recipients have opted out, as the results of attempts say. Safe to repeat."""
    opted_out = [attempt for attempt in attempted if attempt.submitted.result is Result.OPTED_OUT]
    if not opted_out:
        return
    cursor.execute(FIND_GATEWAYS, {"names": sorted({attempt.message.gateway.name for attempt in opted_out})})
    gateways = {gateway.name: gateway.id for gateway in fetch_all(cursor, GatewayRow)}
    added = suppress(cursor, [_suppression(one, gateways[one.message.gateway.name]) for one in opted_out])
    if added:
        log.info("suppressions.recorded", extra={"source": RecordSource.PROVIDER.value, "suppressions": len(added)})


def _suppression(attempt: AttemptResult, gateway_id: int) -> NewSuppression:
    message, submitted = attempt.message, attempt.submitted
    evidence: dict[str, Any] = {
        "message_id": message.message_id,
        "attempt": message.number,
        "gateway": message.gateway.name,
        "provider_code": submitted.code,
        "provider_message_id": submitted.provider_message_id,
        "words": submitted.reason and submitted.reason.parameters.get("words"),
    }
    return NewSuppression(
        message.phone_number,
        SuppressionScope.GATEWAY,
        gateway_id,
        SuppressionReason.OPTED_OUT,
        RecordSource.PROVIDER,
        {name: value for name, value in evidence.items() if value is not None},
        datetime.fromtimestamp(attempt.started_at + (attempt.duration or 0.0), UTC),
    )
