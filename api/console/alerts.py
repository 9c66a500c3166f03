"""Problems, most severe first. Pure: the templates have the sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from api.mailings.audience_count import Recipients
from api.mailings.waiting_messages import NONE_OVERDUE, Overdue, Waiting, backlog_of
from api.workers.gateway_state import GatewayState
from api.workers.queries import Fleet
from shared.domain.estimates import seconds_needed
from shared.domain.statuses import MailingStatus
from shared.gateways.base import DEFAULT_GATEWAY

IDLE_WARNING_SECONDS = 3600.0
"""Seconds before its end for which a mailing that is not being sent is a problem; and seconds before its start for
which problems of the gateway or the workers are shown for it."""

START_TOLERANCE = 30.0
"""Seconds after its start within which a live worker starts a mailing: six polls."""

DANGER, WARNING = "danger", "warning"

OWN_WARNINGS = frozenset({"nobody_matches", "awaiting_approval"})
"""Problems that the page of a mailing shows as its warnings."""

OF_GATEWAY = {
    GatewayState.MISCONFIGURED: ("misconfigured", DANGER),
    GatewayState.NO_CREDIT: ("no_credit", DANGER),
    GatewayState.NOT_UNDERSTOOD: ("not_understood", DANGER),
    GatewayState.CIRCUIT_OPEN: ("gateway_away", DANGER),
    GatewayState.NO_ANSWER: ("no_answer", WARNING),
    GatewayState.LAST_REFUSED: ("last_refused", WARNING),
    GatewayState.SLOWING: ("gateway_slowing", WARNING),
}


class Problem(NamedTuple):
    """A problem that needs a person's action."""

    code: str
    level: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PendingWork:
    """The pending work."""

    waiting: Mapping[int, Waiting] = field(default_factory=dict)
    """The pending messages of running mailings, by mailing id."""
    overdue: Overdue = NONE_OVERDUE
    overdue_clients: Mapping[int, int] = field(default_factory=dict)
    """The approximate audience of the first overdue mailings, by mailing id."""

    @property
    def due(self) -> int:
        """The number of pending messages of running mailings."""
        return sum(mailing.messages for mailing in self.waiting.values())


def problems_of(
    fleet: Fleet, mailings: Sequence[Mapping[str, Any]], load: PendingWork, *, rate: float
) -> list[Problem]:
    """All problems, including those of these mailings, with a rate limit of `rate` a second (0: none)."""
    found = [*fleet_problems(fleet, load), *_of_silent_workers(fleet)]
    found.extend(_of_mailings(mailings, fleet, load, rate))
    return _worst_first(found)


def problems_about(mailing: Mapping[str, Any], fleet: Fleet, load: PendingWork, *, rate: float) -> list[Problem]:
    """The problems of one mailing, with those of the gateway and the workers if it has something to send now or soon.

    Without those that are among the mailing's own warnings.
    """
    own_id = mailing["id"]
    own = PendingWork({other_id: waiting for other_id, waiting in load.waiting.items() if other_id == own_id})
    if is_overdue(mailing, fleet.now):
        clients = {other_id: count for other_id, count in load.overdue_clients.items() if other_id == own_id}
        own = PendingWork(
            own.waiting, Overdue(1, mailing["start_datetime"], {own_id: Recipients(mailing["mark"])}), clients
        )
    found = list(fleet_problems(fleet, own)) if has_to_be_sent(mailing, fleet.now) else []
    of_mailing = (one for one in _of_mailings([mailing], fleet, load, rate) if one.code not in OWN_WARNINGS)
    return _worst_first([*found, *of_mailing])


def _has_warning(mailing: Mapping[str, Any], code: str) -> bool:
    return any(warning.code == code for warning in mailing["warnings"])


