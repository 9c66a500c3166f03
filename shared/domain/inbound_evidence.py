"""What is kept of an inbound message as the evidence of a suppression, or of its end."""

from __future__ import annotations

from datetime import datetime


def message_evidence(
    inbound_message_id: int,
    *,
    decision: str,
    text: str,
    gateway: str,
    recipient: str,
    sent_at: datetime | None,
    received_at: datetime,
) -> dict[str, object]:
    """The evidence as JSON: the message itself may be removed after RETENTION_DAYS. It does not name the sender, which
    the suppression does.

    Statements in shared/sql/keywords.py read `inbound_message_id`, `decision`, `gateway`, `sent_at` and `received_at`.
    """
    return {
        "inbound_message_id": inbound_message_id,
        "decision": decision,
        "text": text,
        "gateway": gateway,
        "recipient": recipient,
        "sent_at": None if sent_at is None else sent_at.isoformat(),
        "received_at": received_at.isoformat(),
    }
