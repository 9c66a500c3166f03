"""Problems, the worst first. Pure: the templates have the sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from api.mailings.backlog import NONE_OVERDUE, Overdue, Waiting, backlog_of
from api.workers.gateway_state import GatewayState
from api.workers.queries import Fleet
from shared.domain.estimates import seconds_needed
from shared.domain.statuses import MailingStatus

IDLE_END = 3600.0
"""Seconds before its end from which on a mailing that nothing is sent of is a problem; before its start, from which on
it concerns a mailing that nothing could be sent."""

LATE = 30.0
"""Seconds after its start in which a worker that lives will have started a mailing: six polls."""

GRAVE, WORTH_A_LOOK = "danger", "warning"

OF_GATEWAY = {
    GatewayState.MISCONFIGURED: ("misconfigured", GRAVE),
    GatewayState.NO_CREDIT: ("no_credit", GRAVE),
    GatewayState.NOT_UNDERSTOOD: ("not_understood", GRAVE),
    GatewayState.CIRCUIT_OPEN: ("gateway_away", GRAVE),
    GatewayState.NO_ANSWER: ("no_answer", WORTH_A_LOOK),
    GatewayState.LAST_REFUSED: ("last_refused", WORTH_A_LOOK),
    GatewayState.SLOWING: ("gateway_slowing", WORTH_A_LOOK),
}


class Problem(NamedTuple):
    """Something that a person should do something about."""

    code: str
    level: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do."""

    waiting: Mapping[int, Waiting] = field(default_factory=dict)
    """The messages that wait in running mailings."""
    overdue: Overdue = NONE_OVERDUE
    overdue_clients: Mapping[int, int] = field(default_factory=dict)
    """About how many clients the first of the overdue mailings are for."""

    @property
    def due(self) -> int:
        """Messages that wait in running mailings."""
        return sum(mailing.messages for mailing in self.waiting.values())


def problems_of(fleet: Fleet, mailings: Sequence[Mapping[str, Any]], load: Load, *, rate: float) -> list[Problem]:
    """What is wrong anywhere, these mailings included, with a rate limit of `rate` a second (0: none)."""
    found = [*fleet_problems(fleet, load), *_of_silent_workers(fleet)]
    found.extend(_of_mailings(mailings, fleet, load, rate))
    return _worst_first(found)


def problems_about(mailing: Mapping[str, Any], fleet: Fleet, load: Load, *, rate: float) -> list[Problem]:
    """What concerns one mailing: of the gateway and the workers only while it has something to send, or soon will.

    Without `nobody_matches`, which is among the mailing's own warnings.
    """
    own_id = mailing["id"]
    own = Load({one: waiting for one, waiting in load.waiting.items() if one == own_id})
    if is_overdue(mailing, fleet.now):
        clients = {one: count for one, count in load.overdue_clients.items() if one == own_id}
        own = Load(own.waiting, Overdue(1, mailing["start_datetime"], {own_id: mailing["mark"]}), clients)
    found = list(fleet_problems(fleet, own)) if has_to_be_sent(mailing, fleet.now) else []
    of_mailing = (problem for problem in _of_mailings([mailing], fleet, load, rate) if problem.code != "nobody_matches")
    return _worst_first([*found, *of_mailing])


def fleet_problems(fleet: Fleet, load: Load) -> Iterable[Problem]:
    """What keeps everything from being sent."""
    yield from _of_gateway(fleet)
    overdue = load.overdue
    late = overdue.since is not None and (fleet.now - overdue.since).total_seconds() > LATE
    facts = {
        "due": load.due,
        "late": overdue.mailings,
        "since": overdue.since,
        "clients": sum(load.overdue_clients.values()),
    }
    if not fleet.alive:
        level = GRAVE if load.due or overdue.mailings else WORTH_A_LOOK  # with nothing to do, one need not be there
        yield Problem("no_worker", level, facts | {"last": fleet.last_report})
    elif late:
        yield Problem("not_started", GRAVE, facts)


def is_overdue(mailing: Mapping[str, Any], now: datetime) -> bool:
    """Whether its start has come, and no worker has started it."""
    return mailing["status"] is MailingStatus.SCHEDULED and mailing["start_datetime"] <= now


def has_to_be_sent(mailing: Mapping[str, Any], now: datetime) -> bool:
    """Whether a mailing has something to send now or within IDLE_END."""
    if mailing["status"] is MailingStatus.SCHEDULED:
        return bool((mailing["start_datetime"] - now).total_seconds() <= IDLE_END)
    messages = mailing["messages"]
    has_messages = messages["pending"] or messages.get("sending") or not mailing["launched_at"]
    return mailing["status"] is MailingStatus.RUNNING and bool(has_messages)


def _worst_first(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.level != GRAVE)


def _of_gateway(fleet: Fleet) -> Iterable[Problem]:
    gateway = fleet.gateway
    if gateway.state not in OF_GATEWAY:
        return
    code, level = OF_GATEWAY[gateway.state]
    since = fleet.trouble_since if gateway.workers else None
    facts = {"gateway": gateway, "answered_at": gateway.answered_at, "asked_at": gateway.asked_at}
    yield Problem(code, level, facts | {"trouble_since": since, "workers": gateway.workers, "of": len(fleet.alive)})


def _of_silent_workers(fleet: Fleet) -> Iterable[Problem]:
    for report in fleet.reports if fleet.alive else ():
        if not report.stopped and not fleet.is_alive(report):
            yield Problem("worker_silent", WORTH_A_LOOK, {"worker": report.worker, "at": report.at})


def _of_mailings(mailings: Sequence[Mapping[str, Any]], fleet: Fleet, load: Load, limit: float) -> Iterable[Problem]:
    speed = min(filter(None, (fleet.accepted_a_second, limit)), default=0.0)
    for mailing in mailings:
        facts = {"id": mailing["id"], "end": mailing["end_datetime"]}
        if any(warning.code == "nobody_matches" for warning in mailing["warnings"]):
            yield Problem("nobody_matches", WORTH_A_LOOK, facts | {"mark": mailing["mark"]})
        pending = mailing["messages"]["pending"]
        remaining = (mailing["end_datetime"] - fleet.now).total_seconds()
        if not pending or remaining <= 0:
            continue
        needed = seconds_needed(pending, speed, backlog_of(load.waiting, apart_from=mailing["id"]))
        if mailing["status"] is MailingStatus.PAUSED:
            if remaining < IDLE_END:
                yield Problem("paused_near_end", WORTH_A_LOOK, facts | {"pending": pending})
        elif (needed is None and remaining < IDLE_END) or (needed or 0.0) > remaining:
            yield Problem("end_is_near", WORTH_A_LOOK, facts | {"pending": pending, "needed": needed})
