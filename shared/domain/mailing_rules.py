"""The rules of a mailing: pure, without a clock and without a session."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from shared.domain.local_windows import EVERY_DAY
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind, MailingStatus, OnUnknown, OverCap
from shared.domain.transitions import MailingCause, mailing_destinations, mailing_ends
from shared.errors import Conflict, Invalid

MAX_TEXT = 1600
"""Characters of a text: what gateways commonly accept as one message of several segments."""

LOCAL_WINDOW: tuple[str, ...] = ("local_from", "local_until", "local_weekdays", "holiday_calendar_id")
"""The fields of a local window, of a mailing and of the defaults of new ones."""

TIME_RULES: tuple[str, ...] = (*LOCAL_WINDOW, "default_timezone")
"""The fields that decide at which times a client may be written to."""

RULES: tuple[str, ...] = (
    *("kind", *TIME_RULES, "requires_consent"),
    *("over_cap", "spending_limit", "spending_currency"),
)
"""The fields of a mailing that concern when and to whom it may be sent, and what it may cost. Columns of the same names
have them."""

ENDED = (MailingStatus.FINISHED, MailingStatus.CANCELLED)
"""The states of a mailing that has ended. A finished one runs again if its messages are retried or it is reopened."""


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
    def mark(self) -> str: ...
    @property
    def excluded_segment_ids(self) -> Sequence[int]: ...
    @property
    def audience_failed_at(self) -> datetime | None: ...
    @property
    def exclude_unknown_after(self) -> int | None: ...
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
    @property
    def requires_approval(self) -> bool: ...
    @property
    def approved_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingFields:
    """The fields of a mailing that a person sets. All other fields are its history."""

    mark: str = ""
    """Empty for an audience that is a segment."""
    segment: str | None = None
    """A segment that is written for this mailing alone, as a text; None for a mark or a saved one."""
    segment_id: int | None = None
    """The saved segment that is its audience; None for a mark or one that is not saved."""
    excluded_segment_ids: tuple[int, ...] = ()
    """The saved segments whose clients are left out of the audience, in order."""
    text: str
    start_datetime: datetime
    end_datetime: datetime
    on_unknown: OnUnknown = OnUnknown.RESEND
    route: str | None = None
    """The name of the route of its messages; None for the one that each number has."""
    exclude_unknown_after: int | None = None
    """Clients whose number so many receipts in a row called unknown are left out; None for nobody."""
    kind: MailingKind = MailingKind.MARKETING
    local_from: int | None = None
    """The first minute of the day of its local window; None without one (shared/domain/local_windows.py)."""
    local_until: int | None = None
    local_weekdays: int | None = None
    holiday_calendar_id: int | None = None
    default_timezone: str | None = None
    requires_consent: bool = False
    over_cap: OverCap = OverCap.WAIT
    spending_limit: Decimal | None = None
    spending_currency: str | None = None


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
    "segment": ErrorCode.MARK_IS_FIXED,
    "segment_id": ErrorCode.MARK_IS_FIXED,
    "excluded_segment_ids": ErrorCode.EXCLUSION_IS_FIXED,
    "start_datetime": ErrorCode.START_IS_FIXED,
    "route": ErrorCode.ROUTE_IS_FIXED,
    "exclude_unknown_after": ErrorCode.EXCLUSION_IS_FIXED,
    "kind": ErrorCode.KIND_IS_FIXED,
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

EVERYBODY_LEFT_OUT = MailingWarning(
    "nobody_matches", "No client has its mark, or all who do are left out: their numbers are not in service."
)

NO_CLIENT_IN_AUDIENCE = MailingWarning(
    "nobody_matches", "Its segment matches no client, or all whom it matches are left out."
)
"""Said of an audience that is a segment, or leaves segments out."""

NOT_LISTED = MailingWarning(
    "audience_not_listed", "Its clients could not be listed: it is paused. Its history says why, and what to do."
)


AWAITING_APPROVAL = MailingWarning(
    "awaiting_approval", "It waits for the approval of a second person, and does not run before."
)


def check_fields(terms: MailingFields) -> None:
    """Raises Invalid when the window doesn't end after its start, or a rule is half given."""
    if terms.end_datetime <= terms.start_datetime:
        raise Invalid("end_datetime", ErrorCode.END_NOT_AFTER_START)
    check_local_window(terms)
    check_limit("spending_limit", terms.spending_limit, terms.spending_currency)


