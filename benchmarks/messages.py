"""The work that everything compared does: the same request for each message. Needs the standard library only."""

from __future__ import annotations

import json

HEADERS = {"Authorization": "Bearer benchmark", "Content-Type": "application/json"}
TEXT = "The same text for everybody"
FIRST_PHONE = 79_000_000_000


def path(message_id: int) -> str:
    """Where a message goes to, below the gateway's address."""
    return f"/send/{message_id}"


def body(message_id: int) -> bytes:
    """What is sent of a message."""
    return json.dumps({"id": message_id, "phone": FIRST_PHONE + message_id, "text": TEXT}).encode()


TABLES = """
CREATE TABLE task_message (
    id bigint PRIMARY KEY, phone_number bigint NOT NULL, text text NOT NULL,
    status text NOT NULL DEFAULT 'pending', sent_at timestamptz
);
CREATE INDEX ON task_message (id) WHERE status = 'pending';
"""
"""For those who keep no status of their own: the least that a ledger needs."""
FILL = """
INSERT INTO task_message (id, phone_number, text) SELECT number, %s + number, %s FROM generate_series(1, %s) AS number
"""
