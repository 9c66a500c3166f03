"""What a person can do to a mailing, with what follows from it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.mailing_rules import ENDED, Action, check_retry, status_after
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.errors import Conflict
from shared.schema import Mailing


class MailingAction(enum.StrEnum):
    """Each has a page that says what will follow, and asks."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY_FAILED = "retry-failed"
    RETRY_UNKNOWN = "retry-unknown"
    REMOVE = "remove"


RETRIED = {MailingAction.RETRY_FAILED: MessageStatus.FAILED, MailingAction.RETRY_UNKNOWN: MessageStatus.UNKNOWN}


def available_actions(mailing: Mapping[str, Any], now: datetime) -> list[MailingAction]:
    """Those that make sense for a mailing as it stands; the rules have the last word when one is done."""
    status, messages = mailing["status"], mailing["messages"]
    deeds = []
    if status in (MailingStatus.SCHEDULED, MailingStatus.RUNNING):
        deeds.append(MailingAction.PAUSE)
    if status is MailingStatus.PAUSED:
        deeds.append(MailingAction.RESUME)
    is_retriable = mailing["launched_at"] and not mailing["purge_started_at"] and now < mailing["end_datetime"]
    if is_retriable and status is not MailingStatus.CANCELLED:
        deeds += [MailingAction.RETRY_FAILED] if messages["failed"] else []
        deeds += [MailingAction.RETRY_UNKNOWN] if messages["unknown"] else []
    if status not in ENDED:
        deeds.append(MailingAction.CANCEL)
    return [*deeds, MailingAction.REMOVE]


def refusal_of(deed: MailingAction, mailing: Mailing, messages: Mapping[str, int], now: datetime) -> str | None:
    """Why the deed would be refused, or would change nothing, as the mailing stands; none if it would not.

    `messages` tells how many there are in each status.
    """
    try:
        if status := RETRIED.get(deed):
            check_retry(mailing, now)
            return None if messages[status] else f"Mailing {mailing.id} has no {status.value} messages."
        if deed is not MailingAction.REMOVE and status_after(mailing, Action(deed.value)) is mailing.status:
            return f"Mailing {mailing.id} is {mailing.status.value} already."
    except Conflict as refusal:
        return str(refusal)
    return None


def still_so(done: str, mailing: Mapping[str, Any]) -> bool:
    """Whether the mailing is where a deed has taken it: somebody else may have taken it elsewhere since."""
    status = mailing["status"]
    match done:
        case MailingAction.PAUSE:
            return status is MailingStatus.PAUSED
        case MailingAction.RESUME:
            return status in (MailingStatus.SCHEDULED, MailingStatus.RUNNING)
        case MailingAction.CANCEL:
            return status is MailingStatus.CANCELLED
    return True


def starts_in(mailing: Mapping[str, Any], now: datetime) -> int | None:
    """Seconds until a mailing starts, and can be undone; none when it has started, or does not wait for its start."""
    if mailing["status"] is not MailingStatus.SCHEDULED or mailing["launch_started_at"]:
        return None
    left = (mailing["start_datetime"] - now).total_seconds()
    return int(left) if left >= 1 else None
