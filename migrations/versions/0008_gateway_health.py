"""What else stops a worker: an account without credit, and answers that nobody understands.

Only adds values to an enum. Bring the API up to this version before the workers: its dashboard reads what they report.

Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE gateway_health ADD VALUE 'no_credit'")
    op.execute("ALTER TYPE gateway_health ADD VALUE 'not_understood'")


def downgrade() -> None:
    # PostgreSQL can't take a value out of an enum. The reports are kept for an hour, and go.
    op.execute("DELETE FROM worker_report WHERE gateway IN ('no_credit', 'not_understood')")
    op.execute("ALTER TYPE gateway_health RENAME TO gateway_health_0008")
    op.execute("CREATE TYPE gateway_health AS ENUM ('ok', 'slowing', 'open', 'refused')")
    op.execute("ALTER TABLE worker_report ALTER COLUMN gateway TYPE gateway_health USING gateway::text::gateway_health")
    op.execute("DROP TYPE gateway_health_0008")
