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


class MailingKind(enum.StrEnum):
    """What a mailing is to its recipients: which suppressions, caps and consents concern it."""

    MARKETING = "marketing"
    SERVICE = "service"
    """Messages that the recipient needs: of an order, an appointment, an outage. Caps do not count them."""
    REPLY = "reply"
    """An answer to a message of the recipient's own, such as the confirmation of an opt-out. Only Gonets makes them."""


class OverCap(enum.StrEnum):
    """What becomes of a message to a number that has had as many messages as its cap allows."""

    WAIT = "wait"
    """It waits until the cap allows it."""
    CANCEL = "cancel"


OPEN_STATUSES = (MessageStatus.PENDING, MessageStatus.SENDING)
"""The statuses of messages that have not ended."""
