"""The states of the ledger: what a mailing and a message can be.

Each enum here has a PostgreSQL enum of the same members (a test compares them).
"""

from __future__ import annotations

import enum


class MailingStatus(enum.StrEnum):
    """Where a mailing is in its life."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class MessageStatus(enum.StrEnum):
    """What became, or is to become, of one message."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class OnUnknown(enum.StrEnum):
    """What to do after an attempt that may have landed."""

    RESEND = "resend"
    HOLD = "hold"


OPEN_STATUSES = (MessageStatus.PENDING, MessageStatus.SENDING)
"""The message states that something will still become of."""
