"""Reopens mailings that have ended although messages of theirs were waiting, and adds an index that finds them.

Up to this version, a mailing could be ended while a retry of its messages was being committed: they stayed `pending`,
and nothing sent, expired or cancelled them any more. Such a mailing runs again: workers send what its window still
allows, and end the rest. The messages of one that is cancelled or removed are cancelled.

The index has no entries in a sound ledger. Workers and APIs of the version before can run beside it.

Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REOPEN = """
UPDATE mailing
SET settled_at = NULL,
    ended_at = CASE WHEN status = 'cancelled' OR removed_at IS NOT NULL THEN ended_at END,
    status = CASE WHEN status = 'cancelled' OR removed_at IS NOT NULL THEN 'cancelled' ELSE 'running'
        END::mailing_status
WHERE settled_at IS NOT NULL AND ledger_closed_at IS NULL AND id IN (
    SELECT mailing_id FROM message_tally
    WHERE status IN ('pending', 'sending')
    GROUP BY mailing_id HAVING sum(messages) > 0)
RETURNING id
"""

WRITE_DOWN = """
INSERT INTO journal (mailing_id, action, detail)
VALUES (:mailing_id, 'reopen', 'messages of it had no end')
"""


def upgrade() -> None:
    op.create_index(
        "message_tally_unended_idx",
        "message_tally",
        ["mailing_id"],
        postgresql_where=sa.text("in_total AND status IN ('pending', 'sending')"),
    )
    connection = op.get_bind()
    for (mailing_id,) in connection.execute(sa.text(REOPEN)).all():
        connection.execute(sa.text(WRITE_DOWN), {"mailing_id": mailing_id})


def downgrade() -> None:
    """What was reopened stays so."""
    op.drop_index("message_tally_unended_idx", "message_tally")
