"""Adds the drafts of mailings: what is written in the console is kept until it is sent.

A new table only: workers and APIs of the version before can run beside it.

Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mailing_draft",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="mailing_draft_pkey"),
        sa.ForeignKeyConstraint(
            ["mailing_id"], ["mailing.id"], name="mailing_draft_mailing_id_fkey", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("mailing_id", name="mailing_draft_mailing_id_key"),
    )
    op.create_index("mailing_draft_unsent_idx", "mailing_draft", ["id"], postgresql_where=sa.text("mailing_id IS NULL"))


def downgrade() -> None:
    """Drafts that were not sent are lost."""
    op.drop_table("mailing_draft")
