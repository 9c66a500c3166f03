"""The actions that are available for a mailing. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.mailing_rules import ENDED, Action, Mailing, check_retry, status_after
from shared.domain.sentences import ErrorCode, Sentence
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.errors import Conflict


class MailingAction(enum.StrEnum):
    """An action with a confirmation page."""

    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY_FAILED = "retry-failed"
    RETRY_UNKNOWN = "retry-unknown"
    REMOVE = "remove"


RETRIED = {MailingAction.RETRY_FAILED: MessageStatus.FAILED, MailingAction.RETRY_UNKNOWN: MessageStatus.UNKNOWN}


def available_actions(mailing: Mapping[str, Any], now: datetime) -> list[MailingAction]:
    """The actions that are allowed in this state; the rules check again when one is performed."""
    status, messages = mailing["status"], mailing["messages"]
    actions = [MailingAction.APPROVE] if awaits_approval(mailing) else []
    if status in (MailingStatus.SCHEDULED, MailingStatus.RUNNING):
        actions.append(MailingAction.PAUSE)
    if status is MailingStatus.PAUSED:
        actions.append(MailingAction.RESUME)
    is_retriable = mailing["launched_at"] and not mailing["purge_started_at"] and now < mailing["end_datetime"]
    if is_retriable and status is not MailingStatus.CANCELLED:
        actions += [MailingAction.RETRY_FAILED] if messages["failed"] else []
        actions += [MailingAction.RETRY_UNKNOWN] if messages["unknown"] else []
    if status not in ENDED:
        actions.append(MailingAction.CANCEL)
    return [*actions, MailingAction.REMOVE]


def awaits_approval(mailing: Mapping[str, Any]) -> bool:
    """Whether it does not run before a second person has approved it."""
    return bool(mailing["requires_approval"]) and mailing["approved_at"] is None and mailing["status"] not in ENDED


def refusal_of(action: MailingAction, mailing: Mailing, messages: Mapping[str, int], now: datetime) -> Sentence | None:
    """Why the action would be refused, or would change nothing; None if neither.

    `messages` are the counts by status.
    """
    try:
        if status := RETRIED.get(action):
            check_retry(mailing, now)
            none = ErrorCode.NO_MESSAGES_OF_STATUS(mailing=mailing.id, status=status.value)
            return None if messages[status] else none
        if action in (MailingAction.APPROVE, MailingAction.REMOVE):
            return None  # check_approval says who may approve
        if status_after(mailing, Action(action.value)) is mailing.status:
            return ErrorCode.STATUS_ALREADY(mailing=mailing.id, status=mailing.status.value)
    except Conflict as refusal:
        return refusal.sentence
    return None


def is_still_so(done: str, mailing: Mapping[str, Any]) -> bool:
    """Whether the mailing is still in the state that the action led to. Another action may have changed it since."""
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
    """Seconds until a scheduled mailing starts, during which it can be undone; None if it is not scheduled."""
    if mailing["status"] is not MailingStatus.SCHEDULED or mailing["launch_started_at"]:
        return None
    left = (mailing["start_datetime"] - now).total_seconds()
    return int(left) if left >= 1 else None
