"""The statuses of mailings and messages.

Each enum here has a PostgreSQL enum of the same members (a test compares them).
"""

from __future__ import annotations

import enum


class MailingStatus(enum.StrEnum):
    """The status of a mailing."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class MessageStatus(enum.StrEnum):
    """The status of a message."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class OnUnknown(enum.StrEnum):
    """What to do after an attempt that may have been accepted."""

    RESEND = "resend"
    HOLD = "hold"


OPEN_STATUSES = (MessageStatus.PENDING, MessageStatus.SENDING)
"""The statuses of messages that have not ended."""
