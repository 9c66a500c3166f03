"""When the gateway was last asked, and when it last answered: one row, which workers keep.

A new table only: workers and APIs of the version before can run beside it. It begins with what the ledger says of the
newest messages.

Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OUTCOME = ENUM(name="outcome", create_type=False)

# By the primary key from its end: a look at a thousand attempts, however many there are.
FILL = """
INSERT INTO gateway_contact (id, asked_at, answered_at, accepted_at, outcome, detail)
SELECT 1, asked_at, max(asked_at) FILTER (WHERE http_status IS NOT NULL) OVER everything,
    max(asked_at) FILTER (WHERE outcome = 'accepted') OVER everything, outcome, detail
FROM (
    SELECT started_at + coalesce(duration, 0) * interval '1 second' AS asked_at, http_status, outcome, detail
    FROM attempt
    ORDER BY message_id DESC, number DESC
    LIMIT 1000
) AS latest
WINDOW everything AS ()
ORDER BY asked_at DESC
LIMIT 1
"""


def upgrade() -> None:
    op.create_table(
        "gateway_contact",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="gateway_contact_pkey"),
        sa.CheckConstraint("id = 1", name="gateway_contact_is_one_row"),
        # Changed every few seconds, in place.
        postgresql_with={"fillfactor": 10, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500},
    )
    op.execute(FILL)


def downgrade() -> None:
    op.drop_table("gateway_contact")
