"""The first schema: directory, mailings, and the ledger with its tally.

Revises: nothing, this is the beginning.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MAILING_STATUS = ENUM(
    "scheduled", "running", "paused", "finished", "cancelled", name="mailing_status", create_type=False
)
MESSAGE_STATUS = ENUM(
    "pending", "sending", "sent", "failed", "expired", "cancelled", "unknown", name="message_status", create_type=False
)
OUTCOME = ENUM(
    "accepted", "refused", "throttled", "unreachable", "unauthorized", "ambiguous", name="outcome", create_type=False
)
ON_UNKNOWN = ENUM("resend", "hold", name="on_unknown", create_type=False)
ENUMS = (MAILING_STATUS, MESSAGE_STATUS, OUTCOME, ON_UNKNOWN)

# The tally is kept by the database itself, so that no path of the code can forget it: once a statement, from the
# rows it changed, in the same transaction. Rows are only ever added: two workers never wait for one counter.
TALLY_INSERTED = """
CREATE FUNCTION message_tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
CREATE TRIGGER message_tally_inserted AFTER INSERT ON message
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION message_tally_inserted();
"""
TALLY_UPDATED = """
CREATE FUNCTION message_tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, sum(sign)
    FROM (SELECT mailing_id, status, 1 AS sign FROM after UNION ALL SELECT mailing_id, status, -1 FROM before) AS change
    GROUP BY mailing_id, status
    HAVING sum(sign) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER message_tally_updated AFTER UPDATE ON message
REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION message_tally_updated();
"""
TALLY_DELETED = """
CREATE FUNCTION message_tally_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, -count(*) FROM removed GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
CREATE TRIGGER message_tally_deleted AFTER DELETE ON message
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION message_tally_deleted();
"""


def upgrade() -> None:
    for enum in ENUMS:
        enum.create(op.get_bind())
    op.create_table(
        "attempt",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "number"),
    )
    op.create_table(
        "client",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("phone_number", sa.BigInteger(), nullable=False),
        sa.Column("operator_code", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "operator_code ~ '^[0-9]+$' AND position(operator_code in phone_number::text) > 0",
            name="client_operator_code_in_phone_number",
        ),
        sa.CheckConstraint("phone_number BETWEEN 1000000 AND 999999999999999", name="client_phone_number_is_e164"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("phone_number", name="client_phone_number_key"),
    )
    op.create_index("client_operator_code_id_idx", "client", ["operator_code", "id"], unique=False)
    op.create_index("client_tag_id_idx", "client", ["tag", "id"], unique=False)
    op.create_table(
        "mailing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("start_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", MAILING_STATUS, server_default="scheduled", nullable=False),
        sa.Column("on_unknown", ON_UNKNOWN, server_default="resend", nullable=False),
        sa.Column("text_revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("audience", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("launch_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launch_cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("launch_ceiling", sa.BigInteger(), nullable=True),
        sa.Column("launched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status IN ('finished', 'cancelled')) = (ended_at IS NOT NULL)", name="mailing_end_has_a_timestamp"
        ),
        sa.CheckConstraint(
            "(launch_started_at IS NULL) = (launch_ceiling IS NULL)", name="mailing_launch_has_a_ceiling"
        ),
        sa.CheckConstraint("end_datetime > start_datetime", name="mailing_window_ends_after_its_start"),
        sa.CheckConstraint(
            "launched_at IS NULL OR launch_started_at IS NOT NULL", name="mailing_launch_began_before_it_ended"
        ),
        sa.CheckConstraint("settled_at IS NULL OR ended_at IS NOT NULL", name="mailing_settled_after_its_end"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "mailing_listed_idx", "mailing", ["id"], unique=False, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_index(
        "mailing_scheduled_idx",
        "mailing",
        ["start_datetime"],
        unique=False,
        postgresql_where=sa.text("status = 'scheduled'"),
    )
    op.create_index(
        "mailing_unsettled_idx",
        "mailing",
        ["id"],
        unique=False,
        postgresql_where=sa.text("launch_started_at IS NOT NULL AND settled_at IS NULL"),
    )
    op.create_table(
        "message_tally",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("status", MESSAGE_STATUS, nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_tally_mailing_id_idx", "message_tally", ["mailing_id", "status"], unique=False)
    op.create_table(
        "mailing_text",
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(text) BETWEEN 1 AND 6400", name="mailing_text_is_1_to_1600_characters"),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mailing_id", "revision"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("phone_number", sa.BigInteger(), nullable=False),
        sa.Column("status", MESSAGE_STATUS, server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts_spared", sa.Integer(), server_default="0", nullable=False),
        sa.Column("in_doubt", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("text_revision", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_worker", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(status = 'sending') = (lease_until IS NOT NULL)", name="message_sending_has_a_lease"),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="message_sent_has_a_timestamp"),
        sa.CheckConstraint(
            "(status IN ('pending', 'sending')) = (ended_at IS NULL)", name="message_end_has_a_timestamp"
        ),
        sa.CheckConstraint("attempts_spared BETWEEN 0 AND attempts", name="message_attempts_spared_are_attempts"),
        sa.ForeignKeyConstraint(
            ["mailing_id"],
            ["mailing.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("client_id", "mailing_id", name="message_client_id_mailing_id_key"),
    )
    op.create_index(
        "message_due_idx",
        "message",
        ["mailing_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "message_lease_idx", "message", ["lease_until"], unique=False, postgresql_where=sa.text("status = 'sending'")
    )
    op.create_index("message_mailing_id_status_id_idx", "message", ["mailing_id", "status", "id"], unique=False)
    op.create_index("message_phone_number_idx", "message", ["phone_number", "id"], unique=False)
    op.create_index("message_status_id_idx", "message", ["status", "id"], unique=False)
    op.execute(TALLY_INSERTED)
    op.execute(TALLY_UPDATED)
    op.execute(TALLY_DELETED)


def downgrade() -> None:
    for table in ("attempt", "message", "message_tally", "mailing_text", "mailing", "client"):
        op.drop_table(table)
    for event in ("inserted", "updated", "deleted"):
        op.execute(f"DROP FUNCTION message_tally_{event}()")
    for enum in ENUMS:
        enum.drop(op.get_bind())