def check_limit(field: str, limit: Decimal | None, currency: str | None) -> None:
    """Raises Invalid when a spending limit, which the field has, lacks its amount or its `spending_currency`."""
    if (limit is None) != (currency is None):
        raise Invalid(field if limit is None else "spending_currency", ErrorCode.LIMIT_NEEDS_A_CURRENCY)


class LocalWindowTerms(Protocol):
    """The fields of a local window."""

    @property
    def local_from(self) -> int | None: ...
    @property
    def local_until(self) -> int | None: ...
    @property
    def local_weekdays(self) -> int | None: ...
    @property
    def holiday_calendar_id(self) -> int | None: ...


def check_local_window(terms: LocalWindowTerms) -> None:
    """Raises Invalid when a local window lacks a part, or doesn't end after its beginning."""
    window = {name: getattr(terms, name) for name in ("local_from", "local_until", "local_weekdays")}
    missing = [name for name, value in window.items() if value is None]
    if len(missing) not in (0, len(window)):
        raise Invalid(missing[0], ErrorCode.LOCAL_WINDOW_IS_NOT_WHOLE)
    if terms.local_from is None or terms.local_until is None:
        if terms.holiday_calendar_id is not None:
            raise Invalid("holiday_calendar_id", ErrorCode.HOLIDAYS_NEED_A_LOCAL_WINDOW)
        return
    if terms.local_until <= terms.local_from:
        raise Invalid("local_until", ErrorCode.LOCAL_UNTIL_NOT_AFTER_FROM)


def with_weekdays(given: Mapping[str, Any], before: int | None = None) -> dict[str, Any]:
    """The given fields; with every day of the week, if they have a local window without weekdays, and there were none
    before.
    """
    if given.get("local_from") is None or "local_weekdays" in given or before is not None:
        return dict(given)
    return {**given, "local_weekdays": EVERY_DAY}


def check_change(mailing: Mailing, before: MailingFields, after: MailingFields) -> list[str]:
    """The names of the fields that change, in the order of MailingFields.

    Raises Invalid for values that no mailing can have, and Conflict for a change that comes too late: once the launch
    has begun, the fields of FIXED_BY_LAUNCH are fixed; once the mailing has ended, all are.
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

    `has_matching_client`: whether any client matches the mark; used until the launch begins. Segments are evaluated
    only for a plan and at the launch.
    `open_messages`: the number of messages that have not ended yet.
    """
    warnings = []
    if mailing.status not in ENDED and mailing.end_datetime <= now:
        warnings.append(WINDOW_CLOSED)
    if _audience_will_be_empty(mailing, has_matching_client):
        warnings.append(NO_CLIENT_MATCHES)
    elif _audience_was_empty(mailing):
        warnings.append(_nobody_matches(mailing))
    if mailing.requires_approval and mailing.approved_at is None and mailing.status not in ENDED:
        warnings.append(AWAITING_APPROVAL)
    if mailing.audience_failed_at is not None and mailing.status not in ENDED:
        warnings.append(NOT_LISTED)
    if mailing.settled_at is not None and open_messages:
        warnings.append(UNENDED_MESSAGES)
    if mailing.purge_started_at is not None:
        warnings.append(LEDGER_REMOVED)
    return warnings


def _audience_will_be_empty(mailing: Mailing, has_matching_client: bool) -> bool:
    return (
        mailing.launch_started_at is None
        and mailing.status not in ENDED
        and bool(mailing.mark)
        and not has_matching_client
    )


def _nobody_matches(mailing: Mailing) -> MailingWarning:
    if not mailing.mark or mailing.excluded_segment_ids:
        return NO_CLIENT_IN_AUDIENCE
    return NO_CLIENT_MATCHES if mailing.exclude_unknown_after is None else EVERYBODY_LEFT_OUT


def _audience_was_empty(mailing: Mailing) -> bool:
    return mailing.launched_at is not None and mailing.audience == 0
