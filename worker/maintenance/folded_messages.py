"""What becomes of a message by all of its receipts: the rows that decide it, and the outcome. No database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.domain.delivery import (
    Delivery,
    DeliveryReport,
    FoldedDelivery,
    ReceiptState,
    UndeliveredReason,
    fold,
    status_after,
)
from shared.domain.statuses import MessageStatus


class MessageRow(NamedTuple):
    """A row of LOCK_MESSAGES."""

    id: int
    client_id: int
    phone_number: int
    mailing_id: int
    text_revision: int | None
    text_values: list[str | None] | None
    status: str
    in_doubt: bool
    delivery: str | None
    delivery_reason: str | None
    receipts: bool | None
    """Whether its gateway is expected to report deliveries."""
    none_expected: bool | None
    """Whether none are expected for its phone number."""


class ReceiptRow(NamedTuple):
    """A row of READ_RECEIPTS."""

    message_id: int
    gateway_id: int
    state: str
    reason: str | None
    code: str | None
    event_at: datetime | None
    part: str | None
    parts: int | None
    received_at: datetime
    provider_message_id: str | None


class FoldedMessage(NamedTuple):
    """A message whose receipts have been folded."""

    message: MessageRow
    status: MessageStatus
    delivery: Delivery | None
    folded: FoldedDelivery
    at: datetime
    """When it happened, as the provider says, but not after its last receipt came; without a time, when that came."""
    provider_message_id: str | None

    @property
    def was_settled(self) -> bool:
        """Whether the message has become `sent` by its receipts."""
        return self.status != self.message.status

    def as_json(self) -> dict[str, object]:
        """An object of APPLY_DELIVERY."""
        undelivered = self.delivery is Delivery.UNDELIVERED
        return {
            "id": self.message.id,
            "status": self.status,
            "delivery": self.delivery,
            "delivery_at": self.at.isoformat() if self.folded.delivery is not None else None,
            "delivery_reason": self.folded.reason if undelivered else None,
            "delivery_code": self.folded.code,
            "delivery_conflicting": self.folded.conflicting,
            "parts": self.folded.parts,
            "parts_delivered": self.folded.parts_delivered,
        }


def folded_message(message: MessageRow, rows: Sequence[ReceiptRow], segments: int | None) -> FoldedMessage:
    """The effect of all receipts of a message, of which there is at least one.

    `segments` is its number of parts, for receipts of parts.
    """
    folded = fold([_report(row) for row in rows], segments)
    status = MessageStatus(message.status)
    after = status_after(folded, status, in_doubt=message.in_doubt) or status
    before = None if message.delivery is None else Delivery(message.delivery)
    awaited = Delivery.AWAITING if message.receipts and not message.none_expected else None
    waiting = before if status is MessageStatus.SENT else awaited
    came = max(row.received_at for row in rows)
    at = came if folded.at is None else min(folded.at, came)
    named = sorted(row.provider_message_id for row in rows if row.provider_message_id is not None)
    return FoldedMessage(message, after, folded.delivery or waiting, folded, at, named[0] if named else None)


def _report(row: ReceiptRow) -> DeliveryReport:
    reason = None if row.reason is None else UndeliveredReason(row.reason)
    return DeliveryReport(ReceiptState(row.state), reason, row.code, row.event_at, row.part, row.parts)
