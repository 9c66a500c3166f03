"""The rules of a mailing: pure, without a clock and without a session."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingStatus, OnUnknown
from shared.domain.transitions import MailingCause, mailing_destinations, mailing_ends
from shared.errors import Conflict, Invalid

MAX_TEXT = 1600
"""Characters of a text: what gateways commonly accept as one message of several segments."""

ENDED = (MailingStatus.FINISHED, MailingStatus.CANCELLED)
"""The states that a mailing never leaves."""


class Mailing(Protocol):
    """What the rules read of a mailing: a row of its table has it (shared/schema/mailings.py)."""

    @property
    def id(self) -> int: ...
    @property
    def status(self) -> MailingStatus: ...
    @property
    def end_datetime(self) -> datetime: ...
    @property
    def audience(self) -> int: ...
    @property
    def launch_began(self) -> bool: ...
    @property
    def launch_started_at(self) -> datetime | None: ...
    @property
    def launched_at(self) -> datetime | None: ...
    @property
    def settled_at(self) -> datetime | None: ...
    @property
    def purge_started_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingFields:
    """The fields of a mailing that a person sets. All other fields are its history."""

    mark: str
    text: str
    start_datetime: datetime
    end_datetime: datetime
    on_unknown: OnUnknown = OnUnknown.RESEND
    route: str | None = None
    """The name of the route of its messages; None for the one that each number has."""


class Action(enum.StrEnum):
    """What a person can do to a mailing as a whole."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


CAUSES = {
    Action.PAUSE: MailingCause.PAUSED,
    Action.RESUME: MailingCause.RESUMED,
    Action.CANCEL: MailingCause.CANCELLED,
}

NOTHING_TO = {
    Action.PAUSE: ErrorCode.NOTHING_TO_PAUSE,
    Action.RESUME: ErrorCode.NOTHING_TO_RESUME,
    Action.CANCEL: ErrorCode.NOTHING_TO_CANCEL,
}
"""What is said of an action on a mailing that is over."""


FIXED_BY_LAUNCH = {
    "mark": ErrorCode.MARK_IS_FIXED,
    "start_datetime": ErrorCode.START_IS_FIXED,
    "route": ErrorCode.ROUTE_IS_FIXED,
}
"""What is said of a change of these fields once the launch has begun."""


class MailingWarning(NamedTuple):
    """Something about a mailing that is legal but probably not intended."""

    code: str
    message: str


WINDOW_CLOSED = MailingWarning("window_closed", "Its window has closed: nothing will be sent any more.")
UNENDED_MESSAGES = MailingWarning(
    "unended_messages",
    "It has ended, but some of its messages have not. An administrator can reopen it: flask ledger reopen.",
)
LEDGER_REMOVED = MailingWarning("ledger_removed", "Its messages are no longer kept: these counts remain.")
NO_CLIENT_MATCHES = MailingWarning("nobody_matches", "No client has its mark as operator code or as tag.")


def check_fields(terms: MailingFields) -> None:
    """Raises Invalid when the window doesn't end after its start."""
    if terms.end_datetime <= terms.start_datetime:
        raise Invalid("end_datetime", ErrorCode.END_NOT_AFTER_START)


def check_change(mailing: Mailing, before: MailingFields, after: MailingFields) -> list[str]:
    """The names of the fields that change, in the order of MailingFields.

    Raises Invalid for values that no mailing can have, and Conflict for a change that comes too late: once the launch
    has begun, the mark, the start and the route are fixed; once the mailing has ended, everything is.
    """
    check_fields(after)
    changed = [term.name for term in fields(MailingFields) if getattr(before, term.name) != getattr(after, term.name)]
    if changed and mailing.status in ENDED:
        raise Conflict(changed[0], ErrorCode.MAILING_IS_OVER, mailing=mailing.id, status=mailing.status.value)
    if mailing.launch_began:
        for term, code in FIXED_BY_LAUNCH.items():
            if term in changed:
                raise Conflict(term, code, mailing=mailing.id)
    return changed


def status_after(mailing: Mailing, action: Action) -> MailingStatus:
    """The status that an action leads to. Repeating an action changes nothing.

    Raises Conflict for a mailing that is over.
    """
    cause = CAUSES[action]
    if mailing.status in mailing_ends(cause):
        return mailing.status
    possible = mailing_destinations(mailing.status, cause)
    if not possible:
        raise Conflict("status", NOTHING_TO[action], mailing=mailing.id, status=mailing.status.value)
    if action is Action.RESUME:
        return MailingStatus.RUNNING if mailing.launch_began else MailingStatus.SCHEDULED
    (status,) = possible
    return status


def check_retry(mailing: Mailing, now: datetime) -> None:
    """Raises Conflict for a mailing whose messages can't be tried again."""
    if mailing.status is MailingStatus.CANCELLED:
        raise Conflict("status", ErrorCode.MAILING_IS_CANCELLED, mailing=mailing.id)
    if mailing.launched_at is None:
        raise Conflict("status", ErrorCode.NOT_LAUNCHED, mailing=mailing.id)
    if mailing.purge_started_at is not None:
        raise Conflict("status", ErrorCode.LEDGER_REMOVED, mailing=mailing.id)
    if mailing.end_datetime <= now:
        raise Conflict("end_datetime", ErrorCode.WINDOW_CLOSED, mailing=mailing.id)


def warnings_about(
    mailing: Mailing, *, has_matching_client: bool, open_messages: int = 0, now: datetime
) -> list[MailingWarning]:
    """What the author should check.

    `has_matching_client`: whether any client matches the mark; used until the launch begins.
    `open_messages`: the number of messages that have not ended yet.
    """
    warnings = []
    if mailing.status not in ENDED and mailing.end_datetime <= now:
        warnings.append(WINDOW_CLOSED)
    if _audience_will_be_empty(mailing, has_matching_client) or _audience_was_empty(mailing):
        warnings.append(NO_CLIENT_MATCHES)
    if mailing.settled_at is not None and open_messages:
        warnings.append(UNENDED_MESSAGES)
    if mailing.purge_started_at is not None:
        warnings.append(LEDGER_REMOVED)
    return warnings


def _audience_will_be_empty(mailing: Mailing, has_matching_client: bool) -> bool:
    return mailing.launch_started_at is None and mailing.status not in ENDED and not has_matching_client


def _audience_was_empty(mailing: Mailing) -> bool:
    return mailing.launched_at is not None and mailing.audience == 0
