"""The state of a gateway, by reports of workers and by the last request. Pure.

The contract has no health check, so an idle gateway is never reported as working.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.reasons import Parameters
from shared.domain.results import OF_THE_ACCOUNT
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import DEFAULT_GATEWAY
from shared.schema import GatewayContact, WorkerReport

FRESH_SECONDS = 60.0
"""Seconds after its last response for which a gateway counts as working. After the same time a worker treats its state
as unknown, and sends one message alone first (worker/lanes/circuit_breaker.py, UNKNOWN_AFTER)."""


class GatewayState(enum.StrEnum):
    """The state of a gateway, as far as it is known."""

    OK = "ok"
    """It has responded within FRESH_SECONDS, and no worker reports a problem."""
    IDLE = "idle"
    """It responded to the last request, longer than FRESH_SECONDS ago."""
    UNASKED = "unasked"
    """There has been no request to it."""
    NO_ANSWER = "no_answer"
    """The last request had no response."""
    LAST_REFUSED = "last_refused"
    """The last request was refused because of the account, and no live worker reports otherwise."""
    SLOWING = "slowing"
    CIRCUIT_OPEN = "circuit_open"
    MISCONFIGURED = "misconfigured"
    NO_CREDIT = "no_credit"
    NOT_UNDERSTOOD = "not_understood"
    """The last five are what a worker reports (shared/domain/worker_status.py)."""


class ConfiguredGateway(NamedTuple):
    """A gateway as it is in the database."""

    name: str
    is_paused: bool = False
    is_available: bool = True
    """Whether routes with several gateways use it now."""


class Since(NamedTuple):
    """When something began."""

    at: datetime
    at_least: bool
    """Whether it may have begun earlier: older reports are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The state of a gateway by the workers' reports and the last request."""

    name: str = DEFAULT_GATEWAY
    is_paused: bool = False
    is_available: bool = True
    accepted_a_second: float = 0.0
    state_since: Since | None = None
    """Since when the worker with the worst state has reported that."""
    reports: int = 0
    """Live workers that report about it."""
    state: GatewayState
    provider_code: str | None = None
    reason_code: str | None = None
    reason_params: Parameters | None = None
    """The last error of the gateway or the network, if any."""
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    workers: int = 0
    """Workers that report this state; 0 if it is from the last request."""


def gateway_of(alive: Sequence[WorkerReport], contact: GatewayContact | None, now: datetime) -> Gateway:
    """The gateway by the last reports of live workers and by the last request of any worker."""
    asked_at, answered_at = (contact.asked_at, contact.answered_at) if contact else (None, None)
    fresh = answered_at is not None and (now - answered_at).total_seconds() <= FRESH_SECONDS
    worst = worst_of(alive)
    # Throttling some time ago is not a problem now.
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
    """The report with the worst gateway state."""
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
