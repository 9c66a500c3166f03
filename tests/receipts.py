"""Receipts as providers report them, for tests: added to the queue as the API adds those of callbacks."""

from __future__ import annotations

from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Receipt
from shared.gateways.receipt_rows import receipt_rows
from shared.sql.receipts import ADD_RECEIPTS
from tests.factories import execute, rows

DELIVERED = Receipt(state=ReceiptState.DELIVERED)
ON_ITS_WAY = Receipt(state=ReceiptState.ACCEPTED)
UNDELIVERED = Receipt(state=ReceiptState.UNDELIVERED, reason=UndeliveredReason.BLOCKED, code="30004")


def receive(connection: Connection, *receipts: Receipt, gateway_id: int = 1) -> None:
    """Queues receipts of one callback."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_RECEIPTS, {"receipts": receipt_rows(gateway_id, receipts)})


def report_deliveries(connection: Connection, gateway_id: int = 1, **changes: Any) -> None:
    """Lets a gateway report deliveries."""
    columns = ", ".join(f"{name} = %s" for name in ("receipts", *changes))
    execute(connection, f"UPDATE gateway SET {columns} WHERE id = %s", True, *changes.values(), gateway_id)  # noqa: S608


def deliveries(connection: Connection) -> list[tuple[str, str | None]]:
    """The status and the delivery of every message, in the order of their ids."""
    return rows(connection, "SELECT status::text, delivery::text FROM message ORDER BY id")


def counts_by_delivery(connection: Connection, mailing_id: int) -> dict[str | None, int]:
    """How many sent messages of a mailing have each delivery, as the counts say."""
    found = rows(
        connection,
        """
        SELECT coalesce(delivery, 'no_receipt')::text, sum(delta)::int FROM message_count_delta
        WHERE mailing_id = %s AND status = 'sent' GROUP BY 1 HAVING sum(delta) <> 0
        """,
        mailing_id,
    )
    return dict(found)
