"""A mailing's progress as one line of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.domain.delivery import Delivery
from shared.domain.mailing_rules import ENDED
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus

BAR_WIDTH = 24


def has_ended(mailing: Mapping[str, Any]) -> bool:
    """Whether the mailing is finished or cancelled."""
    return MailingStatus(mailing["status"]) in ENDED


def progress_line(mailing: Mapping[str, Any]) -> str:
    """A bar of the messages that have ended, and the counts by state.

    `mailing` is the API's representation: `status`, `audience` and `messages` (counts by status).
    """
    counts = mailing["messages"]
    audience = mailing["audience"]
    if not audience:
        return f"Mailing {mailing['id']} is {mailing['status']}: workers look for due messages every few seconds"
    ended = audience - sum(counts.get(status, 0) for status in OPEN_STATUSES)
    filled = BAR_WIDTH * ended // audience
    sent = counts.get(MessageStatus.SENT, 0)
    parts = [f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {sent:,} of {audience:,} sent"]
    if others := _counted(counts, [status for status in MessageStatus if status != MessageStatus.SENT]):
        parts.append(others)
    if delivery := delivery_line(mailing):
        parts.append(delivery)
    if mailing["status"] == MailingStatus.PAUSED:
        parts.append("paused")
    return " · ".join(parts)


def summary(mailing: Mapping[str, Any]) -> str:
    """The counts of a mailing's messages by state, such as `998 sent, 2 failed`."""
    return _counted(mailing["messages"], MessageStatus) or "no messages"


def delivery_line(mailing: Mapping[str, Any]) -> str:
    """The counts of its sent messages by delivery, such as `701 delivered, 40 undelivered, 12 awaiting`; empty if no
    receipts are expected.
    """
    deliveries = [delivery for delivery in Delivery if delivery is not Delivery.NO_RECEIPT]
    return _counted(mailing.get("delivery") or {}, deliveries)


def _counted(counts: Mapping[str, int], statuses: Iterable[str]) -> str:
    return ", ".join(f"{counts[status]:,} {status}" for status in statuses if counts.get(status))
