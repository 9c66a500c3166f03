"""Lets sessions last while they are used, and keeps who changed a mailing or a draft, and what it was before.

Columns that may be empty or have a constant default, and a new table: no table is rewritten, and workers and APIs of
the version before can run beside it.

Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Sessions from before get the moment of the upgrade, which is a constant to PostgreSQL.
    op.add_column("browser_session", sa.Column("started_at", INSTANT, server_default=sa.func.now(), nullable=False))
    op.add_column("journal", sa.Column("actor_name", sa.Text(), nullable=True))
    op.add_column("journal", sa.Column("changes", postgresql.JSONB(), nullable=True))
    op.add_column("mailing_draft", sa.Column("updated_by_name", sa.Text(), nullable=True))
    op.create_table(
        "mailing_draft_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("draft_id", sa.BigInteger(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("written_at", INSTANT, nullable=False),
        sa.Column("written_by_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="mailing_draft_version_pkey"),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["mailing_draft.id"], name="mailing_draft_version_draft_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("mailing_draft_version_draft_id_id_idx", "mailing_draft_version", ["draft_id", "id"])


def downgrade() -> None:
    """Who changed what in mailings and drafts is lost."""
    op.drop_table("mailing_draft_version")
    op.drop_column("mailing_draft", "updated_by_name")
    for column in ("changes", "actor_name"):
        op.drop_column("journal", column)
    op.execute("DELETE FROM journal WHERE action = 'edit'")
    op.drop_column("browser_session", "started_at")
