"""What is wrong just now, the worst first. Pure: the templates put it into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from api.console.fleet import Fleet
from shared.ledger import MailingStatus
from shared.reports import GatewayHealth

IDLE_END = 3600.0
"""Seconds before its end from which on a mailing that nothing is sent of is a problem."""

GRAVE, WORTH_A_LOOK = "danger", "warning"


class Problem(NamedTuple):
    """Something that a person should do something about."""

    code: str
    level: str
    facts: Mapping[str, Any]


def problems_of(fleet: Fleet, mailings: Sequence[Mapping[str, Any]], *, due: int, rate: float) -> list[Problem]:
    """What is wrong, with `due` messages waiting in running mailings and a rate limit of `rate` a second (0: none)."""
    found = [*_of_gateway(fleet), *_of_workers(fleet, due)]
    found.extend(_of_mailings(mailings, fleet, rate))
    return sorted(found, key=lambda problem: problem.level != GRAVE)


def seconds_left(pending: int, all_pending: int, running: int, rate: float) -> float | None:
    """How long sending will take: mailings share the speed evenly, until the others are done. None: nobody can tell."""
    return min(pending * running, all_pending) / rate if rate else None


def _of_gateway(fleet: Fleet) -> Iterable[Problem]:
    worst = fleet.gateway
    if worst is None or worst.gateway is GatewayHealth.OK:
        return
    code = {
        GatewayHealth.REFUSED: "token_refused",
        GatewayHealth.NO_CREDIT: "no_credit",
        GatewayHealth.NOT_UNDERSTOOD: "not_understood",
        GatewayHealth.OPEN: "gateway_away",
        GatewayHealth.SLOWING: "gateway_slowing",
    }[worst.gateway]
    level = WORTH_A_LOOK if worst.gateway is GatewayHealth.SLOWING else GRAVE
    concerned = sum(report.gateway is worst.gateway for report in fleet.alive)
    yield Problem(code, level, {"detail": worst.detail, "workers": concerned, "of": len(fleet.alive)})


def _of_workers(fleet: Fleet, due: int) -> Iterable[Problem]:
    if not fleet.alive:
        yield Problem("no_worker", GRAVE if due else WORTH_A_LOOK, {"due": due})
        return
    for report in fleet.reports:
        if not report.stopped and not fleet.is_alive(report):
            yield Problem("worker_silent", WORTH_A_LOOK, {"worker": report.worker, "at": report.at})


def _of_mailings(mailings: Sequence[Mapping[str, Any]], fleet: Fleet, limit: float) -> Iterable[Problem]:
    waiting = {one["id"]: one["messages"]["pending"] for one in mailings if one["status"] is MailingStatus.RUNNING}
    speed = min(filter(None, (fleet.accepted_a_second, limit)), default=0.0)
    for mailing in mailings:
        facts = {"id": mailing["id"], "end": mailing["end_datetime"]}
        if any(warning.code == "nobody_matches" for warning in mailing["warnings"]):
            yield Problem("nobody_matches", WORTH_A_LOOK, facts | {"mark": mailing["mark"]})
        pending = mailing["messages"]["pending"]
        remaining = (mailing["end_datetime"] - fleet.now).total_seconds()
        if not pending or remaining <= 0:
            continue
        needed = seconds_left(pending, sum(waiting.values()), len(waiting), speed)
        if mailing["status"] is MailingStatus.PAUSED:
            if remaining < IDLE_END:
                yield Problem("paused_near_end", WORTH_A_LOOK, facts | {"pending": pending})
        elif (needed is None and remaining < IDLE_END) or (needed or 0.0) > remaining:
            yield Problem("end_is_near", WORTH_A_LOOK, facts | {"pending": pending, "needed": needed})
