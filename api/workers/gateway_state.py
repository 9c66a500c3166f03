"""What is known of the gateway, and how old it is. Pure.

Nobody asks an idle gateway anything: the contract has no such request. So nothing is called well that nobody has seen.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.statuses import Outcome
from shared.domain.worker_status import GatewayHealth
from shared.schema import GatewayContact, WorkerReport

FRESH = 60.0
"""Seconds after its last answer in which a gateway is known to be well. After as long a worker knows nothing of it any
more, and sends one message alone first (worker/lanes/circuit_breaker.py, UNKNOWN_AFTER)."""


class GatewayState(enum.StrEnum):
    """The gateway, as far as anybody knows."""

    OK = "ok"
    """It has answered lately, and no worker has trouble with it."""
    IDLE = "idle"
    """It answered when it was asked last, and that is a while ago."""
    UNASKED = "unasked"
    """There has been no request to it."""
    NO_ANSWER = "no_answer"
    """The last request had no answer."""
    LAST_REFUSED = "last_refused"
    """The last request was refused for the account, and no worker that lives has seen more."""
    SLOWING = "slowing"
    OPEN = "open"
    REFUSED = "refused"
    NO_CREDIT = "no_credit"
    NOT_UNDERSTOOD = "not_understood"
    """The last five are what a worker reports (shared/domain/worker_status.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the workers and the last request tell of the gateway."""

    state: GatewayState
    detail: str | None = None
    """What it or the network last said, while there is trouble."""
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    workers: int = 0
    """Workers that see this state; 0 if it is that of the last request."""


def gateway_of(alive: Sequence[WorkerReport], contact: GatewayContact | None, now: datetime) -> Gateway:
    """The gateway by the last reports of the workers that live and by the last request of all."""
    asked_at, answered_at = (contact.asked_at, contact.answered_at) if contact else (None, None)
    fresh = answered_at is not None and (now - answered_at).total_seconds() <= FRESH
    worst = worst_of(alive)
    # To have asked for fewer requests some time ago is no trouble.
    well = (GatewayHealth.OK,) if fresh else (GatewayHealth.OK, GatewayHealth.SLOWING)
    if worst is not None and worst.gateway not in well:
        seen = sum(report.gateway is worst.gateway for report in alive)
        return Gateway(
            state=GatewayState(worst.gateway.value),
            detail=worst.detail,
            asked_at=asked_at,
            answered_at=answered_at,
            workers=seen,
        )
    state, detail = _of_last_request(contact, fresh=fresh)
    return Gateway(state=state, detail=detail, asked_at=asked_at, answered_at=answered_at)


def worst_of(alive: Sequence[WorkerReport]) -> WorkerReport | None:
    """The report of the worker that has the most trouble with the gateway."""
    from_best = list(GatewayHealth)
    return max(alive, key=lambda report: from_best.index(report.gateway), default=None)


def _of_last_request(contact: GatewayContact | None, *, fresh: bool) -> tuple[GatewayState, str | None]:
    if contact is None:
        return GatewayState.UNASKED, None
    if fresh:
        return GatewayState.OK, None
    if contact.outcome is Outcome.UNAUTHORIZED:
        return GatewayState.LAST_REFUSED, contact.detail
    if contact.answered_at is None or contact.answered_at < contact.asked_at:
        return GatewayState.NO_ANSWER, contact.detail
    return GatewayState.IDLE, None
