"""What is known of the gateway, and how old it is. Pure.

Nobody asks an idle gateway anything: the contract has no such request. So nothing is called well that nobody has seen.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.reasons import Parameters
from shared.domain.results import OF_THE_ACCOUNT
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
    CIRCUIT_OPEN = "circuit_open"
    MISCONFIGURED = "misconfigured"
    NO_CREDIT = "no_credit"
    NOT_UNDERSTOOD = "not_understood"
    """The last five are what a worker reports (shared/domain/worker_status.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the workers and the last request tell of the gateway."""

    state: GatewayState
    provider_code: str | None = None
    reason_code: str | None = None
    reason_params: Parameters | None = None
    """What it or the network last said, unless all is well."""
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
    if worst is not None and worst.gateway_state not in well:
        seen = sum(report.gateway_state is worst.gateway_state for report in alive)
        return Gateway(
            state=GatewayState(worst.gateway_state.value),
            asked_at=asked_at,
            answered_at=answered_at,
            workers=seen,
            **_said(worst),
        )
    state = _of_last_request(contact, fresh=fresh)
    failed = contact if state in (GatewayState.LAST_REFUSED, GatewayState.NO_ANSWER) else None
    return Gateway(state=state, asked_at=asked_at, answered_at=answered_at, **_said(failed))


def worst_of(alive: Sequence[WorkerReport]) -> WorkerReport | None:
    """The report of the worker that has the most trouble with the gateway."""
    from_best = list(GatewayHealth)
    return max(alive, key=lambda report: from_best.index(report.gateway_state), default=None)


def _of_last_request(contact: GatewayContact | None, *, fresh: bool) -> GatewayState:
    if contact is None:
        return GatewayState.UNASKED
    if fresh:
        return GatewayState.OK
    if contact.result in OF_THE_ACCOUNT:
        return GatewayState.LAST_REFUSED
    if contact.answered_at is None or contact.answered_at < contact.asked_at:
        return GatewayState.NO_ANSWER
    return GatewayState.IDLE


def _said(by: WorkerReport | GatewayContact | None) -> dict[str, Any]:
    return {name: getattr(by, name, None) for name in ("provider_code", "reason_code", "reason_params")}
