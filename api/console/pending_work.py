"""The pending work, and the problems that prevent sending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from api.console.alerts import START_TOLERANCE, PendingWork, Problem, fleet_problems
from api.mailings.audience_count import count_audience
from api.mailings.waiting_messages import backlog_of, overdue_mailings, waiting_messages
from api.workers.queries import Fleet
from shared.domain.estimates import seconds_needed


def pending_work(fleet: Fleet) -> PendingWork:
    """Pending messages and overdue mailings. The audience of overdue mailings is counted if they are late."""
    overdue = overdue_mailings()
    late = overdue.since is not None and (
        not fleet.alive or (fleet.now - overdue.since).total_seconds() > START_TOLERANCE
    )
    recipients = overdue.recipients if late else {}
    clients = {mailing_id: count_audience(one).clients for mailing_id, one in recipients.items()}
    return PendingWork(waiting_messages(), overdue, clients)


def current_problems(fleet: Fleet) -> list[Problem]:
    """The problems that prevent sending now."""
    return list(fleet_problems(fleet, pending_work(fleet)))


def seconds_left(mailing: Mapping[str, Any], fleet: Fleet, load: PendingWork) -> float | None:
    """Seconds until a mailing is sent at the current speed, alongside other mailings; None if unknown."""
    others = backlog_of(load.waiting, apart_from=mailing["id"])
    return seconds_needed(mailing["messages"]["pending"], fleet.accepted_a_second, others)


def rate_limit() -> float:
    """Messages a second that GATEWAY_RATE allows; 0 is no limit."""
    return float(current_app.config["GATEWAY_RATE"])