def fleet_problems(fleet: Fleet, load: PendingWork) -> Iterable[Problem]:
    """The problems that affect all mailings."""
    yield from _of_gateways(fleet, load)
    overdue = load.overdue
    late = overdue.since is not None and (fleet.now - overdue.since).total_seconds() > START_TOLERANCE
    facts = {
        "due": load.due,
        "late": overdue.mailings,
        "since": overdue.since,
        "clients": sum(load.overdue_clients.values()),
    }
    if not fleet.alive:
        level = DANGER if load.due or overdue.mailings else WARNING  # without work, no worker is needed
        yield Problem("no_worker", level, facts | {"last": fleet.last_report})
    elif late:
        yield Problem("not_started", DANGER, facts)


def is_overdue(mailing: Mapping[str, Any], now: datetime) -> bool:
    """Whether its start has passed, but no worker has started it. One that waits for approval is not overdue."""
    is_due = mailing["status"] is MailingStatus.SCHEDULED and mailing["start_datetime"] <= now
    return is_due and not _has_warning(mailing, "awaiting_approval")


def has_to_be_sent(mailing: Mapping[str, Any], now: datetime) -> bool:
    """Whether a mailing has something to send now or within IDLE_WARNING_SECONDS."""
    if mailing["status"] is MailingStatus.SCHEDULED:
        return bool((mailing["start_datetime"] - now).total_seconds() <= IDLE_WARNING_SECONDS)
    messages = mailing["messages"]
    has_messages = messages["pending"] or messages.get("sending") or not mailing["launched_at"]
    return mailing["status"] is MailingStatus.RUNNING and bool(has_messages)


def _worst_first(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.level != DANGER)


def _of_gateways(fleet: Fleet, load: PendingWork) -> Iterable[Problem]:
    gateways = fleet.gateways
    if all(gateway.is_paused for gateway in gateways):
        yield Problem("all_paused", DANGER if load.due else WARNING, {"due": load.due})
    for gateway in gateways:
        if gateway.state not in OF_GATEWAY or gateway.is_paused:
            continue
        code, level = OF_GATEWAY[gateway.state]
        facts = {
            "gateway": gateway,
            "name": gateway.name if len(gateways) > 1 else None,
            "of_environment": gateway.name == DEFAULT_GATEWAY,
            "answered_at": gateway.answered_at,
            "asked_at": gateway.asked_at,
            "state_since": gateway.state_since if gateway.workers else None,
            "workers": gateway.workers,
            "of": gateway.reports,
        }
        yield Problem(code, level, facts)


def _of_silent_workers(fleet: Fleet) -> Iterable[Problem]:
    for report in fleet.silent if fleet.alive else ():
        yield Problem("worker_silent", WARNING, {"worker": report.worker, "at": report.at})


def _of_mailings(
    mailings: Sequence[Mapping[str, Any]], fleet: Fleet, load: PendingWork, limit: float
) -> Iterable[Problem]:
    speed = min(filter(None, (fleet.accepted_a_second, limit)), default=0.0)
    for mailing in mailings:
        facts = {"id": mailing["id"], "end": mailing["end_datetime"]}
        if _has_warning(mailing, "awaiting_approval"):
            yield Problem("awaiting_approval", WARNING, facts | {"start": mailing["start_datetime"]})
        if _has_warning(mailing, "nobody_matches"):
            yield Problem("nobody_matches", WARNING, facts | {"mark": mailing["mark"]})
        pending = mailing["messages"]["pending"]
        remaining = (mailing["end_datetime"] - fleet.now).total_seconds()
        if not pending or remaining <= 0:
            continue
        needed = seconds_needed(pending, speed, backlog_of(load.waiting, apart_from=mailing["id"]))
        if mailing["status"] is MailingStatus.PAUSED:
            if remaining < IDLE_WARNING_SECONDS:
                yield Problem("paused_near_end", WARNING, facts | {"pending": pending})
        elif (needed is None and remaining < IDLE_WARNING_SECONDS) or (needed or 0.0) > remaining:
            yield Problem("end_is_near", WARNING, facts | {"pending": pending, "needed": needed})
