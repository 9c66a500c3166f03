"""Estimates for a mailing that is not created yet: pure functions, without a clock and without a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import NamedTuple

from shared.domain.mailing_rules import NO_CLIENT_MATCHES, WINDOW_CLOSED, MailingWarning


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateInput:
    """What is known of the mailing so far, and of the conditions that it would be sent under."""

    mark: str
    start: datetime | None
    end: datetime | None
    audience: int
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
    if draft.mark and not draft.audience:
        warnings.append(NO_CLIENT_MATCHES)
    if draft.similar_tags:
        warnings.append(CASE_DIFFERS)
    return warnings
