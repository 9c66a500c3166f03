"""A ledger that is cheap to write and may be tidied: fewer index entries, the tally's total, what retention removed.

All of it under an exclusive lock on `mailing`, `message` and `message_tally`: an instant, but for the two indexes,
which take some two seconds per million messages. docs/upgrading.md says how to make them beforehand, while workers
send. Storage options concern what is written from now on; nothing is rewritten. Workers and APIs of the version before
go on beside it.

Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Whoever waits for an exclusive lock holds up everybody behind him, and may wait in a circle with a worker that has its
# locks in another order. So: never for long, and all anew.
LOCK_TABLES = """
DO $$
BEGIN
    PERFORM set_config('lock_timeout', '300ms', true);
    LOOP
        BEGIN
            LOCK TABLE mailing, message, message_tally IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', '0', true);
END $$
"""

# What a foreign key would guard with a look at the mailing for every row, which is a third of what a launch costs, this
# guards with one look a statement: messages are of a mailing that there is, and the lock keeps it.
TALLY_INSERTED = """
CREATE OR REPLACE FUNCTION message_tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mailings bigint[] := ARRAY(SELECT DISTINCT mailing_id FROM added);
BEGIN
    PERFORM FROM mailing WHERE id = ANY(mailings) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT unnest(mailings) EXCEPT SELECT id FROM mailing WHERE id = ANY(mailings)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a message must be of a mailing that there is',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'message';
    END IF;
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
"""
MAILING_KEPT = """
CREATE FUNCTION mailing_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM message WHERE mailing_id = OLD.id AND status <> 'sending')
        OR EXISTS (SELECT FROM message WHERE mailing_id = OLD.id AND status = 'sending') THEN
        RAISE foreign_key_violation USING MESSAGE = 'a mailing that has messages cannot be deleted',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'mailing';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER mailing_kept BEFORE DELETE ON mailing FOR EACH ROW EXECUTE FUNCTION mailing_kept();
"""
# The counts of a mailing whose ledger is being removed stay: they are what remains of it.
TALLY_DELETED = """
CREATE OR REPLACE FUNCTION message_tally_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, -count(*)
    FROM removed
    WHERE NOT EXISTS (SELECT FROM mailing WHERE id = mailing_id AND ledger_closed_at IS NOT NULL)
    GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
"""

FIRST_TALLY_INSERTED = """
CREATE OR REPLACE FUNCTION message_tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
"""
FIRST_TALLY_DELETED = """
CREATE OR REPLACE FUNCTION message_tally_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_tally (mailing_id, status, messages)
    SELECT mailing_id, status, -count(*) FROM removed GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
"""

# For tables whose every row is changed several times, or whose rows come and go: see shared/schema/.
STORAGE = {
    "message": {
        "fillfactor": "50",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_vacuum_threshold": "10000",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "2000",
    },
    "mailing": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"},
    "message_tally": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "2000"},
    "pace": {"fillfactor": "10", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"},
    "attempt": {"autovacuum_vacuum_insert_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.02"},
}


def upgrade() -> None:
    op.execute(LOCK_TABLES)
    op.create_index(
        "message_listed_idx",
        "message",
        ["mailing_id", "status", "id"],
        postgresql_where=sa.text("status <> 'sending'"),
        if_not_exists=True,
    )
    op.create_index(
        "message_ended_idx",
        "message",
        ["status", "id"],
        postgresql_where=sa.text("status NOT IN ('pending', 'sending')"),
        if_not_exists=True,
    )
    op.drop_index("message_mailing_id_status_id_idx", "message")
    op.drop_index("message_status_id_idx", "message")
    op.add_column("mailing", sa.Column("ledger_closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mailing", sa.Column("ledger_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "mailing_ledger_idx",
        "mailing",
        ["settled_at"],
        postgresql_where=sa.text("settled_at IS NOT NULL AND ledger_removed_at IS NULL"),
    )
    op.alter_column("message_tally", "mailing_id", nullable=True)
    op.add_column("message_tally", sa.Column("in_total", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "message_tally_current_idx", "message_tally", ["mailing_id"], postgresql_where=sa.text("NOT in_total")
    )
    op.execute(TALLY_INSERTED)
    op.execute(TALLY_DELETED)
    op.execute(MAILING_KEPT)
    op.drop_constraint("message_mailing_id_fkey", "message", type_="foreignkey")
    for table, options in STORAGE.items():
        op.execute(f"ALTER TABLE {table} SET ({', '.join(f'{name} = {value}' for name, value in options.items())})")


def downgrade() -> None:
    """What retention has removed stays removed, with its counts."""
    op.execute(LOCK_TABLES)
    for table, options in STORAGE.items():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(options)})")
    op.create_foreign_key("message_mailing_id_fkey", "message", "mailing", ["mailing_id"], ["id"])
    op.execute("DROP TRIGGER mailing_kept ON mailing")
    op.execute("DROP FUNCTION mailing_kept()")
    op.execute(FIRST_TALLY_DELETED)
    op.execute(FIRST_TALLY_INSERTED)
    op.execute("DELETE FROM message_tally WHERE mailing_id IS NULL")
    op.drop_index("message_tally_current_idx", "message_tally")
    op.drop_column("message_tally", "in_total")
    op.alter_column("message_tally", "mailing_id", nullable=False)
    op.drop_index("mailing_ledger_idx", "mailing")
    op.drop_column("mailing", "ledger_removed_at")
    op.drop_column("mailing", "ledger_closed_at")
    op.create_index("message_status_id_idx", "message", ["status", "id"])
    op.create_index("message_mailing_id_status_id_idx", "message", ["mailing_id", "status", "id"])
    op.drop_index("message_ended_idx", "message")
    op.drop_index("message_listed_idx", "message")
