"""Inbound messages as providers forward them, for tests: added as the API adds those of callbacks."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import InboundPart
from shared.gateways.receipt_rows import inbound_rows
from shared.sql.inbound import ADD_INBOUND
from tests.factories import execute, value

WRITER = 79_000_000_001
"""The phone number of the first client that tests/factories.py adds."""


def forward(connection: Connection, *parts: InboundPart, gateway_id: int = 1) -> None:
    """Adds the parts of one callback."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_INBOUND, {"parts": inbound_rows(gateway_id, parts)})


def add_inbound_message(
    connection: Connection,
    text: str = "When does it begin?",
    *,
    phone_number: int | None = WRITER,
    sender: str = "",
    message_id: int | None = None,
    gateway_id: int = 1,
) -> int:
    """An unread inbound message, of the client with that number; answers its id."""
    added = value(
        connection,
        """
        INSERT INTO inbound_message (gateway_id, sender, phone_number, recipient, text, parts, parts_received,
            received_at, client_id, message_id)
        VALUES (%s, %s, %s, '1001', %s, 1, 1, clock_timestamp(), (SELECT id FROM client WHERE phone_number = %s), %s)
        RETURNING id
        """,
        gateway_id,
        sender or f"+{phone_number}",
        phone_number,
        text,
        phone_number,
        message_id,
    )
    return int(added)


def let_come_earlier(connection: Connection, interval: str) -> None:
    """Makes all parts and messages that have come so much older."""
    for table in ("inbound_part", "inbound_message"):
        execute(connection, f"UPDATE {table} SET received_at = received_at - %s::interval", interval)  # noqa: S608
