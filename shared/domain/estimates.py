"""Estimates for a mailing that is not created yet: pure functions, without a clock and without a session."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import NamedTuple

from shared.domain.mailing_rules import (
    EVERYBODY_LEFT_OUT,
    NO_CLIENT_IN_AUDIENCE,
    NO_CLIENT_MATCHES,
    WINDOW_CLOSED,
    MailingWarning,
)


class Backlog(NamedTuple):
    """The messages that already wait to be sent, by mailing. Each mailing gets an equal share of the rate."""

    waiting: tuple[int, ...]
    """Messages of each mailing that has any."""

    @property
    def messages(self) -> int:
        """The number of waiting messages of all mailings."""
        return sum(self.waiting)

    @property
    def mailings(self) -> int:
        """The number of mailings."""
        return len(self.waiting)

    def after(self, sent: float) -> Backlog:
        """What remains once that many messages have been sent, the same number of each mailing."""
        left, level = sent, 0.0
        ascending = sorted(self.waiting)
        for place, messages in enumerate(ascending):
            others = len(ascending) - place
            step = (messages - level) * others
            if step > left:
                return Backlog(tuple(ceil(count - level - left / others) for count in ascending[place:]))
            left, level = left - step, float(messages)
        return NO_BACKLOG


NO_BACKLOG = Backlog(())

NO_WINDOW = MailingWarning("no_window", "The end must be after the start.")
TOO_SHORT = MailingWarning("window_too_short", "At the rate limit, its window is too short: some will not be sent.")
TOO_SLOW = MailingWarning("window_too_short", "At the present speed, its window is too short: some will not be sent.")
CASE_DIFFERS = MailingWarning(
    "case_differs", "Some clients have its mark as tag in other upper and lower case. They are not written to."
)
MISSING_VALUES = MailingWarning(
    "missing_values", "Some clients have no value of a field that the text shows. They get no message."
)
TOO_LONG = MailingWarning("too_long", "Some texts are too long: those messages are not sent.")
EMPTY_TEXTS = MailingWarning("empty_texts", "For some clients the text is empty. They get no message.")
FORCED_UCS2 = MailingWarning(
    "forced_ucs2",
    "Single characters or values make texts UCS-2, which takes more segments than the GSM alphabet does.",
)

OVER_CAP = MailingWarning(
    "over_cap", "Some clients have had as many messages as a cap allows. Theirs wait, or are not sent."
)
OVER_SPENDING_LIMIT = MailingWarning(
    "over_spending_limit", "It would cost more than its spending limit: it will be paused before all are sent."
)
SPENDING_UNKNOWN = MailingWarning(
    "spending_unknown",
    "The price of a gateway is not known in the currency of its spending limit: it will be paused there.",
)


class Spending(enum.Enum):
    """What is wrong with a spending limit."""

    OVER_LIMIT = enum.auto()
    """The mailing would cost more."""
    UNKNOWN = enum.auto()
    """A price is not known in its currency."""


NO_LOCAL_TIME = MailingWarning(
    "no_local_time", "For some clients no permitted local time comes before the end. They get no message."
)
TIMEZONE_UNKNOWN = MailingWarning(
    "timezone_unknown",
    "The time zone of some clients is not known, and the mailing has no default time zone. They get no message.",
)

ADVICE = frozenset({FORCED_UCS2.code})
"""Warnings that need no confirmation: every message is sent all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextProblems:
    """What is wrong with the texts of a mailing."""

    missing: int = 0
    """Clients without a value of a field."""
    too_long: int = 0
    """Texts that are too long."""
    empty: int = 0
    """Texts in which nothing is."""
    forced_ucs2: bool = False
    """Whether UCS-2 is needed where that may be avoided, or for some of the texts only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateInput:
    """What is known of the mailing so far, and of the conditions that it would be sent under."""

    mark: str
    by_segments: bool = False
    """Whether the audience is a segment, or segments are left out."""
    start: datetime | None
    end: datetime | None
    audience: int
    left_out: int = 0
    """Clients who have the mark, and are left out of the audience."""
    similar_tags: Sequence[str] = ()
    """Tags of clients that differ from the mark only in upper and lower case."""
    rate: float
    """Messages a second that the gateway accepts from all workers; 0 if not known."""
    is_measured: bool = False
    """Whether `rate` is the measured current speed, and not the rate limit."""
    now: datetime
    backlog: Backlog = NO_BACKLOG


def seconds_needed(messages: int, rate: float, others: Backlog = NO_BACKLOG) -> float | None:
    """Seconds to send so many messages at `rate` a second; None if the rate is not known (0).

    Other mailings get equal shares of the rate until they are finished: at the end, either as many of each have been
    sent as of this one, or all of them.
    """
    if not rate:
        return None
    return (messages + sum(min(messages, waiting) for waiting in others.waiting)) / rate


def backlog_at(start: datetime | None, now: datetime, rate: float, backlog: Backlog) -> Backlog:
    """What will be left of the backlog when a mailing starts."""
    return backlog.after(rate * (start - now).total_seconds()) if start and start > now else backlog


def plan_warnings(draft: EstimateInput) -> list[MailingWarning]:
    """What the author should check before creating the mailing."""
    warnings = []
    start = max(filter(None, (draft.start, draft.now)))
    if draft.start and draft.end and draft.end <= draft.start:
        warnings.append(NO_WINDOW)
    elif draft.end and draft.end <= draft.now:
        warnings.append(WINDOW_CLOSED)
    elif (
        draft.end
        and (seconds_needed(draft.audience, draft.rate, draft.backlog) or 0.0) > (draft.end - start).total_seconds()
    ):
        warnings.append(TOO_SLOW if draft.is_measured else TOO_SHORT)
    if draft.by_segments and not draft.audience:
        warnings.append(NO_CLIENT_IN_AUDIENCE)
    elif draft.mark and not draft.audience:
        warnings.append(EVERYBODY_LEFT_OUT if draft.left_out else NO_CLIENT_MATCHES)
    if draft.similar_tags:
        warnings.append(CASE_DIFFERS)
    return warnings


def limit_warnings(*, capped: bool, spending: Spending | None) -> list[MailingWarning]:
    """What limits forbid. `capped`: whether some clients are at a cap when it starts."""
    said = (
        (OVER_CAP, capped),
        (OVER_SPENDING_LIMIT, spending is Spending.OVER_LIMIT),
        (SPENDING_UNKNOWN, spending is Spending.UNKNOWN),
    )
    return [warning for warning, holds in said if holds]


def window_warnings(*, no_time: int, unknown: int) -> list[MailingWarning]:
    """What the author should check in the local window: clients without a permitted time before the end, and clients
    without a known time zone, for whom there is no default one.
    """
    return [warning for warning, clients in ((NO_LOCAL_TIME, no_time), (TIMEZONE_UNKNOWN, unknown)) if clients]


def text_warnings(problems: TextProblems) -> list[MailingWarning]:
    """What the author should check in the text."""
    said = (
        (MISSING_VALUES, problems.missing),
        (TOO_LONG, problems.too_long),
        (EMPTY_TEXTS, problems.empty),
        (FORCED_UCS2, problems.forced_ucs2),
    )
    return [warning for warning, holds in said if holds]
