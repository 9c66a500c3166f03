"""What a mailing that is still being written would come to: pure rules, without a clock and without a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from shared.mailings import NOBODY_MATCHES, WINDOW_CLOSED, MailingWarning
from shared.segments import Segments


class Backlog(NamedTuple):
    """What waits to be sent already: it takes its share of the rate."""

    messages: int
    mailings: int


NO_BACKLOG = Backlog(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is known of the mailing so far, and of the world that it would meet."""

    mark: str
    start: datetime | None
    end: datetime | None
    audience: int
    rate: float
    """Messages a second that the gateway takes of all workers; 0 is no limit."""
    now: datetime
    backlog: Backlog = NO_BACKLOG


def seconds_needed(audience: int, rate: float, backlog: Backlog = NO_BACKLOG) -> float | None:
    """How long sending takes at the rate limit; none when there is no limit.

    Mailings share the rate evenly, until the others are done.
    """
    if not rate:
        return None
    return min(audience * (backlog.mailings + 1), audience + backlog.messages) / rate


def cost(audience: int, segments: Segments, price: Decimal) -> Decimal | None:
    """What the gateway will charge; none when the price of a segment is not known."""
    return audience * segments.count * price if price else None


def plan_warnings(draft: Draft) -> list[MailingWarning]:
    """What its author should look at before adding it."""
    warnings = []
    start = max(filter(None, (draft.start, draft.now)))
    if draft.start and draft.end and draft.end <= draft.start:
        warnings.append(MailingWarning("no_window", "The end must be after the start."))
    elif draft.end and draft.end <= draft.now:
        warnings.append(WINDOW_CLOSED)
    elif (
        draft.end
        and (seconds_needed(draft.audience, draft.rate, draft.backlog) or 0.0) > (draft.end - start).total_seconds()
    ):
        warnings.append(
            MailingWarning("window_too_short", "At the rate limit, its window is too short: some will not be sent.")
        )
    if draft.mark and not draft.audience:
        warnings.append(NOBODY_MATCHES)
    return warnings
