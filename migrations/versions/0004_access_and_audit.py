"""Keys, browser sessions, and the audit, which can only be added to.

Only adds: workers and APIs of the version before go on beside it.

Revises: 0003
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROLE = ENUM("viewer", "operator", "admin", name="role", create_type=False)
INSTANT = sa.DateTime(timezone=True)

# ENABLE ALWAYS: also where replication has the triggers of ordinary sessions off. Whoever owns the table can still drop
# the trigger or the table; a statement that changes rows, and no more, is refused to everybody.
APPEND_ONLY = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit can only be added to: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only;
"""


def upgrade() -> None:
    op.execute("CREATE TYPE role AS ENUM ('viewer', 'operator', 'admin')")
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", ROLE, nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("prefix", name="api_key_prefix_key"),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "browser_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", ROLE, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("browser_session_expires_at_idx", "browser_session", ["expires_at"])
    _create_cookie_secret()
    _create_audit()


def downgrade() -> None:
    for table in ("audit_entry", "cookie_secret", "browser_session", "sign_in_link", "api_key"):
        op.drop_table(table)
    op.execute("DROP FUNCTION audit_is_append_only()")
    op.execute("DROP TYPE role")


def _create_cookie_secret() -> None:
    table = op.create_table(
        "cookie_secret",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="cookie_secret_is_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(table, [{"id": 1, "secret": secrets.token_bytes(32)}])


def _create_audit() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", INSTANT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("role", ROLE, nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=True),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_entry_at_idx", "audit_entry", ["at"])
    op.create_index("audit_entry_actor_id_idx", "audit_entry", ["actor", "id"])
    op.create_index("audit_entry_operation_id_idx", "audit_entry", ["operation", "id"])
    op.create_index("audit_entry_object_id_idx", "audit_entry", ["object", "object_id", "id"])
    op.execute(APPEND_ONLY)
