"""Recipients who have opted out at a provider, as its receipts say: they are suppressed at that gateway."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery import Delivery, UndeliveredReason
from shared.domain.erasure import ERASED_NUMBER
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from worker.maintenance.folded_messages import FoldedMessage, MessageRow, ReceiptRow
from worker.suppressions import NewSuppression, suppress


def suppress_opted_out(cursor: Cursor, folded: Iterable[FoldedMessage], rows: Iterable[ReceiptRow]) -> int:
    """Suppresses the numbers of messages that were not delivered since the recipient has opted out.

    `rows` are all receipts of these messages. Returns how many numbers were not suppressed before. Safe to repeat.
    """
    opted_out = {one.message.id: one.message for one in folded if _says_opted_out(one) and _has_a_number(one)}
    if not opted_out:
        return 0
    said = [row for row in rows if row.message_id in opted_out and row.reason == UndeliveredReason.OPTED_OUT]
    # The first one decides when it was: what the provider repeats later is no news.
    first = {row.message_id: row for row in sorted(said, key=_happened_at, reverse=True)}
    added = suppress(cursor, [_suppression(opted_out[row.message_id], row) for row in first.values()])
    return len(added)


def _says_opted_out(one: FoldedMessage) -> bool:
    return one.folded.delivery is Delivery.UNDELIVERED and one.folded.reason is UndeliveredReason.OPTED_OUT


def _has_a_number(one: FoldedMessage) -> bool:
    return one.message.phone_number != ERASED_NUMBER


def _happened_at(row: ReceiptRow) -> datetime:
    """When it happened, as the provider says, but not after the receipt came."""
    return row.received_at if row.event_at is None else min(row.event_at, row.received_at)


def _suppression(message: MessageRow, row: ReceiptRow) -> NewSuppression:
    evidence: dict[str, Any] = {
        "message_id": message.id,
        "provider_code": row.code,
        "provider_message_id": row.provider_message_id,
        "receipt_at": row.received_at.isoformat(),
    }
    return NewSuppression(
        message.phone_number,
        SuppressionScope.GATEWAY,
        row.gateway_id,
        SuppressionReason.OPTED_OUT,
        RecordSource.RECEIPT,
        {name: value for name, value in evidence.items() if value is not None},
        _happened_at(row),
    )
