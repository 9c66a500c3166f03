"""What workers tell of themselves every few seconds.

Only adds a table: workers and APIs of the version before go on beside it.

Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GATEWAY_HEALTH = ENUM("ok", "slowing", "open", "refused", name="gateway_health", create_type=False)
COUNTS = ("accepted", "refused", "throttled", "unreachable", "unauthorized", "ambiguous")


def upgrade() -> None:
    GATEWAY_HEALTH.create(op.get_bind())
    op.create_table(
        "worker_report",
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("in_hand", sa.Integer(), nullable=False),
        sa.Column("send_limit", sa.Integer(), nullable=False),
        sa.Column("gateway", GATEWAY_HEALTH, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("at", "worker"),
    )


def downgrade() -> None:
    op.drop_table("worker_report")
    GATEWAY_HEALTH.drop(op.get_bind())
